"""Receive webhook POSTs as a plain ASGI application: no middleware, and one thread that commits deliveries in batches.

Under `synchronous=FULL` a commit waits for the disk. Deliveries that arrive meanwhile share the next commit; each is
answered 200 only after the commit that contains it.
"""

import asyncio
import logging
import queue
import threading
import time
from dataclasses import dataclass

from django.db import DatabaseError, close_old_connections, connection

from channels_im.messenger.webhook import TOO_LARGE, check_head, check_post
from channels_im.services.journal import store
from channels_im.webhook.views import app_secrets
from desk import body_limits, logs, metrics
from desk.plain_asgi import Receive, Scope, Send, answer
from desk.wake import wake as wake_job

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
WAKE_EVERY_S = 0.005
COMMIT_TIMEOUT_S = 15


async def post(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a POST to the webhook as `views.messenger` does, and 408 to a body that arrives too slowly."""
    began = time.monotonic()
    refusal = check_head(body_limits.announced_bytes(scope), scope["headers"])
    if refusal is not None:
        return await _refuse(send, refusal.status, str(refusal.outcome), close=True)
    try:
        body = await _read_body(body_limits.limited(scope, receive, body_limits.WEBHOOK_BYTES))
    except body_limits.BodyTooLargeError:
        return await _refuse(send, TOO_LARGE.status, str(TOO_LARGE.outcome), close=True)
    except body_limits.BodyTooSlowError as error:
        return await _refuse(send, error.status, error.sentence, close=True)
    if body is None:
        return None
    verdict = check_post(body, scope["headers"], app_secrets())
    if not verdict.accepted:
        return await _refuse(send, verdict.status, str(verdict.outcome))
    try:
        await asyncio.wait_for(writer.write(body), COMMIT_TIMEOUT_S)
    except (DatabaseError, TimeoutError) as error:
        logger.error("A delivery was answered 503, and Meta sends it again: %s", logs.summary(error))
        metrics.WEBHOOK_ANSWERS.add("503")
        await answer(send, 503, b"try again")
    else:
        metrics.WEBHOOK_ANSWERS.add("200")
        metrics.STORED.observe(time.monotonic() - began)
        await answer(send, 200, b"ok")
    return None


async def _refuse(send: Send, status: int, outcome: str, *, close: bool = False) -> None:
    """Refuse a delivery; `close` the connection when its body was not read to its end."""
    logger.info("A webhook POST was answered %s: %s", status, outcome)
    metrics.WEBHOOK_ANSWERS.add(str(status))
    await answer(send, status, outcome.encode(), [body_limits.CLOSE] if close else ())


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body; None when the sender disconnected."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


@dataclass
class PendingBody:
    """A body to write into the journal, and the future that its request awaits."""

    body: bytes
    loop: asyncio.AbstractEventLoop
    committed: "asyncio.Future[None]"


class JournalWriter:
    """Write deliveries in the one thread of this process that does so: all pending ones in one transaction."""

    def __init__(self) -> None:
        self._pending: queue.SimpleQueue[PendingBody] = queue.SimpleQueue()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._woke_at = float("-inf")
        self._must_wake = False

    async def write(self, body: bytes) -> None:
        """Return once `body` is committed. Raises DatabaseError when the commit fails."""
        loop = asyncio.get_running_loop()
        pending = PendingBody(body, loop, loop.create_future())
        self._pending.put(pending)
        if self._thread is None:
            self._start_thread()
        await pending.committed

    def _start_thread(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                self._wake_now()
                continue
            failure: DatabaseError | None = None
            try:
                self._record(batch)
            except Exception as error:
                is_usual = isinstance(error, DatabaseError)  # the requests log it, each in one line
                logger.error("%s deliveries could not be stored", len(batch), exc_info=None if is_usual else error)
                failure = error if isinstance(error, DatabaseError) else DatabaseError(str(error))
            by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
            for pending in batch:
                by_loop.setdefault(pending.loop, []).append(pending.committed)
            for loop, futures in by_loop.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_resolve, futures, failure)

    def _next_batch(self) -> list[PendingBody]:
        """Wait for a body and return all pending ones, at most BATCH_SIZE; [] when the worker is to be woken first."""
        try:
            batch = [self._pending.get(timeout=WAKE_EVERY_S if self._must_wake else None)]
        except queue.Empty:
            return []
        while len(batch) < BATCH_SIZE and not self._pending.empty():
            batch.append(self._pending.get())
        return batch

    def _record(self, batch: list[PendingBody]) -> None:
        """Commit the batch. When this fails, try once more on a new connection: the old one may be dead."""
        bodies = [pending.body for pending in batch]
        wake = time.monotonic() - self._woke_at >= WAKE_EVERY_S
        close_old_connections()
        try:
            store.record(bodies, wake=wake)
        except DatabaseError:
            connection.close()
            store.record(bodies, wake=wake)
        if wake:
            self._woke_at = time.monotonic()
        self._must_wake = not wake

    def _wake_now(self) -> None:
        self._must_wake = False
        self._woke_at = time.monotonic()
        try:
            wake_job(store.JOB)
        except Exception:
            logger.exception("The worker could not be woken; it finds the rows by itself")
            connection.close()


def _resolve(futures: "list[asyncio.Future[None]]", failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


writer = JournalWriter()
