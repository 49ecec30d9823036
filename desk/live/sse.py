"""`/live/`: send what `desk.live.publish` announces to open pages as server-sent events. Plain ASGI beside Django.

One Broadcaster per process listens to the database for all streams; a stream is a coroutine and a small set of pending
events, without a thread or a database connection of its own. An announcement carries ids only; the changed rows of
lists are read once for all streams (desk.live.fanout) and sent after it.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from importlib import import_module
from typing import Generic

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, parse_cookie

from desk import metrics
from desk.accounts import gate
from desk.live.fanout import Fanout, Read, Reader
from desk.live.listener import Payloads, listen
from desk.live.publish import SYNC, Payload
from desk.models import User
from desk.plain_asgi import Receive, Scope, Send, answer

logger = logging.getLogger(__name__)

PING_EVERY_S = 15
READY_TIMEOUT_S = 3
IDLE_TIMEOUT_S = 30  # a page that is left for another opens its next stream at once
MAX_PENDING = 100
PACE_PER_STREAM_MS = 8  # for what an open page requests by itself; leaves room for everything else
MIN_PACE_MS = 400  # pages request no more often anyway (static/desk/js/live.js)
PING: Payload = {"kind": "ping"}  # an event, because pages do not see comments and could not detect a broken stream
ACCESS_KIND = "channel"  # events of this kind may change what a user may see, as when an agent is associated
FANOUT_KIND = "conversation"  # Fanout reads for all streams what changed
READER_KINDS = frozenset({"row", "counts"})  # made by Fanout for one reader: the newest replaces an older one


class Subscriber(Generic[Reader]):
    """The pending events of one stream, without duplicates. Too many become one `sync`: the page reads all again."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._pending: dict[str, Payload] = {}
        self._arrived = asyncio.Event()

    def put(self, payload: Payload) -> None:
        """Add an event. Called in the stream's event loop."""
        if payload["kind"] == "sync" or len(self._pending) >= MAX_PENDING:
            self._pending = {"": SYNC}
        elif "" not in self._pending:
            self._pending[_key(payload)] = payload
        self._arrived.set()

    async def take(self, timeout_s: float) -> list[Payload]:
        """Wait up to `timeout_s` for events and return all that are pending; [] when none arrived."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        self._arrived.clear()
        pending, self._pending = self._pending, {}
        return list(pending.values())


def _key(payload: Payload) -> str:
    if payload["kind"] in READER_KINDS:
        return f"{payload['kind']} {payload.get('conversation')}"
    return json.dumps(payload, sort_keys=True)


class Broadcaster(Generic[Reader]):
    """Pass announcements, and the rows that Fanout read for them, to all streams. Listens only while there are any."""

    def __init__(self, read: Read[Reader], listen: Callable[[], Payloads] = listen) -> None:
        self._read = read
        self._listen = listen
        self._subscribers: set[Subscriber[Reader]] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def subscribed(self, reader: Reader) -> AsyncIterator[Subscriber[Reader]]:
        """Yield a new subscriber. Its first event is `sync`; everything announced after that reaches it."""
        subscriber = Subscriber(reader)
        self._subscribers.add(subscriber)
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run())
        try:
            with contextlib.suppress(TimeoutError):  # the database is away: `sync` comes when it is back
                await asyncio.wait_for(self._ready.wait(), READY_TIMEOUT_S)
                subscriber.put(SYNC)
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            asyncio.get_running_loop().call_later(IDLE_TIMEOUT_S, self._stop_if_idle)

    @property
    def pace_ms(self) -> int:
        """Return the pause (ms) of an open page between two requests, so that all pages together do not fill a core."""
        return PACE_PER_STREAM_MS * len(self._subscribers)

    def _stop_if_idle(self) -> None:
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        fanout = Fanout(self._read, self._readers, self._deliver)
        fanout_task = asyncio.create_task(fanout.run())
        try:
            while True:
                try:
                    async for payload in self._listen():
                        self._broadcast(payload, fanout)
                except Exception:
                    logger.exception("Listening to the database failed; it starts again")
                    await asyncio.sleep(1)
        finally:
            fanout_task.cancel()

    def _broadcast(self, payload: Payload, fanout: Fanout[Reader]) -> None:
        if payload["kind"] == "sync":
            self._ready.set()
        for subscriber in self._subscribers:
            subscriber.put(payload)
        if payload["kind"] == FANOUT_KIND:
            fanout.add(payload)

    def _readers(self) -> set[Reader]:
        return {subscriber.reader for subscriber in self._subscribers}

    def _deliver(self, payloads_by_reader: Mapping[Reader, list[Payload]]) -> None:
        for subscriber in self._subscribers:
            for payload in payloads_by_reader.get(subscriber.reader, ()):
                subscriber.put(payload)


class LiveStream(Generic[Reader]):
    """The ASGI application behind `/live/`.

    `reader_of(user, cookies)` loads from the database who reads and what they may see, `visible(reader, payload)`
    decides on each event without the database, `read` returns what changed. The three come from
    tickets.views.live_rows; desk.asgi passes them in.
    """

    def __init__(
        self,
        reader_of: Callable[[User, Mapping[str, str]], Reader],
        visible: Callable[[Reader, Payload], bool],
        read: Read[Reader],
    ) -> None:
        self._reader_of = reader_of
        self._visible = visible
        self._read = read
        self._open = 0
        self._broadcasters: dict[asyncio.AbstractEventLoop, Broadcaster[Reader]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream to a logged-in user. Answer 403 to others, 405 to methods other than GET, 503 without a database."""
        if scope["method"] != "GET":
            return await answer(send, 405, b"Only GET is allowed.")
        cookies = _cookies(scope)
        try:
            reader = await self._load_reader(cookies)
        except DatabaseError:
            return await answer(send, 503, b"The database does not answer.")
        if reader is None:
            return await answer(send, 403, b"Log in first.")
        stream = asyncio.create_task(self._stream(cookies, reader, send))
        disconnect = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({stream, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stream, disconnect):
                task.cancel()
            await asyncio.gather(stream, disconnect, return_exceptions=True)
        return None

    async def _stream(self, cookies: dict[str, str], reader: Reader, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_text(send, "retry: 2000\n\n")
        checked_at = time.monotonic()
        broadcaster, sent_pace_ms = self._broadcaster(), MIN_PACE_MS
        async with broadcaster.subscribed(reader) as subscriber, self._counted():
            while True:
                payloads = await subscriber.take(PING_EVERY_S)
                self._record_open_streams()
                changes_access = any(payload["kind"] == ACCESS_KIND for payload in payloads)
                if changes_access or time.monotonic() - checked_at >= PING_EVERY_S:
                    checked_at = time.monotonic()
                    reloaded = await self._reload_reader(cookies, reader)
                    if reloaded is None:
                        break  # logged out or deactivated; the page's next attempt is answered 403
                    reader = reloaded
                    if reader != subscriber.reader:
                        subscriber.reader = reader
                        payloads = [SYNC]  # other conversations than before: the page reads all again
                events = [payload for payload in payloads if self._may_see(reader, payload)]
                pace_ms = max(MIN_PACE_MS, broadcaster.pace_ms)
                if not 0.8 < pace_ms / sent_pace_ms < 1.25:
                    sent_pace_ms = pace_ms
                    events.insert(0, {"kind": "pace", "ms": pace_ms})
                await _send_text(send, "".join(map(_format, events)) or _format(PING))
        await send({"type": "http.response.body", "body": b""})

    @contextlib.asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._open += 1
        self._record_open_streams()
        try:
            yield
        finally:
            self._open -= 1
            self._record_open_streams()

    def _record_open_streams(self) -> None:
        metrics.record_open_streams(self._open)

    def _may_see(self, reader: Reader, payload: Payload) -> bool:
        return payload["kind"] == "sync" or payload["kind"] in READER_KINDS or self._visible(reader, payload)

    def _broadcaster(self) -> Broadcaster[Reader]:
        loop = asyncio.get_running_loop()
        for closed_loop in [known for known in self._broadcasters if known.is_closed()]:
            del self._broadcasters[closed_loop]
        return self._broadcasters.setdefault(loop, Broadcaster(self._read))

    async def _load_reader(self, cookies: dict[str, str]) -> Reader | None:
        return await sync_to_async(self._load_reader_sync)(cookies)

    async def _reload_reader(self, cookies: dict[str, str], reader: Reader) -> Reader | None:
        """Return the reader as the database knows them now; while it is away, the one from before."""
        try:
            return await self._load_reader(cookies)
        except DatabaseError:
            return reader

    def _load_reader_sync(self, cookies: dict[str, str]) -> Reader | None:
        """Return who reads, None when nobody is logged in."""
        close_old_connections()
        try:
            request = HttpRequest()
            request.session = import_module(settings.SESSION_ENGINE).SessionStore(
                cookies.get(settings.SESSION_COOKIE_NAME)
            )
            user = get_user(request)
            if not isinstance(user, User) or not user.is_active or not gate.admits(user, request.session):
                return None
            return self._reader_of(user, cookies)
        finally:
            close_old_connections()


def _cookies(scope: Scope) -> dict[str, str]:
    header = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(header.decode("latin-1"))


def _format(payload: Payload) -> str:
    data = {name: value for name, value in payload.items() if name != "kind"}
    return f"event: {payload['kind']}\ndata: {json.dumps(data)}\n\n"


async def _send_text(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
