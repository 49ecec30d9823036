"""What a list shows of a message, in one line: its text, else its card's title, else what kinds of files it has."""

from collections.abc import Iterable

from desk.text import one_line
from tickets.models import Attachment, Message
from tickets.services.conversation.new_message import NewMessage

PREVIEW_CHARS = 200
SUBJECT_CHARS = 80
WITHDRAWN = "Message withdrawn"
PREVIEW_OF_KIND: dict[str, str] = {
    Attachment.Kind.IMAGE: "📷 Photo",
    Attachment.Kind.DOCUMENT: "📄 Document",
    Attachment.Kind.VIDEO: "🎬 Video",
    Attachment.Kind.AUDIO: "🎵 Audio",
    Attachment.Kind.STICKER: "🙂 Sticker",
}


def preview_of(message: Message, limit: int = PREVIEW_CHARS) -> str:
    """Return what a list shows of a stored message, at most `limit` characters; "" when there is nothing to show."""
    if message.withdrawn_at:
        return one_line(WITHDRAWN, limit)
    return _words_of(message, limit) or _files_of(message.attachments.all(), limit)


def preview_of_new(new: NewMessage, limit: int = PREVIEW_CHARS) -> str:
    """Return what a list shows of a message that is not stored yet."""
    return _words_of(new, limit) or _files_of(new.attachments, limit)


def _words_of(message: NewMessage | Message, limit: int) -> str:
    return one_line(message.text or (message.card or {}).get("title") or "", limit)


def _files_of(attachments: Iterable[Attachment], limit: int) -> str:
    return one_line(", ".join(PREVIEW_OF_KIND[attachment.kind] for attachment in attachments), limit)
