"""An administrator's client, and a conversation of alice's channel in which the customer has just written."""

import pytest
from django.test import Client
from django.utils import timezone

from desk.models import User
from tests.factories import make_admin, make_agent, make_channel, make_conversation, receive
from tests.tickets.views.canned_replies.steps import client_of
from tickets.models import Conversation


@pytest.fixture
def setup() -> Client:
    return client_of(make_admin())


@pytest.fixture
def conversation() -> Conversation:
    made = make_conversation(make_channel(name="Shop"))
    made.contact.name = "Clara Zwetschge"
    made.contact.save()
    receive(made, at=timezone.now())
    return made


@pytest.fixture
def alice(conversation: Conversation) -> User:
    return make_agent("alice", channels=(conversation.channel,))
