"""Files and pictures, for users who may see their conversation or channel. No file is served by its path."""

import hashlib
import mimetypes
import re
from pathlib import PurePosixPath

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from channels_im.messenger.files import INCOMING_TYPES
from channels_im.models import Page
from desk.file_response import BinaryFile, FilePartResponse
from desk.unavailable import no_storage
from tickets.models import Attachment, CannedReplyFile
from tickets.services.conversation import access
from tickets.services.inbox import canned_replies
from tickets.services.incoming import attachments
from tickets.views.base import AgentRequest, agent_page, page_of, refuse
from tickets.views.compose import show_fresh

# What a browser shows without running anything. Every other file can only be downloaded, as application/octet-stream.
SHOWN_INLINE = frozenset(file_type.content_type for file_type in INCOMING_TYPES)
CACHE_CONTROL = "private, max-age=60"  # seconds until a browser asks again, and a lost permission is noticed
PICTURES = frozenset({"image/png", "image/jpeg"})
CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; frame-ancestors 'none'"
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


@require_safe
@agent_page
def attachment(request: AgentRequest, conversation_id: int, attachment_id: int) -> HttpResponseBase:
    """Send a stored file of this conversation; with `?download`, as a file to save."""
    access.get_conversation(request.user, conversation_id, request.facts)
    stored = Attachment.objects.filter(
        pk=attachment_id, message__conversation=conversation_id, state=Attachment.State.STORED
    ).first()
    if stored is None or not stored.file:
        raise Http404("There is no such file in this conversation.")  # English only: no page shows it
    inline = stored.content_type in SHOWN_INLINE and "download" not in request.GET
    return serve(request, stored.file, stored.content_type, name=stored.name, inline=inline)


@require_POST
@agent_page
def try_again(request: AgentRequest, conversation_id: int, attachment_id: int) -> HttpResponse:
    """Fetch a file again that could not be fetched; 422 with the reason when it cannot be fetched again."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    failed = Attachment.objects.filter(pk=attachment_id, message__conversation=conversation_id).first()
    if failed is None:
        raise Http404("There is no such file in this conversation.")  # English only: no page shows it
    if not access.may_work_in(request.facts, conversation):
        return refuse(request, access.READ_ONLY, page_of(request, conversation.pk))
    if not attachments.retry(conversation, failed):
        reason = gettext("This file cannot be fetched again, or it is being fetched already.")
        return refuse(request, reason, page_of(request, conversation.pk))
    return show_fresh(request, conversation)


@require_safe
@agent_page
def contact_picture(request: AgentRequest, conversation_id: int) -> HttpResponseBase:
    """Send our copy of the customer's profile picture."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    return _serve_picture(request, conversation.contact.picture)


@require_safe
@agent_page
def page_picture(request: AgentRequest, page_id: int) -> HttpResponseBase:
    """Send the picture of a Page to a user who sees one of its channels."""
    channels = access.channels_for(request.user, request.facts).filter(page_id=page_id)
    page = Page.objects.filter(pk=page_id, channels__in=channels).first()
    if page is None:
        raise Http404("There is no such Page, or you may not see it.")  # English only: no page shows it
    return _serve_picture(request, page.picture)


@require_safe
@agent_page
def channel_icon(request: AgentRequest, channel_id: int) -> HttpResponseBase:
    """Send the icon of a channel that the user sees."""
    channel = access.channels_for(request.user, request.facts).filter(pk=channel_id).first()
    if channel is None:
        raise Http404("There is no such channel, or you may not see it.")  # English only: no page shows it
    return _serve_picture(request, channel.icon)


def _serve_picture(request: AgentRequest, picture: FieldFile) -> HttpResponseBase:
    if not picture or not picture.name:
        raise Http404("There is no picture.")  # English only: no page shows it
    content_type = mimetypes.guess_type(picture.name)[0] or ""
    return serve(request, picture, content_type, name=PurePosixPath(picture.name).name, inline=content_type in PICTURES)


@require_safe
@agent_page
def canned_file(request: AgentRequest, conversation_id: int, file_id: int) -> HttpResponseBase:
    """Send a file of a canned reply that the user may insert in this conversation."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    usable = canned_replies.usable(request.user, conversation)
    file = CannedReplyFile.objects.filter(reply__in=usable, pk=file_id).first()
    if file is None:
        raise Http404("There is no such file, or you may not see it.")  # English only: no page shows it
    return serve_canned(request, file)


def serve_canned(request: HttpRequest, file: CannedReplyFile) -> HttpResponseBase:
    """Send a file of a canned reply to somebody who may see it; with `?download`, as a file to save."""
    inline = file.content_type in SHOWN_INLINE and "download" not in request.GET
    return serve(request, file.file, file.content_type, name=file.name, inline=inline)


def serve(request: HttpRequest, file: FieldFile, content_type: str, *, name: str, inline: bool) -> HttpResponseBase:
    """Send the requested range of a file, or all of it, with headers that stop the browser from running anything in it.

    The browser may show its own copy for a minute; after that it asks again, and a user who lost the permission gets
    nothing. Raise Http404 when the storage has no such file. Answer 503 when the storage does not answer.
    """
    try:
        opened = file.storage.open(file.name or "", "rb")
    except FileNotFoundError:
        raise Http404("This file is not in the storage any more.") from None  # English only: no page shows it
    except OSError as error:
        return no_storage(request, error)
    size = opened.size
    etag = _etag_of(file.name or "", size)
    shown = content_type in SHOWN_INLINE | PICTURES
    # Chromium's viewer refuses to show a PDF in a CSP sandbox; it runs nothing of ours and has a sandbox of its own.
    policy = CSP if content_type == "application/pdf" else f"sandbox; {CSP}"
    headers = {
        "Content-Type": content_type if shown else "application/octet-stream",
        "Content-Disposition": content_disposition_header(not inline, name or "file") or "attachment",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": policy,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": CACHE_CONTROL,
        "ETag": etag,
    }
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        # 304. Browsers replace the headers that they kept by these, so they must not be those of a page.
        opened.close()
        return _with_headers(unchanged, headers)
    # A part of another version must not be joined to this one (RFC 9110, If-Range).
    asks_for_part = request.headers.get("If-Range", etag) == etag
    header = request.headers.get("Range", "") if asks_for_part else ""  # English only: the name of a header
    requested = _parse_range(header, size)
    if requested is None:
        opened.close()
        response: HttpResponseBase = HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    else:
        start, stop = requested
        response = _body(request, opened, start, stop - start)
        if (start, stop) != (0, size):
            response.status_code = 206
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if response.status_code >= 400:
        headers["Cache-Control"] = "no-store"
    return _with_headers(response, headers)


def _with_headers(response: HttpResponseBase, headers: dict[str, str]) -> HttpResponseBase:
    for header, value in headers.items():
        response.headers[header] = value
    return response


def _etag_of(name: str, size: int) -> str:
    """Return the entity tag of a stored file. Files are never changed: another content gets another name."""
    return f'"{hashlib.sha256(f"{name} {size}".encode()).hexdigest()[:24]}"'


def _body(request: HttpRequest, file: BinaryFile, start: int, length: int) -> HttpResponseBase:
    if request.method == "HEAD":
        file.close()
        return HttpResponse(headers={"Content-Length": str(length)})
    return FilePartResponse(request, file, start, length)


def _parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (start, stop) in bytes, or None for a range outside the file.

    Return the whole file when `header` does not ask for a single range.
    """
    match = _RANGE.fullmatch(header.strip())
    if not match or not size or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return 0, size  # not a valid range, to be ignored by RFC 9110
    return (start, stop) if start < size else None
