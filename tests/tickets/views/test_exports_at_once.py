"""Exports take a thread of the web process each, so that there are few at once."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.test import Client
from pytest_django import Settings

from desk import exports
from desk.models import User
from tests import factories
from tests.http import ApiResponse, Response
from tests.pages import html_of
from tests.tickets.api.conftest import body_of, client_of
from tickets.models import Conversation

pytestmark = pytest.mark.django_db
CSV, ZIP = "text/csv; charset=utf-8", "application/zip"


@pytest.fixture
def conversation() -> Conversation:
    made = factories.make_conversation(factories.make_channel(name="Shop"))
    factories.receive(made)
    return made


@pytest.fixture
def admin() -> User:
    return factories.make_admin()


@pytest.fixture
def client(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def running(settings: Settings) -> Iterator[ExitStack]:
    """Take turns in it. There are three, two of one user."""
    settings.DESK_WEB_THREADS = 10
    with ExitStack() as turns:
        yield turns
    assert not exports._by_user


def answers(client: Client, admin: User, conversation: Conversation) -> dict[str, ApiResponse | Response]:
    """Ask for each kind of export."""
    api, pk, contact = client_of(admin), conversation.pk, conversation.contact_id
    return {
        "tickets": client.post("/tickets/export/"),
        "history": client.post("/admin/desk/auditentry/export/"),
        "conversation": client.post(f"/inbox/{pk}/export/"),
        "contact": client.post(f"/contacts/{contact}/export/"),
        "API, conversation": api.post(f"/api/v1/conversations/{pk}/export/"),
        "API, contact": api.post(f"/api/v1/contacts/{contact}/export/"),
    }


def test_one_user_does_not_take_all_turns(
    client: Client, admin: User, conversation: Conversation, running: ExitStack
) -> None:
    for _ in range(2):
        running.enter_context(exports.turn(admin.pk))
    refused = answers(client, admin, conversation)
    for name, answer in refused.items():
        assert answer["Content-Type"] not in (CSV, ZIP), name
        assert answer.status_code == (429 if name.startswith("API") else 422 if name == "contact" else 302), name
    assert exports.BUSY in html_of(refused["contact"])
    assert refused["API, contact"]["Retry-After"] == str(exports.RETRY_AFTER_S)
    other = Client()
    other.force_login(factories.make_admin("other"))
    assert body_of(other.post("/tickets/export/")).startswith(b"\xef\xbb\xbf")
    running.close()
    for name, answer in answers(client, admin, conversation).items():
        assert answer["Content-Type"] in (CSV, ZIP), name
        assert body_of(answer), name  # which closes the file


def test_there_are_not_more_turns_than_threads_can_be_spared(admin: User, running: ExitStack) -> None:
    for user in range(1000, 1003):
        running.enter_context(exports.turn(user))
    with pytest.raises(exports.BusyError), exports.turn(admin.pk):
        pass


@pytest.mark.parametrize("threads", [1, 3, 5])
def test_there_is_always_one_turn(admin: User, settings: Settings, threads: int) -> None:
    settings.DESK_WEB_THREADS = threads
    with exports.turn(admin.pk), pytest.raises(exports.BusyError), exports.turn(admin.pk):
        pass
    with pytest.raises(ZeroDivisionError), exports.turn(admin.pk):
        raise ZeroDivisionError
    assert not exports._by_user
