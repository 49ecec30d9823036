"""`/live/`: what `desk.live.publish` announces, as server-sent events to open pages. Bare ASGI beside Django.

One Broadcaster per process hears the database for all streams; a stream is a coroutine and a small set of pending
events, no thread and no connection of its own. What is announced carries ids only; what changed in lists is read once
for all streams (desk.live.fanout) and follows.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, MutableMapping
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, parse_cookie

from desk.live.fanout import Fanout, Read
from desk.live.listener import Payloads, listen
from desk.models import User

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PING_EVERY_S = 15
READY_WITHIN_S = 3
LINGER_S = 30  # someone who changes pages is back at once
MOST_PENDING = 100
PACE_MS = 8  # for what an open page reads by itself, with room for everything else
LEAST_PACE_MS = 400  # pages read no more often anyway (static/desk/js/live.js)
SYNC = {"kind": "sync"}
PING = {"kind": "ping"}  # no comment: those a page cannot hear, and a stream that broke would look like a quiet one
ACCESS = "channel"  # events of this kind may change what a user sees, as when an agent is associated
READ = "conversation"  # what events of this kind mean is read for all
HANDED = frozenset({"row", "counts"})  # made for the reader of the stream: the newest replaces an older one


class Subscriber:
    """One open stream: its pending events, each once; too many become one `sync`, and the page reads all again."""

    def __init__(self, reader: Hashable = None) -> None:
        self.reader = reader
        self._pending: dict[str, dict[str, Any]] = {}
        self._arrived = asyncio.Event()

    def put(self, payload: dict[str, Any]) -> None:
        """Add an event. Called in the stream's event loop."""
        if payload["kind"] == "sync" or len(self._pending) >= MOST_PENDING:
            self._pending = {"": SYNC}
        elif "" not in self._pending:
            self._pending[_key(payload)] = payload
        self._arrived.set()

    async def take(self, timeout_s: float) -> list[dict[str, Any]]:
        """Return what is pending, waiting for it up to `timeout_s`; [] when nothing came."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        self._arrived.clear()
        pending, self._pending = self._pending, {}
        return list(pending.values())


def _key(payload: dict[str, Any]) -> str:
    if payload["kind"] in HANDED:
        return f"{payload['kind']} {payload.get('conversation')}"
    return json.dumps(payload, sort_keys=True)


class Broadcaster:
    """Hands what the database announces, and what it means, to every stream; hears only while there are any."""

    def __init__(self, read: Read, hear: Callable[..., Payloads] = listen) -> None:
        self._read = read
        self._hear = hear
        self._subscribers: set[Subscriber] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def subscribed(self, reader: Hashable = None) -> AsyncIterator[Subscriber]:
        """Yield a new subscriber whose first event is `sync`: whatever is announced after it arrives."""
        subscriber = Subscriber(reader)
        self._subscribers.add(subscriber)
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run())
        try:
            with contextlib.suppress(TimeoutError):  # the database is away: `sync` comes when it is back
                await asyncio.wait_for(self._ready.wait(), READY_WITHIN_S)
                subscriber.put(SYNC)
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            asyncio.get_running_loop().call_later(LINGER_S, self._stop_if_alone)

    @property
    def pace_ms(self) -> int:
        """How long an open page should leave between two readings, so that all of them together do not fill a core."""
        return PACE_MS * len(self._subscribers)

    def _stop_if_alone(self) -> None:
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        reading = Fanout(self._read, self._readers, self._hand_out)
        beside = asyncio.create_task(reading.run())
        try:
            while True:
                try:
                    async for payload in self._hear():
                        self._tell(payload, reading)
                except Exception:
                    logger.exception("Hearing the database ended; it begins again")
                    await asyncio.sleep(1)
        finally:
            beside.cancel()

    def _tell(self, payload: dict[str, Any], reading: Fanout) -> None:
        if payload["kind"] == "sync":
            self._ready.set()
        for subscriber in self._subscribers:
            subscriber.put(payload)
        if payload["kind"] == READ:
            reading.add(payload)

    def _readers(self) -> set[Hashable]:
        return {subscriber.reader for subscriber in self._subscribers}

    def _hand_out(self, found: Mapping[Any, list[dict[str, Any]]]) -> None:
        for subscriber in self._subscribers:
            for payload in found.get(subscriber.reader, ()):
                subscriber.put(payload)


class LiveStream:
    """The ASGI application behind `/live/`.

    `reader_of(user, cookies)` reads from the database who reads and what they may see, `visible(reader, payload)`
    decides on each event without it, `read` says what changed (tickets.views.live_rows; desk.asgi puts them together).
    """

    def __init__(
        self,
        reader_of: Callable[[User, Mapping[str, str]], Hashable],
        visible: Callable[[Any, dict[str, Any]], bool],
        read: Read,
    ) -> None:
        self._reader_of = reader_of
        self._visible = visible
        self._read = read
        self._broadcasters: dict[asyncio.AbstractEventLoop, Broadcaster] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream to someone who is logged in; 403 to everyone else, 405 to anything but GET."""
        if scope["method"] != "GET":
            return await _refuse(send, 405, b"Only GET.")
        cookies = _cookies(scope)
        try:
            reader = await self._reader(cookies)
        except DatabaseError:
            return await _refuse(send, 503, b"The database does not answer.")
        if reader is None:
            return await _refuse(send, 403, b"Log in first.")
        stream = asyncio.create_task(self._stream(cookies, reader, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({stream, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stream, gone):
                task.cancel()
            await asyncio.gather(stream, gone, return_exceptions=True)
        return None

    async def _stream(self, cookies: dict[str, str], reader: Hashable, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_text(send, "retry: 2000\n\n")
        asked_at = time.monotonic()
        broadcaster, told_ms = self._broadcaster(), LEAST_PACE_MS
        async with broadcaster.subscribed(reader) as subscriber:
            while True:
                payloads = await subscriber.take(PING_EVERY_S)
                changes_access = any(each["kind"] == ACCESS for each in payloads)
                if changes_access or time.monotonic() - asked_at >= PING_EVERY_S:
                    asked_at = time.monotonic()
                    reader = await self._reader_again(cookies, reader)
                    if reader is None:
                        break  # logged out or deactivated; the page's next attempt is answered 403
                    if reader != subscriber.reader:
                        subscriber.reader = reader
                        payloads = [SYNC]  # other conversations than before: the page reads all again
                shown = [each for each in payloads if self._is_for(reader, each)]
                pace_ms = max(LEAST_PACE_MS, broadcaster.pace_ms)
                if not 0.8 < pace_ms / told_ms < 1.25:
                    told_ms = pace_ms
                    shown.insert(0, {"kind": "pace", "ms": pace_ms})
                await _send_text(send, "".join(map(_event, shown)) or _event(PING))
        await send({"type": "http.response.body", "body": b""})

    def _is_for(self, reader: Hashable, payload: dict[str, Any]) -> bool:
        return payload["kind"] == "sync" or payload["kind"] in HANDED or self._visible(reader, payload)

    def _broadcaster(self) -> Broadcaster:
        loop = asyncio.get_running_loop()
        for other in [each for each in self._broadcasters if each.is_closed()]:
            del self._broadcasters[other]
        return self._broadcasters.setdefault(loop, Broadcaster(self._read))

    async def _reader(self, cookies: dict[str, str]) -> Hashable:
        return await sync_to_async(self._read_reader)(cookies)

    async def _reader_again(self, cookies: dict[str, str], reader: Hashable) -> Hashable:
        try:
            return await self._reader(cookies)
        except DatabaseError:
            return reader

    def _read_reader(self, cookies: dict[str, str]) -> Hashable:
        """Return who reads, None when nobody is logged in."""
        close_old_connections()
        try:
            request = HttpRequest()
            request.session = import_module(settings.SESSION_ENGINE).SessionStore(
                cookies.get(settings.SESSION_COOKIE_NAME)
            )
            user = get_user(request)
            return self._reader_of(user, cookies) if user.is_authenticated and user.is_active else None
        finally:
            close_old_connections()


def _cookies(scope: Scope) -> dict[str, str]:
    header = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(header.decode("latin-1"))


def _event(payload: dict[str, Any]) -> str:
    data = {name: value for name, value in payload.items() if name != "kind"}
    return f"event: {payload['kind']}\ndata: {json.dumps(data)}\n\n"


async def _send_text(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
