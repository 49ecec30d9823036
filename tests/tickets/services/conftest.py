"""What tests of the outbox share: a stopped clock, a Page with a customer who has just written, and Meta's side."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import responses
import time_machine

from channels_im.models import Channel
from desk.models import User
from tests.factories import NOON, make_agent, make_channel, make_conversation, receive
from tests.tickets.services.graph import FakeGraph
from tickets.models import Conversation, Message
from tickets.services.outgoing import replies


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Five minutes after the customer wrote; `clock.shift` moves on."""
    with time_machine.travel(NOON + timedelta(minutes=5), tick=False) as traveller:
        yield traveller


@pytest.fixture
def graph() -> Iterator[FakeGraph]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGraph(mock)


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel()


@pytest.fixture
def alice(channel: Channel) -> User:
    return make_agent("alice", channels=(channel,))


@pytest.fixture
def conversation(channel: Channel) -> Conversation:
    conversation = make_conversation(channel)
    receive(conversation, "Is it open?", NOON)
    return conversation


@pytest.fixture
def queue(alice: User, conversation: Conversation) -> Callable[..., Message]:
    """Let Alice queue a reply; the last of its parts comes back."""

    def queue(text: str = "Yes", in_conversation: Conversation = conversation, **reply: Any) -> Message:
        return replies.queue_reply(alice, in_conversation, text=text, **reply)[-1]

    return queue
