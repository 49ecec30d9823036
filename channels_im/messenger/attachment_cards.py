"""Make the cards of attachments that are not files. Pure.

Content of a kind that Desk does not know, and content without the field that names it, is described field by field:
a card always has something to read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from channels_im.messenger import links
from channels_im.messenger.attachments import PICTURE_GRIDS
from channels_im.messenger.card_types import Card, Choice, lines
from channels_im.messenger.descriptions import describe
from channels_im.messenger.event_types import AttachmentRef
from channels_im.messenger.templates import template_cards
from channels_im.messenger.values import as_dict, as_id, as_int, as_moment, as_visible
from desk.sentences import sentence

#: Messenger's thumbs up in three sizes, which every Page can send: the words for each, by id.
THUMBS_UP = {
    "369239263222822": sentence("Thumbs up, small"),
    "369239343222814": sentence("Thumbs up, medium"),
    "369239383222810": sentence("Thumbs up, large"),
}


def cards_for_attachment(ref: AttachmentRef) -> tuple[Card, ...]:
    """Return the cards of one attachment: none when it is a file to download, several for a carousel."""
    if ref.is_file:
        return () if ref.url else (_file_without_link(ref),)
    payload = as_dict(ref.raw.get("payload"))
    name = ref.type.lower().replace("-", "_")
    if name == "template":
        return template_cards(payload)
    kind = _KINDS.get(name) or (_UNSUPPORTED if "unsupported" in name else None)
    if kind is None:
        text = sentence("Messenger sent content of the unknown type “%(type)s”.", type=ref.type)
        title = ref.title or sentence("Unsupported message")
        return (Card("unsupported", title, lines(text, _rest(ref)), ref.url),)
    return (kind.make(kind, ref, payload),)


def is_known(name: str) -> bool:
    """Return whether Desk has a card of its own for attachments of this type."""
    return name in _KINDS


def _file_without_link(ref: AttachmentRef) -> Card:
    if ref.sticker_id in THUMBS_UP:
        return Card("sticker", sentence("👍 Thumbs up"))
    return Card("unsupported", sentence("%(type)s without a link", type=ref.type.capitalize()), _rest(ref))


def _rest(ref: AttachmentRef) -> str:
    """Return what the attachment holds besides what the card shows already."""
    shown = {"title", *(("url", "URL") if ref.url else ())}
    beside = {name: value for name, value in ref.raw.items() if name != "payload"}
    return lines(describe(ref.raw.get("payload"), shown), describe(beside, shown))


# --- One function for each form of content ----------------------------------------------------------------------------
@dataclass(frozen=True)
class _Kind:
    """How the card of a type of attachment is made; `note` is a sentence that it always has."""

    kind: str
    title: str
    make: Callable[["_Kind", AttachmentRef, dict[str, Any]], Card]
    note: str = ""


def _shared(kind: _Kind, ref: AttachmentRef, payload: dict[str, Any]) -> Card:
    """Return the card of a shared link, post, reel or story; without a link, its id and address are text."""
    if kind.kind == "link" and not (ref.url or ref.title or _rest(ref)):
        return Card("unsupported", sentence("Shared content that Messenger does not pass on"))
    url = ref.url or _link_of(kind.kind, ref.type.lower(), payload)
    text = as_visible(payload.get("text")) or as_visible(ref.raw.get("text"))
    return Card(kind.kind, ref.title or kind.title, text or ("" if url else _rest(ref)), url)


def _link_of(kind: str, name: str, payload: dict[str, Any]) -> str | None:
    """Return the link to a reel or post that came as an id alone."""
    if kind == "reel":
        number = payload.get("reel_video_id") or payload.get("id")
        return links.instagram_link(number, "reel") if name.startswith("ig_") else links.link_of_id(number, "reel")
    if kind == "post":
        number = payload.get("id") or payload.get("post_id")
        return links.instagram_link(number, "p") if name.startswith("ig_") else links.link_of_id(number)
    return None


def _described(kind: _Kind, ref: AttachmentRef, payload: dict[str, Any]) -> Card:
    return Card(kind.kind, ref.title or kind.title, lines(kind.note, _rest(ref)), ref.url)


def _named(kind: _Kind, ref: AttachmentRef, payload: dict[str, Any]) -> Card:
    """Return a card that has the name of the kind, whatever the attachment holds."""
    return Card(kind.kind, kind.title, lines(kind.note, ref.title), ref.url)


def _location(kind: _Kind, ref: AttachmentRef, payload: dict[str, Any]) -> Card:
    place = links.coordinates_in(payload)
    address = as_visible(payload.get("address")) or as_visible(payload.get("name"))
    url = ref.url or (links.map_link(*place) if place else None)
    text = lines(address, ", ".join(place) if place else None)
    return Card("location", ref.title or kind.title, text or ("" if url else _rest(ref)), url)


def _booking(kind: _Kind, ref: AttachmentRef, payload: dict[str, Any]) -> Card:
    zone = as_visible(payload.get("timezone"))
    begin, end = (_local_time(payload.get(name), zone) for name in ("start_time", "end_time"))
    number = as_id(payload.get("booking_id"))
    when = " – ".join(moment for moment in (begin, end) if moment)
    parts = [as_visible(payload.get("status")), when, sentence("booking %(number)s", number=number) if number else None]
    text = ", ".join(part for part in parts if part)
    return Card("booking", ref.title or kind.title, text or ("" if ref.url else _rest(ref)), ref.url)


def _local_time(value: Any, zone: str | None) -> str | None:
    moment = as_moment(value)
    if moment is None:
        return None
    try:
        moment = moment.astimezone(ZoneInfo(zone)) if zone else moment
    except (KeyError, ValueError, OSError):
        # ZoneInfoNotFoundError is a KeyError; a name that is a folder or has invalid characters raises the others.
        return f"{moment:%Y-%m-%d %H:%M %Z}"
    return f"{moment:%Y-%m-%d %H:%M %Z}"


def _poll(kind: _Kind, ref: AttachmentRef, payload: dict[str, Any]) -> Card:
    question = as_visible(payload.get("question")) or as_visible(payload.get("text")) or ref.title
    choices = []
    options = payload.get("options")
    for option in options if isinstance(options, list) else ():
        fields = as_dict(option)
        title = as_visible(fields.get("text")) or as_visible(fields.get("title")) or as_visible(option)
        votes = as_int(fields.get("votes"))
        if votes is None:
            votes = as_int(fields.get("vote_count"))
        if title:
            choices.append(Choice(title if votes is None else f"{title} ({votes})"))
    text = "" if question or choices else _rest(ref)
    title = sentence("Poll: %(question)s", question=question) if question else kind.title
    return Card("poll", title, text, ref.url, choices=tuple(choices))


_UNSUPPORTED = _Kind(
    "unsupported", sentence("Unsupported message"), _described, sentence("Open the Page inbox on Facebook to see it.")
)
_CALL = _Kind("call", sentence("Call"), _described)
_CONTACT = _Kind("contact", sentence("Shared contact"), _described)
_LOCATION = _Kind("location", sentence("Location"), _location)
_PICTURES = _Kind("pictures", sentence("Pictures"), _described)  # of which no picture has an address
_ONCE = _Kind(
    "ephemeral",
    sentence("Photo or video that can be viewed once"),
    _named,
    sentence("It can be opened only in the Messenger app."),
)
_GIF = _Kind("gif", "GIF", _shared)
_LIKE = _Kind("sticker", sentence("👍 Thumbs up"), _named)
_LINK = _Kind("link", sentence("Shared link"), _shared)
_STORY = _Kind("story", sentence("Shared story"), _shared)

# Type of an attachment, in lower case and with underscores.
_KINDS = {
    "fallback": _LINK,
    "share": _LINK,
    "link": _LINK,
    "xma": _Kind("link", sentence("Shared content"), _shared),
    "post": _Kind("post", sentence("Shared post"), _shared),
    "ig_post": _Kind("post", sentence("Shared Instagram post"), _shared),
    "reel": _Kind("reel", sentence("Shared reel"), _shared),
    "ig_reel": _Kind("reel", sentence("Shared Instagram reel"), _shared),
    "story": _STORY,
    "story_share": _STORY,
    "ig_story": _Kind("story", sentence("Shared Instagram story"), _shared),
    "story_mention": _Kind("story", sentence("Mentioned the Page in a story"), _shared),
    "event": _Kind("link", sentence("Shared event"), _shared),
    "product": _Kind("product", sentence("Shared product"), _described),
    "location": _LOCATION,
    "live_location": _Kind("location", sentence("Live location"), _location),
    "appointment_booking": _Kind("booking", sentence("Appointment"), _booking),
    "contact": _CONTACT,
    "contacts": _CONTACT,
    "contact_card": _CONTACT,
    "vcard": _CONTACT,
    "poll": _Kind("poll", sentence("Poll"), _poll),
    "call": _CALL,
    "audio_call": _CALL,
    "video_call": _Kind("call", sentence("Video call"), _described),
    "missed_call": _Kind("call", sentence("Missed call"), _described),
    "wave": _Kind("wave", sentence("👋 Waved"), _named),
    "like": _LIKE,
    "thumbs_up": _LIKE,
    "gif": _GIF,
    "animated_image": _GIF,
    "ephemeral": _ONCE,
    "view_once": _ONCE,
    **dict.fromkeys(PICTURE_GRIDS, _PICTURES),
    "payment": _Kind("payment", sentence("Payment"), _described),
}
