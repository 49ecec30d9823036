"""desk.live.sse without a server: what a subscriber gets, and which database failures the listener survives."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Hashable, Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from desk.live import listener, publish
from desk.live.broadcaster import MAX_PENDING, Broadcaster, Subscriber
from desk.live.publish import SYNC
from desk.models import LiveEvent
from tests.factories import NOON

T = TypeVar("T")
Event = dict[str, Any]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def nothing(payloads: Collection[Event], readers: Collection[Hashable]) -> dict[Any, list[Event]]:
    return {}


def event(number: int) -> Event:
    return {"kind": "conversation", "conversation": number}


def test_a_subscriber_gets_events_in_order_and_each_once() -> None:
    async def go() -> list[Event]:
        subscriber = Subscriber("ana")
        for number in (1, 2, 1):
            subscriber.put(event(number))
        return await subscriber.take(1)

    assert run(go()) == [event(1), event(2)]


def test_nothing_pending_ends_the_wait_so_that_a_ping_can_be_sent() -> None:
    async def go() -> list[Event]:
        return await Subscriber("ana").take(0.01)

    assert run(go()) == []


def test_a_reader_that_is_too_slow_gets_sync() -> None:
    async def go() -> list[Event]:
        subscriber = Subscriber("ana")
        for number in range(MAX_PENDING + 5):
            subscriber.put(event(number))
        return await subscriber.take(1)

    assert run(go()) == [SYNC]


def test_the_first_event_is_sync_and_listening_that_breaks_begins_again() -> None:
    begun: list[int] = []

    async def listen() -> AsyncIterator[Event]:
        begun.append(1)
        yield SYNC
        await asyncio.sleep(0.05)  # what comes while a sync is pending is covered by it
        yield event(len(begun))
        if len(begun) == 1:
            raise RuntimeError("the database is strange")
        await asyncio.sleep(10)

    async def go() -> list[Event]:
        seen = []
        broadcaster = Broadcaster(nothing, listen)
        async with broadcaster.subscribed(Subscriber("ana")) as subscriber:
            while event(2) not in seen:
                seen += await subscriber.take(5)
        return seen

    seen = run(go())
    assert seen[0] == SYNC
    assert seen[-1] == event(2)


def test_one_listening_serves_all_subscribers() -> None:
    begun: list[int] = []

    async def listen() -> AsyncIterator[Event]:
        begun.append(1)
        yield SYNC
        await asyncio.sleep(0.05)
        yield event(1)
        await asyncio.sleep(10)

    async def go() -> None:
        broadcaster = Broadcaster(nothing, listen)
        async with broadcaster.subscribed(Subscriber("ana")) as one, broadcaster.subscribed(Subscriber("ana")) as two:
            seen: dict[int, list[Event]] = {1: [], 2: []}
            while event(1) not in seen[1] or event(1) not in seen[2]:
                seen[1] += await one.take(0.2)
                seen[2] += await two.take(0.2)

    run(go())
    assert len(begun) == 1


def test_of_what_was_handed_out_the_newest_replaces_what_was_not_taken_yet() -> None:
    async def go() -> list[Event]:
        subscriber = Subscriber("ana")
        for number in (1, 2):
            subscriber.put({"kind": "row", "conversation": 7, "number": number})
            subscriber.put({"kind": "counts", "unread": number})
            subscriber.put(event(number))
        return await subscriber.take(1)

    taken = run(go())
    assert [each["number"] for each in taken if each["kind"] == "row"] == [2]
    assert [each["unread"] for each in taken if each["kind"] == "counts"] == [2]
    assert [each for each in taken if each["kind"] == "conversation"] == [event(1), event(2)]


def test_what_changed_is_read_once_for_all_streams_and_handed_to_each_by_its_reader() -> None:
    readings = []

    def read(payloads: Collection[Event], readers: Collection[Hashable]) -> dict[Any, list[Event]]:
        readings.append((sorted(each["conversation"] for each in payloads), readers))
        return {"ana": [{"kind": "row", "conversation": 1}]}

    async def listen() -> AsyncIterator[Event]:
        yield SYNC
        await asyncio.sleep(0.05)
        yield event(1)
        yield event(2)
        await asyncio.sleep(10)

    async def go() -> list[Event]:
        broadcaster = Broadcaster(read, listen)
        async with (
            broadcaster.subscribed(Subscriber("ana")) as one,
            broadcaster.subscribed(Subscriber("ana")) as two,
            broadcaster.subscribed(Subscriber("ben")) as three,
        ):
            seen: dict[Subscriber[Hashable], list[Event]] = {one: [], two: [], three: []}
            while not all({"kind": "row", "conversation": 1} in seen[each] for each in (one, two)):
                for each, found in seen.items():
                    found += await each.take(0.1)
            return seen[three]

    assert {"kind": "row", "conversation": 1} not in run(go())
    assert readings == [([1, 2], {"ana", "ben"})]


def test_a_reading_that_fails_is_followed_by_the_next() -> None:
    readings = []

    def read(payloads: Collection[Event], readers: Collection[Hashable]) -> dict[Any, list[Event]]:
        readings.append([each["conversation"] for each in payloads])
        if len(readings) == 1:
            raise OperationalError("gone")
        return {"ana": [{"kind": "row", "conversation": 2}]}

    async def go() -> None:
        broadcaster = Broadcaster(read, listen)
        async with broadcaster.subscribed(Subscriber("ana")) as subscriber:
            seen = []
            while {"kind": "row", "conversation": 2} not in seen:
                seen += await subscriber.take(5)

    async def listen() -> AsyncIterator[Event]:
        yield SYNC
        yield event(1)
        while not readings:
            await asyncio.sleep(0.01)
        yield event(2)
        await asyncio.sleep(10)

    run(go())
    assert readings == [[1], [2]]


# --- The poller -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL notifies")
def test_the_same_announcement_gathered_twice_is_written_once() -> None:
    with publish.batched():
        publish.announce("conversation", conversation=1)
        publish.announce("conversation", conversation=1)
        publish.announce("conversation", conversation=2)
        assert LiveEvent.objects.count() == 0
    assert [row.payload["conversation"] for row in LiveEvent.objects.order_by("pk")] == [1, 2]


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL notifies")
def test_many_announcements_are_written_in_their_order_as_they_are() -> None:
    with CaptureQueriesContext(connection) as queries, publish.batched():
        for number in range(600):
            publish.announce("conversation", NOON, conversation=number, assignee=None, transferred=number % 2 == 0)
        publish.announce("presence", name='Zoë "%s" {}')
    rows = list(LiveEvent.objects.order_by("pk"))
    assert [row.payload.get("conversation") for row in rows] == [*range(600), None]
    assert rows[1].payload.pop("arrived")[0] == NOON.timestamp()
    assert rows[1].payload == {"kind": "conversation", "conversation": 1, "assignee": None, "transferred": False}
    assert rows[-1].payload == {"kind": "presence", "name": 'Zoë "%s" {}'}
    assert timezone.now() - rows[0].created_at < timedelta(minutes=1)
    assert len(queries) == 1


@pytest.mark.django_db
def test_what_was_gathered_is_not_written_when_the_transaction_fails() -> None:
    def fail() -> None:
        with publish.batched():
            publish.announce("conversation", conversation=1)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert LiveEvent.objects.count() == 0


@pytest.fixture
def away() -> Iterator[threading.Event]:
    """While this is set, the database refuses the statements of every thread that connects from now on."""
    away = threading.Event()

    def execute(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if away.is_set():
            raise OperationalError("gone")
        return execute(sql, *rest)

    def watch(connection: Any, **_kwargs: Any) -> None:
        if threading.current_thread().name == "live-poller":
            connection.execute_wrappers.append(execute)

    connection_created.connect(watch)
    yield away
    connection_created.disconnect(watch)


def announce(number: int) -> None:
    LiveEvent.objects.create(payload=event(number))
    connection.close()  # of this thread alone


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL notifies")
@pytest.mark.django_db(transaction=True)
def test_the_poller_survives_a_database_that_goes_away_and_says_sync_when_it_is_back(
    away: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> list[Event]:
        seen = []
        async with aclosing(listener.poll_sqlite()) as received:
            async for payload in received:
                seen.append(payload)
                if seen == [SYNC]:
                    await asyncio.to_thread(announce, 1)
                elif seen == [SYNC, event(1)]:
                    away.set()
                    while "Cannot listen to the database: gone" not in caplog.text:
                        await asyncio.sleep(0.01)
                    away.clear()
                elif seen == [SYNC, event(1), SYNC]:
                    await asyncio.to_thread(announce, 2)
                elif len(seen) == 4:
                    return seen
        return seen

    assert run(go()) == [SYNC, event(1), SYNC, event(2)]
