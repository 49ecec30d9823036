"""An open live stream checks regularly whether its session is still logged in, also when nobody announced a change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, MutableMapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from desk.live import sse
from desk.live.broadcaster import Broadcaster
from desk.live.sse import LiveStream
from desk.models import User
from tests.factories import make_agent

pytestmark = pytest.mark.django_db(transaction=True)


async def silence() -> AsyncIterator[dict[str, Any]]:
    """Announce nothing but the start."""
    yield sse.SYNC
    await asyncio.sleep(60)


def make_stream() -> LiveStream[int, int]:
    return LiveStream(lambda user: user.pk, lambda facts, *_: facts, lambda *_: True, lambda *_: {})


def in_own_connection(act: Callable[[], object]) -> None:
    """Do `act` in this thread and close the connection it opened."""
    try:
        act()
    finally:
        connections.close_all()


async def then_close_connections(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run it, then close the connection of the thread in which the stream reads the database."""
    try:
        await coroutine
    finally:
        await sync_to_async(connections.close_all)()


class OpenPage:
    """A browser with a live stream: what it was sent, and whether the stream has ended."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "PING_EVERY_S", 0.1)  # the interval of the check, 15 s in production
        cookie = f"sessionid={client.cookies['sessionid'].value}".encode() if client.cookies else b""
        self.scope = {"type": "http", "method": "GET", "path": "/live/", "headers": [(b"cookie", cookie)]}
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def has_ended(self) -> bool:
        return bool(self.sent) and self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")

    def run(self, meanwhile: Callable[[], object]) -> None:
        """Open the stream, do `meanwhile` in a thread once it runs, and wait for its end, at most 5 seconds."""

        async def go() -> None:
            live = make_stream()
            broadcaster = Broadcaster[int](lambda *_: {}, silence)
            live._broadcaster = lambda: broadcaster  # type: ignore[method-assign]  # no database events here
            stream = asyncio.create_task(live(self.scope, self.receive, self.send))
            while not self.sent and not stream.done():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert not self.has_ended, "the stream ended before anything happened"
            await asyncio.to_thread(in_own_connection, meanwhile)
            done, _ = await asyncio.wait({stream}, timeout=5)
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
            assert done, "the stream is still open"

        asyncio.run(then_close_connections(go()))


@pytest.fixture
def alice() -> User:
    return make_agent("alice")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_a_stream_ends_when_its_session_is_logged_out(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = OpenPage(browser, monkeypatch)
    page.run(browser.logout)
    assert page.has_ended


def test_a_stream_ends_when_its_user_is_deactivated(
    browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = OpenPage(browser, monkeypatch)
    page.run(lambda: User.objects.filter(pk=alice.pk).update(is_active=False))
    assert page.has_ended


def test_a_stream_ends_when_the_password_is_changed(
    browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        alice.set_password("another-long-password")
        alice.save()

    page = OpenPage(browser, monkeypatch)
    page.run(change)
    assert page.has_ended


def test_a_stranger_gets_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    page = OpenPage(Client(), monkeypatch)
    live = make_stream()
    asyncio.run(then_close_connections(live(page.scope, page.receive, page.send)))
    assert page.sent[0]["status"] == 403
