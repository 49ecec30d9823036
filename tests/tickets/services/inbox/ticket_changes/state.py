"""What the stored rows say about the tickets of a conversation."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from desk.errors import Refused
from desk.integrity import Wishes
from tests.matching import present
from tickets.models import Conversation
from tickets.services.integrity import conversations as integrity

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def findings() -> list[str]:
    """Return what of the stored rows does not follow from the messages."""
    checks = (integrity.check_conversations, integrity.check_tickets, integrity.check_references)
    return [f"{found.subject}: {found.sentence}" for check in checks for found in check(Wishes(mend=False))]


def contents(conversation: Conversation) -> dict[int, list[str]]:
    """Return the texts of the messages of each ticket."""
    rows = conversation.messages.filter(kind="message").order_by("sent_at", "pk").values_list("ticket", "text")
    found: dict[int, list[str]] = {}
    for ticket, text in rows:
        found.setdefault(ticket, []).append(text)
    return found


def line(conversation: Conversation) -> str:
    event = conversation.messages.filter(kind="event").order_by("pk").last()
    return str(present(present(event).card)["title"])


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value)
