"""Export a conversation as a ZIP with one HTML page and the files of its messages, readable without Desk.

The page is written in chunks of CHUNK_SIZE messages and each file is copied in blocks: memory does not grow with the
thread, and the number of queries by three for each chunk.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from channels_im.messenger.files import safe_name
from desk import audit_log
from desk.models import User
from desk.sentences import sentence
from tickets.models import Attachment, Contact, ContactNote, Conversation, Message, ScheduledReply, Ticket
from tickets.services.conversation import custom_fields

CHUNK_SIZE = 500  # messages
COPY_BUFFER_BYTES = 262_144
PAGE_NAME = "conversation.html"
PERSON_PAGE = "customer.html"
SHOWN_AS = {"image/png": "image", "image/jpeg": "image"}


@dataclass
class Line:
    """One message on the page; `day` and `ticket` are set where a new day or ticket begins."""

    message: Message
    day: datetime | None = None
    ticket: Ticket | None = None
    quoted: Message | None = None
    files: list["ExportedFile"] = field(default_factory=list)


@dataclass(frozen=True)
class ExportedFile:
    """A file of a message: `path` in the ZIP, or "" when it is missing; `shown` is image, video, audio or link."""

    attachment: Attachment
    path: str = ""

    @property
    def shown(self) -> str:
        """Return how the page shows the file: as image, video, audio or link."""
        kind = self.attachment.content_type.partition("/")[0]
        return SHOWN_AS.get(self.attachment.content_type) or (kind if kind in ("video", "audio") else "link")


def export(user: User, conversation: Conversation, *, with_notes: bool) -> IO[bytes]:
    """Return the ZIP as a temporary file at its beginning, deleted when closed. Times are in the active time zone.

    The conversation comes with its contact, channel, Page and department. The export is recorded in the history.
    """
    out = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - handed to the caller
    try:
        with ZipFile(out, "w", ZIP_DEFLATED) as archive:
            _write_page(archive, user, conversation, with_notes)
            for attachment in _stored_files(conversation, with_notes).iterator(chunk_size=CHUNK_SIZE):
                _copy(archive, attachment)
        entry = (
            sentence("Exported with internal notes.") if with_notes else sentence("Exported without internal notes.")
        )
        audit_log.record(user, conversation, audit_log.Action.EXPORTED, entry)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def export_person(
    user: User, contact: Contact, conversations: Sequence[Conversation], *, with_notes: bool
) -> IO[bytes]:
    """Return a ZIP as `export` does, with a page about the customer and a folder for each of these conversations.

    They are those of one person that `user` may see, with their contacts, channels, Pages and departments.
    """
    out = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - handed to the caller
    try:
        with ZipFile(out, "w", ZIP_DEFLATED) as archive:
            folders = {each.pk: f"{each.pk}-{safe_name(each.channel.page.name)}/" for each in conversations}
            context = {
                "contacts": _contacts_of(conversations, with_notes),
                "contact": contact,
                "with_notes": with_notes,
                "parts": [(each, f"{folders[each.pk]}{PAGE_NAME}") for each in conversations],
                "exported_at": timezone.now(),
                "exported_by": user,
            }
            page = render_to_string("tickets/export/person.html", context)
            archive.writestr(_info(PERSON_PAGE, timezone.localtime()), page)
            for conversation in conversations:
                _write_page(archive, user, conversation, with_notes, folders[conversation.pk])
                for attachment in _stored_files(conversation, with_notes).iterator(chunk_size=CHUNK_SIZE):
                    _copy(archive, attachment, folders[conversation.pk])
        entry = (
            sentence("Exported with internal notes.") if with_notes else sentence("Exported without internal notes.")
        )
        for conversation in conversations:
            audit_log.record(user, conversation, audit_log.Action.EXPORTED, entry)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _contacts_of(conversations: Sequence[Conversation], with_notes: bool) -> list[tuple[Contact, list[ContactNote]]]:
    contacts = {each.contact_id: each.contact for each in conversations}
    notes: dict[int, list[ContactNote]] = {pk: [] for pk in contacts}
    if with_notes:
        rows = ContactNote.objects.filter(contact__in=contacts).select_related("author").order_by("created_at", "pk")
        for note in rows:
            notes[note.contact_id].append(note)
    return [(contact, notes[pk]) for pk, contact in contacts.items()]


def file_name(conversation: Conversation) -> str:
    """Return the file name of the ZIP: the contact's name, made safe, and the date."""
    return f"{safe_name(conversation.contact.display_name)} {timezone.localdate():%Y-%m-%d}.zip"


def path_of(attachment: Attachment) -> str:
    """Return the path of a file in the ZIP: unique by its id, and safe whatever name the sender gave it."""
    return f"files/{attachment.pk}-{safe_name(attachment.name or attachment.file.name or '')}"


