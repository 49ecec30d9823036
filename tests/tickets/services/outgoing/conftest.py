"""A reply that is sent later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from desk.models import User
from tests.tickets.services.outgoing.scheduled import HOUR
from tickets.models import Conversation, ScheduledReply
from tickets.services.outgoing import (
    scheduled_replies,
)


@pytest.fixture
def later(alice: User, conversation: Conversation) -> Callable[..., ScheduledReply]:
    """Let Alice schedule a reply, by default in an hour."""

    def later(text: str = "Good morning", after: timedelta = HOUR, **fields: Any) -> ScheduledReply:
        at = timezone.now() + after
        return scheduled_replies.schedule(alice, conversation, at, text=text, **fields)

    return later
