"""A conversation as a ZIP that needs nothing else to be read: one page, and beside it the files that were exchanged.

The page is written in pieces of CHUNK messages and each file is copied in blocks: the memory it takes does not grow
with the thread, and the queries only by three for each piece.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from channels_im.messenger.files import safe_name
from desk import audit_log
from desk.models import User
from tickets.models import Attachment, Conversation, Message, Ticket

CHUNK = 500  # messages
COPY_BYTES = 262_144
PAGE_NAME = "conversation.html"
SHOWN_AS = {"image/png": "image", "image/jpeg": "image"}


@dataclass
class Line:
    """One message on the page, with what stands above it: a new day, a new ticket."""

    message: Message
    day: datetime | None = None
    ticket: Ticket | None = None
    quoted: Message | None = None
    files: list["ExportedFile"] = field(default_factory=list)


@dataclass(frozen=True)
class ExportedFile:
    """A file of a message: `path` in the ZIP, "" when there is none; `shown` is image, video, audio or link."""

    attachment: Attachment
    path: str = ""

    @property
    def shown(self) -> str:
        found = SHOWN_AS.get(self.attachment.content_type)
        kind = self.attachment.content_type.partition("/")[0]
        return found or (kind if kind in ("video", "audio") else "link")


def export(user: User, conversation: Conversation, *, with_notes: bool) -> IO[bytes]:
    """Return the ZIP as a temporary file at its beginning, gone when closed. Times are in the active time zone.

    The conversation comes with its contact, channel, Page and department. It goes into the history who exported it.
    """
    out = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - handed to the caller
    try:
        with ZipFile(out, "w", ZIP_DEFLATED) as archive:
            _write_page(archive, user, conversation, with_notes)
            for attachment in _stored(conversation, with_notes).iterator(chunk_size=CHUNK):
                _copy(archive, attachment)
        words = "with" if with_notes else "without"
        audit_log.record(user, conversation, audit_log.CHANGE, f"Exported {words} internal notes.")
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def file_name(conversation: Conversation) -> str:
    """The name under which the ZIP is offered: the person's, made safe, and the day."""
    return f"{safe_name(conversation.contact.display_name)} {timezone.localdate():%Y-%m-%d}.zip"


def path_of(attachment: Attachment) -> str:
    """Where a file stands in the ZIP: unique by its number, and nothing in a name of the sender's leads elsewhere."""
    return f"files/{attachment.pk}-{safe_name(attachment.name or attachment.file.name)}"


def _messages(conversation: Conversation, with_notes: bool) -> Any:
    messages = conversation.messages.all()
    return messages if with_notes else messages.exclude(kind=Message.Kind.NOTE)


def _stored(conversation: Conversation, with_notes: bool) -> Any:
    found = Attachment.objects.filter(message__in=_messages(conversation, with_notes), state=Attachment.State.STORED)
    return found.exclude(file="").order_by("pk")


# --- The page ---------------------------------------------------------------------------------------------------------
def _write_page(archive: ZipFile, user: User, conversation: Conversation, with_notes: bool) -> None:
    messages = _messages(conversation, with_notes)
    facts = {
        "conversation": conversation,
        "contact": conversation.contact,
        "channel": conversation.channel,
        "with_notes": with_notes,
        "exported_at": timezone.now(),
        "exported_by": user,
        "zone": timezone.get_current_timezone_name(),
        "message_count": messages.exclude(kind=Message.Kind.EVENT).count(),
        "file_count": _stored(conversation, with_notes).count(),
        "tickets": conversation.tickets.select_related("department", "assignee").order_by("opened_at", "pk"),
    }
    with archive.open(_info(PAGE_NAME, timezone.localtime()), "w", force_zip64=True) as page:
        page.write(render_to_string("tickets/export/_head.html", facts).encode())
        for lines in _lines(conversation, messages):
            page.write(render_to_string("tickets/export/_lines.html", {**facts, "lines": lines}).encode())
        page.write(render_to_string("tickets/export/_foot.html", facts).encode())


def _lines(conversation: Conversation, messages: Any) -> Iterator[list[Line]]:
    """The whole thread, oldest first, CHUNK messages at a time; three queries for each."""
    begun: set[int] = set()
    last_day = None
    after: tuple[datetime, int] | None = None
    rows = messages.select_related("author", "ticket").prefetch_related("attachments").order_by("sent_at", "pk")
    while True:
        some = rows
        if after:
            some = rows.filter(Q(sent_at__gt=after[0]) | Q(sent_at=after[0], pk__gt=after[1]))
        found = list(some[:CHUNK])
        if not found:
            return
        quotes = _quotes(conversation, found)
        lines = []
        for message in found:
            line = Line(message, quoted=quotes.get(message.reply_to_mid) if message.reply_to_mid else None)
            day = timezone.localtime(message.sent_at).date()
            if day != last_day:
                line.day, last_day = message.sent_at, day
            if message.ticket and message.ticket_id not in begun:
                begun.add(message.ticket.pk)
                line.ticket = message.ticket
            line.files = [_exported(attachment) for attachment in message.attachments.all()]
            lines.append(line)
        yield lines
        after = (found[-1].sent_at, found[-1].pk)


def _quotes(conversation: Conversation, found: list[Message]) -> dict[str | None, Message]:
    mids = {message.reply_to_mid for message in found if message.reply_to_mid}
    if not mids:
        return {}
    here = conversation.messages.filter(mid__in=mids).select_related("author")
    return {message.mid: message for message in here}


def _exported(attachment: Attachment) -> ExportedFile:
    is_there = attachment.state == Attachment.State.STORED and default_storage.exists(attachment.file.name)
    return ExportedFile(attachment, path_of(attachment) if is_there else "")


# --- The files --------------------------------------------------------------------------------------------------------
def _copy(archive: ZipFile, attachment: Attachment) -> None:
    """Copy a file as it is: images and videos do not shrink. A missing one is left out, as the page says."""
    try:
        source = default_storage.open(attachment.file.name, "rb")
    except FileNotFoundError:
        return
    info = _info(path_of(attachment), timezone.localtime(), ZIP_STORED)
    with source, archive.open(info, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, COPY_BYTES)


def _info(name: str, at: datetime, compression: int = ZIP_DEFLATED) -> ZipInfo:
    info = ZipInfo(name, at.timetuple()[:6])
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    return info
