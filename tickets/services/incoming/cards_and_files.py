"""Turn the content of Meta's messages, echoes and events into cards and Attachment rows."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from channels_im.messenger import events
from channels_im.messenger.media_hosts import MediaHostError, media_target
from channels_im.models import Channel
from desk.text import shown_name
from tickets.models import Attachment
from tickets.rules import cards, sent_as
from tickets.services.incoming import attachments

FILE_KINDS = {
    "image": Attachment.Kind.IMAGE,
    "sticker": Attachment.Kind.STICKER,
    "video": Attachment.Kind.VIDEO,
    "audio": Attachment.Kind.AUDIO,
    "file": Attachment.Kind.DOCUMENT,
}


def content_of(event: events.Event, channel: Channel) -> tuple[dict[str, Any] | None, list[Attachment]]:
    """Return the cards of an event as Message stores them, or None, and its unsaved attachments.

    A file is pending, or refused when the channel receives no audio and video. The picture of a card (of an ad, of a
    product) is an attachment too when it is on a host of Meta's. Links (shared posts, fallbacks) are never fetched.
    """
    rows = _files_of(event, channel) if isinstance(event, events.MessageContent) else []
    found = events.cards_for(event, own_app_id=settings.META_APP_ID)
    pictures: dict[str, int] = {}
    for url in dict.fromkeys(card.picture_url for card in found if card.picture_url):
        if _is_of_meta(url):
            pictures[url] = len(rows)
            rows.append(Attachment(position=len(rows), kind=Attachment.Kind.IMAGE, name=name_in(url), source_url=url))
    return cards.to_stored(found, pictures), rows


def form_of(event: events.Event) -> dict[str, Any] | None:
    """Return the form of a message that is a sticker, as Message stores it; None for any other."""
    refs = event.attachments if isinstance(event, events.MessageContent) else ()
    sticker_id = next((ref.sticker_id for ref in refs if ref.sticker_id), "")
    return sent_as.of_sticker(sticker_id) if sent_as.is_sticker_id(sticker_id) else None


def _files_of(event: events.MessageContent, channel: Channel) -> list[Attachment]:
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


def _is_of_meta(url: str) -> bool:
    try:
        media_target(url, settings.META_MEDIA_HOSTS)
    except MediaHostError:
        return False
    return True


def name_in(url: str) -> str:
    """Return the file name at the end of a link's path, or ""."""
    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
        return shown_name(name.replace("\0", ""), 255)
    except ValueError:
        return ""
