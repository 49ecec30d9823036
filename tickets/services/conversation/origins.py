"""Keep on the contact where they came from: the ads, links and products by which they found the Page."""

from typing import Any

from tickets.models import Contact, Message
from tickets.rules.cards import ORIGINS, cards_in

MAX_ORIGINS = 10  # the first, and the newest


def record(contact: Contact, message: Message) -> None:
    """Add the cards of `message` that say where the customer came from; in the transaction that stores it.

    An origin is a card with `at` (ISO 8601, UTC) and `message` (the id, for the picture), in the order of Meta's time.
    """
    found = [
        {name: row.get(name) for name in ("kind", "title", "text", "url", "picture")}
        | {"at": message.sent_at.isoformat(), "message": message.pk}
        for row in cards_in(message.card)
        if row["kind"] in ORIGINS
    ]
    if not found:
        return
    locked = Contact.objects.select_for_update(of=("self",)).get(pk=contact.pk)
    origins: list[dict[str, Any]] = sorted([*(locked.origins or []), *found], key=lambda origin: str(origin.get("at")))
    if len(origins) > MAX_ORIGINS:
        origins = [origins[0], *origins[1 - MAX_ORIGINS :]]
    locked.origins = contact.origins = origins
    locked.save(update_fields=["origins"])
