"""Turn the attachments of Meta's messages and echoes into a card and Attachment rows."""

from dataclasses import asdict
from typing import Any
from urllib.parse import unquote, urlsplit

from channels_im.messenger import events
from channels_im.models import Channel
from desk.text import shown_name
from tickets.models import Attachment
from tickets.services.incoming import attachments

FILE_KINDS = {
    "image": Attachment.Kind.IMAGE,
    "sticker": Attachment.Kind.STICKER,
    "video": Attachment.Kind.VIDEO,
    "audio": Attachment.Kind.AUDIO,
    "file": Attachment.Kind.DOCUMENT,
}


def card_of(event: events.Event) -> dict[str, Any] | None:
    """Return the card of an event as Message stores it, or None."""
    card = events.card_for(event)
    return asdict(card) if card else None


def attachments_of(event: events.MessageContent, channel: Channel) -> list[Attachment]:
    """Return the unsaved attachments of a message: pending, or refused when the channel receives no audio and video.

    Links (shared posts, fallbacks) are not files: they are in the message's card and are never fetched.
    """
    rows: list[Attachment] = []
    for ref in event.attachments:
        if not ref.is_file or not ref.url:
            continue
        kind = FILE_KINDS[ref.type]
        attachment = Attachment(position=len(rows), kind=kind, name=name_in(ref.url), source_url=ref.url)
        if kind in attachments.AUDIO_OR_VIDEO and not channel.receive_audio_video:
            attachment.state, attachment.reason = Attachment.State.REFUSED, attachments.NOT_RECEIVED
        rows.append(attachment)
    return rows


def name_in(url: str) -> str:
    """Return the file name at the end of a link's path, or ""."""
    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
        return shown_name(name.replace("\0", ""), 255)
    except ValueError:
        return ""