def _messages(conversation: Conversation, with_notes: bool) -> QuerySet[Message, Message]:
    messages = conversation.messages.all()
    return messages if with_notes else messages.exclude(kind=Message.Kind.NOTE)


def _stored_files(conversation: Conversation, with_notes: bool) -> QuerySet[Attachment, Attachment]:
    messages = _messages(conversation, with_notes)
    stored = Attachment.objects.filter(message__in=messages, state=Attachment.State.STORED)
    return stored.exclude(file="").order_by("pk")


# --- The page ---------------------------------------------------------------------------------------------------------
def _write_page(archive: ZipFile, user: User, conversation: Conversation, with_notes: bool, folder: str = "") -> None:
    messages = _messages(conversation, with_notes)
    context = {
        "conversation": conversation,
        "contact": conversation.contact,
        "channel": conversation.channel,
        "with_notes": with_notes,
        "contact_fields": custom_fields.values_of(conversation.contact, archived=True),
        "exported_at": timezone.now(),
        "exported_by": user,
        "zone": timezone.get_current_timezone_name(),
        "message_count": messages.exclude(kind=Message.Kind.EVENT).count(),
        "file_count": _stored_files(conversation, with_notes).count(),
        "tickets": conversation.tickets.select_related("department", "assignee")
        .prefetch_related("labels", custom_fields.values_with_fields(archived=True))
        .order_by("opened_at", "pk"),
        "scheduled": _scheduled(conversation) if with_notes else [],
    }
    with archive.open(_info(folder + PAGE_NAME, timezone.localtime()), "w", force_zip64=True) as page:
        page.write(render_to_string("tickets/export/_head.html", context).encode())
        for lines in _lines(conversation, messages):
            page.write(render_to_string("tickets/export/_lines.html", {**context, "lines": lines}).encode())
        page.write(render_to_string("tickets/export/_foot.html", context).encode())


def _scheduled(conversation: Conversation) -> QuerySet[ScheduledReply, ScheduledReply]:
    """Return the replies that are scheduled or were not sent: colleagues see them, the customer does not."""
    rows = conversation.scheduled_replies.exclude(state=ScheduledReply.State.SENT)
    return rows.select_related("author").prefetch_related("files")


def _lines(conversation: Conversation, messages: QuerySet[Message, Message]) -> Iterator[list[Line]]:
    """Yield the whole thread, oldest first, CHUNK_SIZE messages at a time; three queries for each chunk."""
    shown_tickets: set[int] = set()
    last_day = None
    after: tuple[datetime, int] | None = None
    rows = messages.select_related("author", "ticket").prefetch_related("attachments").order_by("sent_at", "pk")
    while True:
        remaining = rows
        if after:
            remaining = rows.filter(Q(sent_at__gt=after[0]) | Q(sent_at=after[0], pk__gt=after[1]))
        chunk = list(remaining[:CHUNK_SIZE])
        if not chunk:
            return
        quotes = _quotes(conversation, chunk)
        lines = []
        for message in chunk:
            line = Line(message, quoted=quotes.get(message.reply_to_mid) if message.reply_to_mid else None)
            day = timezone.localtime(message.sent_at).date()
            if day != last_day:
                line.day, last_day = message.sent_at, day
            if message.ticket and message.ticket_id not in shown_tickets:
                shown_tickets.add(message.ticket.pk)
                line.ticket = message.ticket
            line.files = [_exported(attachment) for attachment in message.attachments.all()]
            lines.append(line)
        yield lines
        after = (chunk[-1].sent_at, chunk[-1].pk)


def _quotes(conversation: Conversation, chunk: list[Message]) -> dict[str | None, Message]:
    """Return the messages to which messages of the chunk reply, by mid."""
    mids = {message.reply_to_mid for message in chunk if message.reply_to_mid}
    if not mids:
        return {}
    quoted = conversation.messages.filter(mid__in=mids).select_related("author")
    return {message.mid: message for message in quoted}


def _exported(attachment: Attachment) -> ExportedFile:
    exists = attachment.state == Attachment.State.STORED and default_storage.exists(attachment.file.name or "")
    return ExportedFile(attachment, path_of(attachment) if exists else "")


# --- The files --------------------------------------------------------------------------------------------------------
def _copy(archive: ZipFile, attachment: Attachment, folder: str = "") -> None:
    """Copy a file uncompressed: images and videos do not shrink. A missing one is left out; the page says so."""
    try:
        source = default_storage.open(attachment.file.name or "", "rb")
    except FileNotFoundError:
        return
    info = _info(folder + path_of(attachment), timezone.localtime(), ZIP_STORED)
    with source, archive.open(info, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, COPY_BUFFER_BYTES)


def _info(name: str, at: datetime, compression: int = ZIP_DEFLATED) -> ZipInfo:
    info = ZipInfo(name, at.timetuple()[:6])
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    return info
