"""Pass announcements from the database to the open streams of this process (desk.live.sse)."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic

from desk.live import access_changes, arrivals
from desk.live.fanout import AT_ONCE, Fanout, Read, Reader
from desk.live.listener import Payloads, listen
from desk.live.publish import SYNC, Payload

logger = logging.getLogger(__name__)

READY_TIMEOUT_S = 3
IDLE_TIMEOUT_S = 30  # a page that is left for another opens its next stream at once
MAX_PENDING = 100
MAX_STREAMS_PER_USER = 20  # in one process; the streams of all their tabs and browsers
PACE_PER_PERSON_MS = 8  # for what an open page requests by itself; leaves room for everything else
FANOUT_KIND = "conversation"  # Fanout reads for all streams what changed
NEWEST_COUNTS = frozenset({"row", "counts", "state"})  # made by Fanout for one reader: each replaces an older one
READER_KINDS = NEWEST_COUNTS | {"thread"}


class Subscriber(Generic[Reader]):
    """The pending events of one stream, without duplicates. Too many become one `sync`: the page reads all again.

    `user_id` and `session` (a fingerprint, see desk.live.access_changes) say whose stream it is. `unchecked_since` is
    the time (`time.monotonic()`) of the newest change that may concern its rights: nothing is sent before a check that
    began after it. `replaced` is set when newer streams of the user took its place.
    """

    def __init__(self, reader: Reader, user_id: int = 0, session: str = "") -> None:
        self.reader = reader
        self.user_id = user_id
        self.session = session
        self.unchecked_since = float("-inf")
        self.replaced = False
        self._pending: dict[str, Payload] = {}
        self._arrived = asyncio.Event()

    def put(self, payload: Payload) -> None:
        """Add an event. Called in the stream's event loop."""
        if payload["kind"] == "sync" or len(self._pending) >= MAX_PENDING:
            self._pending = {"": SYNC}
        elif "" not in self._pending:
            key = _key(payload)
            self._pending[key] = arrivals.merged(self._pending.get(key), payload)
        self._arrived.set()

    def require_check(self) -> None:
        """Let the stream check its session and rights before it sends anything more."""
        self.unchecked_since = time.monotonic()
        self._arrived.set()

    def replace(self) -> None:
        """Let the stream end, because the user has opened too many."""
        self.replaced = True
        self._arrived.set()

    def become(self, reader: Reader) -> None:
        """Serve a reader who sees something else: what is pending was made for the one before."""
        self.reader = reader
        self.put(SYNC)

    async def take(self, timeout_s: float) -> list[Payload]:
        """Wait up to `timeout_s` for events and return all that are pending; [] when none arrived."""
        with contextlib.suppress(TimeoutError):  # not wait_for: in Python 3.11 it can lose a cancellation
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        return self.take_now()

    def take_now(self) -> list[Payload]:
        """Return all pending events."""
        self._arrived.clear()
        pending, self._pending = self._pending, {}
        return list(pending.values())


def _key(payload: Payload) -> str:
    if payload["kind"] in NEWEST_COUNTS:
        return f"{payload['kind']} {payload.get('conversation')}"
    if payload["kind"] in READER_KINDS:
        return f"{payload['kind']} {payload.get('conversation')} {payload.get('version')}"
    return json.dumps(payload, sort_keys=True)


class Broadcaster(Generic[Reader]):
    """Pass announcements, and what Fanout read for them, to all streams. Listens only while there are any.

    `read` reads in batches what all pages show, `read_at_once` what a page shows of the conversation that it has open.
    """

    def __init__(
        self,
        read: Read[Reader],
        listen: Callable[[], Payloads] = listen,
        *,
        read_at_once: Read[Reader] | None = None,
    ) -> None:
        self._read, self._read_at_once = read, read_at_once
        self._listen = listen
        self._subscribers: dict[Subscriber[Reader], None] = {}  # a set in the order of opening
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._people = 0  # users with a stream
        self.access_changes = 0  # how many announcements of changed rights there were

    @contextlib.asynccontextmanager
    async def subscribed(self, subscriber: Subscriber[Reader]) -> AsyncIterator[Subscriber[Reader]]:
        """Serve this subscriber. Its first event is `sync`; everything announced after that reaches it.

        When its user has too many streams, the oldest is replaced: people look at the tabs they opened last.
        """
        self._subscribers[subscriber] = None
        self._replace_oldest(subscriber.user_id)
        self._count_people()
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run())
        try:
            with contextlib.suppress(TimeoutError):  # the database is away: `sync` comes when it is back
                async with asyncio.timeout(READY_TIMEOUT_S):
                    await self._ready.wait()
                subscriber.put(SYNC)
            yield subscriber
        finally:
            self._subscribers.pop(subscriber, None)
            self._count_people()
            asyncio.get_running_loop().call_later(IDLE_TIMEOUT_S, self._stop_if_idle)

    @property
    def pace_ms(self) -> int:
        """Return the pause (ms) of an open page between two requests, so that all pages together do not fill a core.

        It grows with the people, not with their streams: nobody is slowed down by a colleague with many tabs.
        """
        return PACE_PER_PERSON_MS * self._people

    def _count_people(self) -> None:
        self._people = len({subscriber.user_id for subscriber in self._subscribers})

    def _replace_oldest(self, user_id: int) -> None:
        own = [subscriber for subscriber in self._subscribers if subscriber.user_id == user_id]
        for subscriber in own[:-MAX_STREAMS_PER_USER]:
            del self._subscribers[subscriber]
            subscriber.replace()

    def _stop_if_idle(self) -> None:
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        fanouts = [Fanout(self._read, self._readers, self._deliver)]
        if self._read_at_once:
            fanouts.insert(0, Fanout(self._read_at_once, self._readers, self._deliver, AT_ONCE))
        tasks = [asyncio.create_task(fanout.run()) for fanout in fanouts]
        try:
            while True:
                try:
                    async for payload in self._listen():
                        self._broadcast(payload, fanouts)
                except Exception:
                    logger.exception("Listening to the database failed; it starts again")
                    await asyncio.sleep(1)
        finally:
            for task in tasks:
                task.cancel()

    def _broadcast(self, payload: Payload, fanouts: list[Fanout[Reader]]) -> None:
        if payload["kind"] == access_changes.KIND:
            self.access_changes += 1
            for subscriber in self._subscribers:
                if access_changes.concerns(payload, subscriber.user_id, subscriber.session):
                    subscriber.require_check()
            return
        if payload["kind"] == "sync":
            self._ready.set()
            self.access_changes += 1  # one of those that may be missing
        payload, arrival = arrivals.taken_from(payload)
        for subscriber in self._subscribers:
            if payload["kind"] == "sync":
                subscriber.require_check()
            subscriber.put(payload)
        if payload["kind"] == FANOUT_KIND:
            for fanout in fanouts:
                fanout.add(payload, arrival)

    def _readers(self) -> set[Reader]:
        return {subscriber.reader for subscriber in self._subscribers}

    def _deliver(self, payloads_by_reader: Mapping[Reader, list[Payload]]) -> None:
        for subscriber in self._subscribers:
            for payload in payloads_by_reader.get(subscriber.reader, ()):
                subscriber.put(payload)
