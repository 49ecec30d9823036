"""Files and pictures, only to who may see the conversation or channel they belong to. Nothing is served by its path."""

import mimetypes
import re
from pathlib import PurePosixPath

from django.contrib import messages as flash
from django.core.files.base import File
from django.core.handlers.asgi import ASGIRequest
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from channels_im.messenger.files import INCOMING_TYPES
from channels_im.models import Page
from tickets.models import Attachment
from tickets.services.conversation import access
from tickets.services.incoming import attachments as fetching
from tickets.views.base import AgentRequest, agent_page, wants_part
from tickets.views.compose import show_fresh
from tickets.views.file_response import blocks, blocks_async
from tickets.views.inbox import found_address

# What a browser shows without running anything; all else is offered for download only, under the type of a bare file.
SHOWN_INLINE = frozenset(found.content_type for found in INCOMING_TYPES)
PICTURES = frozenset({"image/png", "image/jpeg"})
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; frame-ancestors 'none'"
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


@require_safe
@agent_page
def attachment(request: AgentRequest, conversation_id: int, attachment_id: int) -> HttpResponseBase:
    """A stored file of this conversation; `?download` offers it to be saved."""
    access.get_conversation(request.user, conversation_id, request.facts)
    found = Attachment.objects.filter(
        pk=attachment_id, message__conversation=conversation_id, state=Attachment.State.STORED
    ).first()
    if found is None or not found.file:
        raise Http404("There is no such file in this conversation.")
    inline = found.content_type in SHOWN_INLINE and "download" not in request.GET
    return serve(request, found.file, found.content_type, name=found.name, inline=inline)


@require_POST
@agent_page
def try_again(request: AgentRequest, conversation_id: int, attachment_id: int) -> HttpResponse:
    """Let a file that could not be fetched be fetched once more; 422 with the reason when it cannot be."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    found = Attachment.objects.filter(pk=attachment_id, message__conversation=conversation_id).first()
    if found is None:
        raise Http404("There is no such file in this conversation.")
    if not fetching.retry(conversation, found):
        sentence = "This file cannot be fetched again, or it is being fetched already."
        if wants_part(request):
            return render(request, "tickets/_refusal.html", {"sentence": sentence}, status=422)
        flash.error(request, sentence)
        return redirect(found_address(conversation.pk))
    return show_fresh(request, conversation)


@require_safe
@agent_page
def contact_picture(request: AgentRequest, conversation_id: int) -> HttpResponseBase:
    """Our own copy of the customer's profile picture."""
    found = access.get_conversation(request.user, conversation_id, request.facts)
    return _serve_picture(request, found.contact.picture)


@require_safe
@agent_page
def page_picture(request: AgentRequest, page_id: int) -> HttpResponseBase:
    """The picture of a Page, to those who see one of its channels."""
    channels = access.channels_for(request.user, request.facts).filter(page_id=page_id)
    page = Page.objects.filter(pk=page_id, channels__in=channels).first()
    if page is None:
        raise Http404("There is no such page, or you may not see it.")
    return _serve_picture(request, page.picture)


@require_safe
@agent_page
def channel_icon(request: AgentRequest, channel_id: int) -> HttpResponseBase:
    """The icon of a channel the user sees."""
    channel = access.channels_for(request.user, request.facts).filter(pk=channel_id).first()
    if channel is None:
        raise Http404("There is no such channel, or you may not see it.")
    return _serve_picture(request, channel.icon)


def _serve_picture(request: AgentRequest, picture: FieldFile) -> HttpResponseBase:
    if not picture:
        raise Http404("There is no picture.")
    content_type = mimetypes.guess_type(picture.name)[0] or ""
    return serve(request, picture, content_type, name=PurePosixPath(picture.name).name, inline=content_type in PICTURES)


def serve(request: HttpRequest, file: FieldFile, content_type: str, *, name: str, inline: bool) -> HttpResponseBase:
    """The file or the range of it that was asked for, under headers that let nothing in it run."""
    try:
        opened = file.storage.open(file.name, "rb")
    except FileNotFoundError:
        raise Http404("This file is not in the storage any more.") from None
    size = opened.size
    wanted = _wanted_range(request.headers.get("Range", ""), size)
    if wanted is None:
        opened.close()
        response: HttpResponseBase = HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    else:
        start, stop = wanted
        response = _body(request, opened, start, stop - start)
        if (start, stop) != (0, size):
            response.status_code = 206
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    shown = content_type in SHOWN_INLINE | PICTURES
    policy = POLICY if content_type == "application/pdf" else f"sandbox; {POLICY}"
    headers = {
        "Content-Type": content_type if shown else "application/octet-stream",
        "Content-Disposition": content_disposition_header(not inline, name or "file") or "attachment",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        # Chromium's viewer refuses to show a PDF in a sandbox; it runs nothing of ours and has one of its own.
        "Content-Security-Policy": policy,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, max-age=86400, immutable" if response.status_code < 400 else "no-store",
    }
    for header, value in headers.items():
        response.headers[header] = value
    return response


def _body(request: HttpRequest, opened: File, start: int, length: int) -> HttpResponseBase:
    """Stream `length` bytes from `start`; the file is closed at the end, or when the browser goes away."""
    if request.method == "HEAD":
        opened.close()
        response: HttpResponseBase = HttpResponse()
    elif isinstance(request, ASGIRequest):
        response = StreamingHttpResponse(blocks_async(opened, start, length))
    else:
        response = StreamingHttpResponse(blocks(opened, start, length))
        response._resource_closers.append(opened.close)
    response.headers["Content-Length"] = str(length)
    return response


def _wanted_range(header: str, size: int) -> tuple[int, int] | None:
    """(start, stop) in bytes: the whole file when no single range is asked for, None when it lies outside."""
    found = _RANGE.fullmatch(header.strip())
    if not found or not size or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return 0, size  # not a range at all: RFC 9110 has it ignored
    return (start, stop) if start < size else None
