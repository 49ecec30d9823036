"""Tags and filters of cards: their words in the language of the reader, pictures, choices and icons."""

from datetime import datetime
from typing import Any

from django import template
from django.utils.translation import gettext

from desk.languages import translated
from tickets.models import Attachment, Message
from tickets.rules.cards import cards_in, choices_in, pictures_in
from tickets.templatetags.desk import full_time

register = template.Library()

#: Kinds of cards whose title or text a customer, a Page or Facebook wrote, with no sentence of Desk that has values.
WRITTEN_BY_PEOPLE = frozenset(
    {"template", "link", "post", "reel", "story", "gif", "location", "contact", "product", "order", "feedback"}
)

#: Icons of cards by kind; all others are a link.
CARD_ICONS = (
    {"reel": "video", "contact": "user", "booking": "clock", "quick_replies": "chat"}
    | dict.fromkeys(("pictures", "gif", "ephemeral"), "image")
    | dict.fromkeys(
        ("story", "answered", "call", "wave", "sticker", "poll", "command", "feedback", "feedback_request"), "chat"
    )
    | dict.fromkeys(("receipt", "coupon", "order", "payment", "boarding_pass", "itinerary", "check_in"), "file")
    | dict.fromkeys(("unsupported", "unknown"), "question")
)


@register.simple_tag
def cards_of(message: Message, tapped: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return the cards of a message to show. `picture` is the stored attachment, or None.

    Each choice has `tapped`: whether its payload, or its title when it has none, is one of `tapped`.
    """
    rows = cards_in(message.card)
    by_position = (
        {file.position: file for file in message.attachments.all()} if any("picture" in r for r in rows) else {}
    )
    for row in rows:
        picture = by_position.get(row.get("picture", -1))
        row["picture"] = picture if picture and picture.state == Attachment.State.STORED else None
        row["choices"] = [
            {**choice, "tapped": (choice.get("payload") or choice.get("title")) in tapped} for choice in choices_in(row)
        ]
    return rows


@register.filter
def card_title(card: dict[str, Any]) -> str:
    """Return the title of a card in the language of the reader, if it is Desk's own words.

    Of a snooze in the time zone of the reader too.
    """
    if card.get("kind") == "snoozed" and (until := card.get("until")):
        values = {"user": card.get("by", ""), "when": full_time(datetime.fromisoformat(until))}
        if card.get("is_shut"):
            text = gettext(
                "%(user)s snoozed this conversation until %(when)s, when the messaging window will be closed"
            )
        else:
            text = gettext("%(user)s snoozed this conversation until %(when)s")
        return text % values
    return _card_words(card, str(card.get("title") or ""))


@register.filter
def card_text(card: dict[str, Any]) -> str:
    """Return the text of a card, its lines that are Desk's own words in the language of the reader."""
    return "\n".join(_card_words(card, line) for line in str(card.get("text") or "").split("\n"))


def _card_words(card: dict[str, Any], words: str) -> str:
    """Translate a line. In a card that people wrote, only what is exactly a text of Desk, not what looks like one."""
    if card.get("kind") in WRITTEN_BY_PEOPLE:
        return gettext(words) if words else ""
    return translated(words)


@register.filter
def card_icon(card: dict[str, Any]) -> str:
    """Return the name of the icon for the kind of a card."""
    return CARD_ICONS.get(str(card.get("kind")), "link")


@register.filter
def files_of(message: Message) -> list[Attachment]:
    """Return the attachments of a message that are not the picture of one of its cards."""
    pictures = pictures_in(message.card)
    return [attachment for attachment in message.attachments.all() if attachment.position not in pictures]
