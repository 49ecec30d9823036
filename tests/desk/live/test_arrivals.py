"""When a message is first shown is measured at the stream that writes it, once, and pages see nothing of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Hashable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from desk import timings
from desk.live import arrivals, publish, sse
from desk.live.broadcaster import Broadcaster, Subscriber
from desk.live.publish import SYNC
from desk.models import LiveEvent

Event = dict[str, Any]


@pytest.fixture(autouse=True)
def _start_from_nothing() -> Iterator[None]:
    timings._counts.clear()
    yield
    timings._counts.clear()


def counted(kind: str) -> int:
    return sum(count for (each, _slot, _bound), count in timings._counts.items() if each == kind)


def message(conversation: int, ago: float = 1.0) -> Event:
    now = time.time()
    return {"kind": "conversation", "conversation": conversation, "arrived": [now - ago, now - ago / 2]}


def row(conversation: int, **fields: Any) -> Event:
    return {"kind": "row", "conversation": conversation, "views": ["all"], **fields}


def received(announced: list[Event], made: list[Event], streams: int = 1) -> list[list[Event]]:
    """Return what so many streams of one reader take while these announcements come."""
    announce = asyncio.Event()

    def read(payloads: Collection[Event], readers: Collection[Hashable]) -> dict[Any, list[Event]]:
        assert not any("arrived" in payload for payload in payloads)
        return {"ana": made}

    async def listen() -> AsyncIterator[Event]:
        yield SYNC
        await announce.wait()
        for each in announced:
            yield each
        await asyncio.sleep(10)

    async def go() -> list[list[Event]]:
        broadcaster = Broadcaster(read, listen)
        subscribers = [Subscriber("ana") for _ in range(streams)]
        async with broadcaster.subscribed(subscribers[0]), broadcaster.subscribed(subscribers[-1]):
            for subscriber in subscribers:
                await subscriber.take(5)  # sync, which would take the place of all others
            announce.set()
            taken: list[list[Event]] = [[] for _ in subscribers]
            while not all(made[-1].items() <= (events or [{}])[-1].items() for events in taken):
                for events, subscriber in zip(taken, subscribers, strict=True):
                    events += await subscriber.take(0.1)
            return taken

    return asyncio.run(asyncio.wait_for(go(), 20))


def test_a_message_is_counted_once_when_the_first_stream_has_written_it() -> None:
    first, second = received([message(1)], [row(1)], streams=2)
    assert counted(timings.SCREEN) == 0
    for events in (first, second, first):
        arrivals.record_shown(events)
    assert (counted(timings.SCREEN), counted(timings.SHOWN)) == (1, 1)


def test_pages_get_neither_the_times_nor_what_is_kept_for_measuring() -> None:
    [events] = received([message(1)], [row(1)])
    text = "".join(map(sse._format, events))
    assert '"conversation": 1' in text
    assert "arrived" not in text
    assert arrivals.SHOWS not in text


def test_each_of_two_messages_of_a_conversation_counts() -> None:
    [events] = received([message(1), message(1, ago=3)], [row(1)])
    arrivals.record_shown(events)
    assert counted(timings.SCREEN) == 2


@pytest.mark.parametrize(
    "made",
    [
        [{"kind": "counts", "views": {}, "unread": 1}],
        [row(2)],
        [row(1, views=[])],  # the reader no longer sees the conversation
    ],
)
def test_what_does_not_show_the_message_does_not_count(made: list[Event]) -> None:
    [events] = received([message(1)], made)
    arrivals.record_shown(events)
    assert counted(timings.SCREEN) == 0


def test_a_change_that_brings_no_message_does_not_count() -> None:
    [events] = received([{"kind": "conversation", "conversation": 1}], [row(1)])
    arrivals.record_shown(events)
    assert counted(timings.SCREEN) == 0


def test_a_row_that_was_replaced_before_it_was_written_hands_its_message_on() -> None:
    arrival = arrivals.Arrival(time.time() - 2, time.time() - 1)

    async def go() -> list[Event]:
        subscriber = Subscriber("ana")
        subscriber.put(row(1, html="old") | {arrivals.SHOWS: [arrival]})
        subscriber.put(row(1, html="new"))
        return await subscriber.take(1)

    [event] = asyncio.run(go())
    assert event["html"] == "new"
    arrivals.record_shown([event])
    assert counted(timings.SCREEN) == 1


@pytest.mark.django_db
def test_in_one_transaction_the_first_of_several_messages_is_announced_with_its_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[Event] = []
    monkeypatch.setattr(publish, "_write", written.extend)
    now = timezone.now()
    with time_machine.travel(now, tick=False), publish.batched():
        publish.announce("conversation", conversation=1)
        publish.announce("conversation", now - timedelta(seconds=9), conversation=1)
        publish.announce("conversation", now, conversation=1)
        publish.announce("conversation", conversation=1)
    [payload] = written
    assert payload["arrived"] == [round(now.timestamp() - 9, 3), round(now.timestamp(), 3)]
    assert not LiveEvent.objects.exists()
