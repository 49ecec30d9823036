"""Open live streams notice within a second that a session has ended or rights have changed, and send nothing before."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from channels_im.models import Channel, ChannelAgent
from channels_im.services import preferences
from desk.live import access_changes, broadcaster, publish, sse
from desk.live.sse import LiveStream
from desk.models import User
from tests.factories import make_admin, make_agent, make_channel
from tickets.views import live_rows

pytestmark = pytest.mark.django_db(transaction=True)

SOON_S = 1.0  # what is promised
Event = dict[str, Any]


class Stream:
    """An open stream at the level of ASGI: the events it was sent, and whether it has ended."""

    def __init__(self, live: LiveStream[Any, Any], cookie: str, accepted: str = "") -> None:
        headers = [(b"cookie", cookie.encode()), (b"accept-language", accepted.encode())]
        scope = {"type": "http", "method": "GET", "path": "/live/", "headers": headers}
        self.status = 0
        self.events: list[Event] = []
        self.has_ended = False
        self._task = asyncio.create_task(live(scope, self._receive, self._send))

    async def _receive(self) -> MutableMapping[str, Any]:
        await asyncio.sleep(600)
        raise AssertionError

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.has_ended = message["type"] == "http.response.body" and not message.get("more_body")
        for part in message.get("body", b"").decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
            if "event" in lines:
                self.events.append({"kind": lines["event"], **json.loads(lines["data"])})

    async def until(self, ready: Callable[["Stream"], bool], seconds: float = 5) -> float:
        """Return after how many seconds `ready(self)` became true."""
        began = time.monotonic()
        while not ready(self):
            assert time.monotonic() - began < seconds, f"not within {seconds} s; events: {self.events}"
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Streams:
    """Opens streams of one process and closes them at the end."""

    def __init__(self) -> None:
        self.live = LiveStream(live_rows.facts_of, live_rows.reader_of, live_rows.visible, live_rows.read)
        self.opened: list[Stream] = []

    async def open(self, client: Client, *, synced: bool = True, accepted: str = "") -> Stream:
        stream = Stream(self.live, f"sessionid={client.cookies['sessionid'].value}", accepted)
        self.opened.append(stream)
        if synced:
            await stream.until(lambda stream: "sync" in stream.kinds())
        return stream


@asynccontextmanager
async def streams() -> AsyncIterator[Streams]:
    opened = Streams()
    try:
        yield opened
    finally:
        for stream in opened.opened:
            await stream.close()
        for one in opened.live._broadcasters.values():
            one._stop_if_idle()
        await asyncio.sleep(0.05)
        await sync_to_async(connections.close_all)()


async def in_database(act: Callable[[], object]) -> None:
    """Do `act` in a thread with a connection of its own, as another process would."""

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    await asyncio.to_thread(run)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def event_of(channel: Channel, conversation: int = 1) -> None:
    """Announce a conversation that only the agents of the channel may see."""
    publish.announce("conversation", conversation=conversation, channel=channel.pk, transferred=False)


@pytest.fixture
def shop() -> Channel:
    return make_channel()


@pytest.fixture
def alice(shop: Channel) -> User:
    return make_agent("alice", channels=(shop,))


def deactivate(alice: User, _client: Client) -> None:
    alice.is_active = False
    alice.save()


def change_password(alice: User, _client: Client) -> None:
    alice.set_password("another-long-password")
    alice.save(update_fields=["password"])


@pytest.mark.parametrize(
    "change",
    [
        lambda _alice, client: client.logout(),
        lambda _alice, client: Session.objects.filter(session_key=client.cookies["sessionid"].value).delete(),
        change_password,
        deactivate,
        lambda alice, _client: alice.delete(),
    ],
    ids=["logout", "session ended by another", "password", "deactivated", "deleted"],
)
def test_who_is_no_longer_logged_in_is_sent_nothing_more(
    shop: Channel, alice: User, change: Callable[[User, Client], object]
) -> None:
    async def go() -> None:
        async with streams() as opened:
            client = await asyncio.to_thread(_logged_in_elsewhere, alice)
            stream = await opened.open(client)

            def change_and_announce() -> None:
                with transaction.atomic():
                    change(alice, client)
                    event_of(shop)  # in the same transaction: even this one comes too late

            await in_database(change_and_announce)
            assert await stream.until(lambda stream: stream.has_ended) < SOON_S
            assert stream.events[-1] == {"kind": "closed", "reason": "logged_out"}
            assert "conversation" not in stream.kinds()

    asyncio.run(go())


def _logged_in_elsewhere(user: User) -> Client:
    try:
        return logged_in(user)
    finally:
        connections.close_all()


def remove_association(_shop: Channel, _alice: User) -> None:
    ChannelAgent.objects.all().delete()


def associate_with_nothing(shop: Channel, alice: User) -> None:
    preferences.associate(make_admin(), alice.agent, shop.department, [])


def leave_department(_shop: Channel, alice: User) -> None:
    alice.agent.departments.clear()


def department_without_agents(shop: Channel, _alice: User) -> None:
    shop.department.agents.clear()


def no_longer_an_agent(_shop: Channel, alice: User) -> None:
    alice.agent.delete()


@pytest.mark.parametrize(
    "change",
    [remove_association, associate_with_nothing, leave_department, department_without_agents, no_longer_an_agent],
)
def test_who_sees_less_than_before_is_sent_only_what_is_left(
    shop: Channel, alice: User, change: Callable[[Channel, User], object]
) -> None:
    async def go() -> None:
        async with streams() as opened:
            stream = await opened.open(await asyncio.to_thread(_logged_in_elsewhere, alice))
            await in_database(lambda: event_of(shop, 1))
            await stream.until(lambda stream: {"conversation", "row", "counts"} <= set(stream.kinds()))
            stream.events.clear()

            def change_and_announce() -> None:
                with transaction.atomic():
                    change(shop, alice)
                    event_of(shop, 2)

            await in_database(change_and_announce)
            assert await stream.until(lambda stream: "sync" in stream.kinds()) < SOON_S
            await in_database(lambda: event_of(shop, 3))
            await in_database(lambda: publish.announce("presence", user=1, presence="away"))
            await stream.until(lambda stream: "presence" in stream.kinds())
            assert set(stream.kinds()) - {"ping"} == {"sync", "presence"}

    asyncio.run(go())


def test_a_row_made_for_the_reader_before_the_change_is_not_sent(alice: User) -> None:
    async def go() -> None:
        async with streams() as opened:
            stream = await opened.open(await asyncio.to_thread(_logged_in_elsewhere, alice))
            await asyncio.sleep(0.3)  # the check after the start of the listener
            await in_database(lambda: ChannelAgent.objects.all()._raw_delete("default"))  # announces nothing
            (one,) = opened.live._broadcasters.values()
            (subscriber,) = one._subscribers
            subscriber.put({"kind": "row", "conversation": 1, "html": "secret"})
            subscriber.require_check()
            await stream.until(lambda stream: stream.kinds().count("sync") > 1)
            await asyncio.sleep(0.1)
            assert "row" not in stream.kinds()

    asyncio.run(go())


# --- Who is asked how often -------------------------------------------------------------------------------------------
def test_only_the_streams_of_whom_it_concerns_check_again_and_those_of_one_session_together(
    shop: Channel, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = LiveStream._load_login

    def load_and_count(self: LiveStream[Any, Any], key: str) -> object:
        loaded.append(key)
        return load(self, key)

    monkeypatch.setattr(LiveStream, "_load_login", load_and_count)
    bob = make_agent("bob", channels=(shop,))

    async def go() -> None:
        async with streams() as opened:
            mine, theirs = [await asyncio.to_thread(_logged_in_elsewhere, user) for user in (alice, bob)]
            own = [await opened.open(mine) for _ in range(5)]
            other = await opened.open(theirs)
            await asyncio.sleep(0.3)
            loaded.clear()
            await in_database(lambda: alice.agent.departments.clear())
            for stream in own:
                await stream.until(lambda stream: stream.kinds().count("sync") > 1)
            assert 1 <= len(loaded) <= 2  # the associations go with the departments: at most two changes
            assert set(loaded) == {mine.cookies["sessionid"].value}
            assert other.kinds().count("sync") == 1

    asyncio.run(go())


def test_while_the_database_is_away_nothing_is_sent_to_who_may_have_been_logged_out(
    shop: Channel, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "CHECK_AGAIN_AFTER_S", 0.05)
    load = LiveStream._load_login
    away: list[str] = []

    def load_or_fail(self: LiveStream[Any, Any], key: str) -> object:
        if away:
            away.append(key)
            raise DatabaseError("gone")
        return load(self, key)

    monkeypatch.setattr(LiveStream, "_load_login", load_or_fail)

    async def go() -> None:
        async with streams() as opened:
            client = await asyncio.to_thread(_logged_in_elsewhere, alice)
            stream = await opened.open(client)
            await asyncio.sleep(0.2)
            stream.events.clear()
            away.append("since now")

            def change_and_announce() -> None:
                access_changes.announce_users([alice.pk])
                event_of(shop)

            await in_database(change_and_announce)
            await stream.until(lambda _: len(away) > 3)
            assert set(stream.kinds()) == {"ping"}
            away.clear()
            await stream.until(lambda stream: "conversation" in stream.kinds())

    asyncio.run(go())


# --- How many ---------------------------------------------------------------------------------------------------------
def test_one_stream_too_many_ends_the_oldest_of_the_user_and_says_why(
    shop: Channel, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcaster, "MAX_STREAMS_PER_USER", 3)
    bob = make_agent("bob", channels=(shop,))

    async def go() -> None:
        async with streams() as opened:
            phone, desk, theirs = [await asyncio.to_thread(_logged_in_elsewhere, user) for user in (alice, alice, bob)]
            other = await opened.open(theirs)
            own = [await opened.open(client) for client in (phone, desk, desk, desk)]
            assert await own[0].until(lambda stream: stream.has_ended) < SOON_S
            assert own[0].events[-1] == {"kind": "closed", "reason": "replaced"}
            await asyncio.sleep(0.1)
            assert [stream.has_ended for stream in (*own[1:], other)] == [False] * 4

    asyncio.run(go())


def test_the_pace_depends_on_people_and_not_on_their_streams() -> None:
    one: broadcaster.Broadcaster[str] = broadcaster.Broadcaster(lambda *_: {})
    for user_id in [1] * 20 + [2]:
        one._subscribers[broadcaster.Subscriber(f"user {user_id}", user_id)] = None
    one._count_people()
    assert one.pace_ms == 2 * broadcaster.PACE_PER_PERSON_MS


def test_a_client_that_reads_nothing_is_given_up(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "SEND_TIMEOUT_S", 0.1)

    async def go() -> None:
        live = Streams().live
        client = await asyncio.to_thread(_logged_in_elsewhere, alice)
        headers = [(b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())]

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(600)

        async def receive() -> MutableMapping[str, Any]:
            await asyncio.sleep(600)
            raise AssertionError

        scope = {"type": "http", "method": "GET", "path": "/live/", "headers": headers}
        await asyncio.wait_for(live(scope, receive, send), 5)
        await sync_to_async(connections.close_all)()

    asyncio.run(go())


def test_a_session_check_takes_few_queries(alice: User) -> None:
    client = logged_in(alice)
    live = Streams().live
    with CaptureQueriesContext(connection) as queries:
        live._load_login(client.cookies["sessionid"].value)
    assert len(queries) <= 6


def test_a_stream_speaks_the_language_of_the_user_else_of_the_browser(alice: User) -> None:
    client = logged_in(alice)

    def choose() -> None:
        alice.language = "de"
        alice.save(update_fields=["language"])

    async def run() -> None:
        async with streams() as opened:
            await opened.open(client, accepted="fr-CH, en;q=0.5")
            other = await opened.open(client, accepted="xx")
            [one] = opened.live._broadcasters.values()
            languages = lambda: [subscriber.reader.language for subscriber in one._subscribers]  # noqa: E731
            assert languages() == ["fr", "en"]
            other.events.clear()
            await in_database(choose)
            await other.until(lambda stream: "sync" in stream.kinds(), SOON_S)  # the page reads everything again
            assert languages() == ["de", "de"]

    asyncio.run(run())
