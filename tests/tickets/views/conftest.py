"""alice and bob answer one channel each; charlie is an agent of nothing; root is an administrator without an agent."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from desk.models import Department, User

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
