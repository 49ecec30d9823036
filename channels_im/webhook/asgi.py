"""The webhook's POST as a bare ASGI door: no middleware, and one thread that commits many deliveries at once.

Under `synchronous=FULL` a commit waits for the disk. Deliveries that arrive meanwhile share the next one; each is
answered 200 only after the commit that holds it.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, close_old_connections, connection

from channels_im.messenger.webhook import MAX_BODY_BYTES, check_post
from channels_im.services.journal import store
from channels_im.webhook.views import app_secrets
from desk.queue import enqueue

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_AT_ONCE = 500
NUDGE_EVERY_S = 0.05
ANSWER_WITHIN_S = 15


async def post(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a POST to the webhook as `views.messenger` does."""
    body = await _read(scope, receive)
    if body is None:
        return
    verdict = check_post(body, scope["headers"], app_secrets())
    if not verdict.accepted:
        await _answer(send, verdict.status, str(verdict.outcome).encode())
        return
    try:
        await asyncio.wait_for(writer.write(body), ANSWER_WITHIN_S)
    except (DatabaseError, TimeoutError):
        await _answer(send, 503, b"try again")
    else:
        await _answer(send, 200, b"ok")


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """Return the body, or so much of it that it is too large; None when the sender went away."""
    parts, size = [], 0
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 20 and int(value) > MAX_BODY_BYTES:
            return b" " * (MAX_BODY_BYTES + 1)
    while size <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _answer(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@dataclass
class Waiting:
    """A body on its way into the journal, and who waits for it."""

    body: bytes
    loop: asyncio.AbstractEventLoop
    kept: "asyncio.Future[None]"


class JournalWriter:
    """The one thread of this process that writes deliveries: all that wait, in one transaction."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._nudged_at = float("-inf")
        self._owes_nudge = False

    async def write(self, body: bytes) -> None:
        """Return when `body` is committed. Raises DatabaseError when it cannot be."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(body, loop, loop.create_future())
        self._waiting.put(waiting)
        if self._thread is None:
            self._begin()
        await waiting.kept

    def _begin(self) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                self._nudge_now()
                continue
            try:
                self._record(batch)
                failure = None
            except Exception as error:
                logger.exception("%s deliveries could not be kept; Meta is asked to come again", len(batch))
                failure = error if isinstance(error, DatabaseError) else DatabaseError(str(error))
            by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
            for waiting in batch:
                by_loop.setdefault(waiting.loop, []).append(waiting.kept)
            for loop, futures in by_loop.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_settle, futures, failure)

    def _next_batch(self) -> list[Waiting]:
        """Return everything that waits, after at least one came; nothing when the owed nudge is due first."""
        try:
            batch = [self._waiting.get(timeout=NUDGE_EVERY_S if self._owes_nudge else None)]
        except queue.Empty:
            return []
        while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
            batch.append(self._waiting.get())
        return batch

    def _record(self, batch: list[Waiting]) -> None:
        """Commit the batch; on a connection that had died in the meantime, once more on a new one."""
        bodies = [waiting.body for waiting in batch]
        wake = time.monotonic() - self._nudged_at >= NUDGE_EVERY_S
        close_old_connections()
        try:
            store.record(bodies, wake=wake)
        except DatabaseError:
            connection.close()
            store.record(bodies, wake=wake)
        if wake:
            self._nudged_at = time.monotonic()
        self._owes_nudge = not wake

    def _nudge_now(self) -> None:
        self._owes_nudge = False
        self._nudged_at = time.monotonic()
        try:
            enqueue(store.TASK)
        except Exception:
            logger.exception("The worker could not be nudged; it looks for itself")
            connection.close()


def _settle(futures: "list[asyncio.Future[None]]", failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


writer = JournalWriter()
