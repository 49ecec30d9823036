"""What a list shows of a message, in one line: its text, else its card's title, else what kinds of files it has."""

from collections.abc import Iterable

from desk.languages import joined, translated
from desk.sentences import sentence
from desk.text import one_line
from tickets.models import Attachment, Message
from tickets.services.conversation.new_message import NewMessage

PREVIEW_CHARS = 200
SUBJECT_CHARS = 80
WITHDRAWN, ERASED = sentence("Message withdrawn"), sentence("Their data was erased")
PREVIEW_OF_KIND: dict[str, str] = {
    Attachment.Kind.IMAGE: sentence("📷 Photo"),
    Attachment.Kind.DOCUMENT: sentence("📄 Document"),
    Attachment.Kind.VIDEO: sentence("🎬 Video"),
    Attachment.Kind.AUDIO: sentence("🎵 Audio"),
    Attachment.Kind.STICKER: sentence("🙂 Sticker"),
}


def in_language(shown: str) -> str:
    """Return a stored preview or subject in the active language: Desk's own words, and not those of a customer.

    Desk's own are a list of kinds of files, such as "📷 Photo, 📷 Photo", or say what became of the text.
    """
    if shown in (WITHDRAWN, ERASED):
        return translated(shown)
    parts = shown.split(", ")
    return joined(map(translated, parts)) if set(parts) <= set(PREVIEW_OF_KIND.values()) else shown


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
