"""A conversation whose messages may belong to two matters."""

import pytest
import time_machine

from desk.models import User
from tests.factories import NOON, answer, receive
from tests.tickets.services.inbox.ticket_changes.state import MINUTE
from tickets.models import Conversation, Message


@pytest.fixture
def thread(alice: User, conversation: Conversation, clock: time_machine.Traveller) -> list[Message]:
    """Four messages of one ticket, at noon and each a minute later; the first is that of `conversation`."""
    answer(conversation, "Yes, until six", NOON + MINUTE, author=alice)
    receive(conversation, "Another matter: my parcel", NOON + 2 * MINUTE)
    answer(conversation, "Let me look", NOON + 3 * MINUTE, author=alice)
    return list(conversation.messages.order_by("sent_at"))
