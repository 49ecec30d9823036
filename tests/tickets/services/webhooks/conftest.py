"""A webhook: the program that receives it, its subscription, and a stopped clock."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from pytest_django import Settings
from time_machine import Traveller

from desk.models import User
from tests import factories
from tests.factories import NOON
from tests.sandbox.receiver import Receiver
from tickets.models import Conversation, EventSubscription, EventType
from tickets.services.webhooks.subscriptions import create


@pytest.fixture
def clock() -> Iterator[Traveller]:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False) as travelled:
        yield travelled


@pytest.fixture(autouse=True)
def _clock(clock: Traveller) -> None:
    """Every test moves the clock by hand."""


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    started = Receiver()
    settings.DESK_EVENT_HOSTS = [started.url.removeprefix("http://")]
    yield started
    started.stop()  # twice does no harm


@pytest.fixture
def admin() -> User:
    return factories.make_user("admin", is_staff=True, is_superuser=True, email="admin@example.org")


@pytest.fixture
def crm(admin: User, receiver: Receiver) -> EventSubscription:
    return create(admin, name="CRM", url=f"{receiver.url}/desk?from=desk", events=EventType.values)


@pytest.fixture
def conversation() -> Conversation:
    return factories.make_conversation(psid="7001", name="Maria Lopez")
