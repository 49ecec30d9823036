"""A push service, two agents of one channel, and the browser of the first, in which notifications are on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import Channel
from desk.models import User
from tests import factories
from tests.factories import NOON
from tests.push_service import PushService
from tickets.models import Conversation, Message
from tickets.services.notifications import choices

SUBSCRIBE = "/accounts/notifications/browser/"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON + timedelta(minutes=5), tick=False) as travelled:
        yield travelled


@pytest.fixture(autouse=True)
def _clock(clock: time_machine.Traveller) -> None:
    """Every test moves the clock by hand."""


@pytest.fixture
def service(settings: Settings) -> Iterator[PushService]:
    started = PushService()
    settings.DESK_PUSH_HOSTS = [started.host]
    yield started
    assert not started.refused
    started.stop()


@pytest.fixture
def channel(db: None) -> Channel:
    return factories.make_channel()


@pytest.fixture
def alice(channel: Channel) -> User:
    user = factories.make_agent("alice", channels=(channel,))
    User.objects.filter(pk=user.pk).update(email="alice@example.org")
    user.refresh_from_db()
    return user


@pytest.fixture
def bob(channel: Channel) -> User:
    return factories.make_agent("bob", channels=(channel,))


@pytest.fixture
def conversation(channel: Channel, alice: User) -> Conversation:
    made = factories.make_conversation(channel, name="Maria Lopez")
    made.assignee = alice
    made.save()
    return made


def turn_on(client: Client, user: User, service: PushService, path: str = "/alice") -> None:
    """Log in and turn notifications on in this browser."""
    client.force_login(user)
    assert client.post(SUBSCRIBE, service.subscription(path)).status_code == 200


@pytest.fixture
def browser(client: Client, alice: User, service: PushService) -> Client:
    turn_on(client, alice, service)
    return client


@pytest.fixture
def choose(alice: User) -> Callable[..., None]:
    """Change what the first agent has chosen."""

    def choose(user: User = alice, **fields: Any) -> None:
        for name in ("push", "mail"):
            if name in fields:
                fields[name] = frozenset(fields[name])
        choices.save(user, replace(choices.of(user), **fields))

    return choose


def write(conversation: Conversation, text: str = "Where is my parcel?", **fields: Any) -> Message:
    return factories.receive(conversation, text, at=timezone.now(), **fields)


def texts(service: PushService) -> list[tuple[str, str]]:
    return [(content["title"], content["body"]) for _path, content in service.got]
