"""The cards of a message as `Message.card` stores them: the first card, with the others in its list `more`. Pure.

A stored card is an object with `kind`, `title`, `text` and `url`, and where the card has them `choices` (its buttons or
quick replies), `payload` (of a tap; of messages that could not be recovered, their times), and `picture` (the position
of the attachment that is its picture).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from channels_im.messenger.card_types import Card

#: Kinds of cards that say where a customer came from.
ORIGINS = frozenset({"ad", "referral"})
#: Kinds of cards that say that a message is a tap on a button or quick reply.
TAPS = frozenset({"postback", "quick_reply"})
#: The card that names messages which could not be recovered.
NOT_RECOVERED = "not_recovered"

StoredCard = dict[str, Any]


def to_stored(cards: Sequence[Card], pictures: dict[str, int]) -> StoredCard | None:
    """Return cards as they are stored, None for none. `pictures` has the position of each attachment by its URL."""
    rows = [_row(card, pictures) for card in cards]
    if not rows:
        return None
    return rows[0] | ({"more": rows[1:]} if len(rows) > 1 else {})


def cards_in(card: Any) -> list[StoredCard]:
    """Return all cards of a message, each with the four keys that every card has. Tolerates what is no card."""
    if not isinstance(card, dict) or not card:
        return []
    more = card.get("more")
    first = {name: value for name, value in card.items() if name != "more"}
    rows = [first, *(row for row in (more if isinstance(more, list) else ()) if isinstance(row, dict))]
    return [{"kind": "", "title": "", "text": "", "url": None, **row} for row in rows]


def words_in(card: Any) -> str:
    """Return what search finds of the cards of a message: titles, texts, links and choices, each on a line."""
    texts = []
    for row in cards_in(card):
        if row["kind"] not in TAPS:
            texts += [row["title"], row["text"], row["url"], *(choice.get("title") for choice in choices_in(row))]
    return "\n".join(str(text) for text in texts if text)


def pictures_in(card: Any) -> set[int]:
    """Return the positions of the attachments of a message that are pictures of its cards."""
    return {row["picture"] for row in cards_in(card) if isinstance(row.get("picture"), int)}


def choices_in(row: StoredCard) -> list[dict[str, Any]]:
    """Return the buttons or quick replies of one card."""
    choices = row.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _row(card: Card, pictures: dict[str, int]) -> StoredCard:
    row: StoredCard = {"kind": card.kind, "title": card.title, "text": card.text, "url": card.url}
    if card.picture_url:
        position = pictures.get(card.picture_url)
        if position is None:  # Desk does not fetch it: its address is all there is
            picture = f"Picture: {card.picture_url}"  # English only: stored within the text that the sender wrote
            row["text"] = "\n".join(text for text in (card.text, picture) if text)
        else:
            row["picture"] = position
    if card.choices:
        row["choices"] = [
            {"title": choice.title, "url": choice.url, "payload": choice.payload} for choice in card.choices
        ]
    if card.payload:
        row["payload"] = card.payload
    return row


def span_in(card: Any) -> tuple[datetime, datetime] | None:
    """Return from when to when messages could not be recovered, of the card that says so; None for any other card."""
    for row in cards_in(card):
        first, dash, last = str(row.get("payload") or "").partition("-")
        if row["kind"] == NOT_RECOVERED and dash and first.isdecimal() and last.isdecimal():
            return datetime.fromtimestamp(int(first) / 1000, UTC), datetime.fromtimestamp(int(last) / 1000, UTC)
    return None
