"""Who asks, and what there is to see: a shop's channel with one conversation, and people who may see it or not."""

from dataclasses import dataclass

import pytest
from rest_framework.test import APIClient

from channels_im.models import Channel
from desk.models import User
from tests import factories
from tests.http import ApiResponse, Response, streamed
from tickets.models import Conversation, Message


def client_of(user: User) -> APIClient:
    """A client that sends a token of the user and nothing else."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {factories.make_token(user)}")
    return client


def body_of(answer: ApiResponse | Response) -> bytes:
    """All that was answered; a file is closed after its last byte."""
    return streamed(answer) if answer.streaming else answer.content


@dataclass(frozen=True)
class Shop:
    """Alice is associated with the channel, Bob with another one, Charlie with none; all three are agents."""

    channel: Channel
    conversation: Conversation
    message: Message
    alice: User
    bob: User
    charlie: User


@pytest.fixture
def shop(db: None) -> Shop:
    channel = factories.make_channel(name="Shop", department=factories.make_department("Sales"))
    elsewhere = factories.make_channel(name="Elsewhere")
    conversation = factories.make_conversation(channel, "7001", name="Maria Lopez")
    message = factories.receive(conversation, "Where is my order?", mid="m_first")
    return Shop(
        channel,
        conversation,
        message,
        alice=factories.make_agent("alice", channels=(channel,)),
        bob=factories.make_agent("bob", channels=(elsewhere,)),
        charlie=factories.make_agent("charlie"),
    )


@pytest.fixture
def alice(shop: Shop) -> APIClient:
    return client_of(shop.alice)


@pytest.fixture
def bob(shop: Shop) -> APIClient:
    return client_of(shop.bob)


@pytest.fixture
def charlie(shop: Shop) -> APIClient:
    return client_of(shop.charlie)
