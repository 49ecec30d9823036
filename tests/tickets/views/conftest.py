"""Agents and channels: alice and bob have one channel each, charlie has none, root is an administrator and no agent."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from desk.models import Department, User
from tickets.models import Conversation

from . import world


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def desk(db: None) -> world.Desk:
    sales = Department.objects.create(name="Sales")
    support = Department.objects.create(name="Support")
    alice = world.make_agent("alice", sales)
    bob = world.make_agent("bob", support)
    charlie = world.make_agent("charlie")
    root = User.objects.create_superuser("root", password="desk-demo")
    shop = world.make_channel(sales, "Shop", alice)
    service = world.make_channel(support, "Service", bob)
    return world.Desk(
        sales=sales, support=support, alice=alice, bob=bob, charlie=charlie, root=root, shop=shop, service=service
    )


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    """A client logged in as this user."""

    def login(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return login


@pytest.fixture
def alice(desk: world.Desk, as_user: Callable[[User], Client]) -> Client:
    return as_user(desk.alice)


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    """A conversation of alice's channel in which the customer has just written."""
    conversation = world.make_conversation(desk.shop, at=timezone.now())
    world.say(conversation, "Hello", at=timezone.now())
    return conversation
