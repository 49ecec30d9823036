"""Receive in this process what any process announced: LISTEN on PostgreSQL, a poller of LiveEvent on SQLite.

Both yield the payloads of `desk.live.publish.announce`, and `{"kind": "sync"}` whenever listening starts or starts
again: announcements made before that may be missing. While the database is away, both try again until it is back.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import timedelta

from django.db import DatabaseError, connection
from django.utils import timezone

from desk.changes import SqliteChanges, listening_parameters
from desk.live.publish import CHANNEL, SYNC, Payload
from desk.models import LiveEvent

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 15
PRUNE_EVERY_S = 60
MAX_AGE = timedelta(minutes=5)  # of rows of LiveEvent
RETRY_DELAYS_S = (0.5, 1, 2, 5)
BATCH_SIZE = 500

Payloads = AsyncIterator[Payload]


def listen() -> Payloads:
    """Return the listener that fits the database."""
    return listen_on_postgresql() if connection.vendor == "postgresql" else poll_sqlite()


async def listen_on_postgresql() -> AsyncGenerator[Payload, None]:
    """Yield the payloads of NOTIFY, received on a connection of its own."""
    import psycopg  # only where the database is PostgreSQL

    failures = 0
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**listening_parameters(), autocommit=True) as conn:
                await conn.execute(f"LISTEN {CHANNEL}")
                failures = 0
                yield SYNC
                while True:
                    async for notify in conn.notifies(timeout=CHECK_EVERY_S):
                        yield json.loads(notify.payload)
                    await conn.execute("SELECT 1")  # detects a connection that was cut off without an error
        except (psycopg.Error, OSError) as error:
            logger.warning("Cannot listen to the database: %s", error)
            await asyncio.sleep(RETRY_DELAYS_S[min(failures, len(RETRY_DELAYS_S) - 1)])
            failures += 1


async def poll_sqlite() -> AsyncGenerator[Payload, None]:
    """Yield the payloads of LiveEvent, read by one thread. SQLite has one writer, so ids appear in order."""
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[Payload] = asyncio.Queue()
    stop = threading.Event()

    def put_all(payloads: list[Payload]) -> None:
        for payload in payloads:
            received.put_nowait(payload)

    def put_from_thread(payloads: list[Payload]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(put_all, payloads)

    threading.Thread(target=_poll, args=(put_from_thread, stop), name="live-poller", daemon=True).start()
    try:
        while True:
            yield await received.get()
    finally:
        stop.set()


def _poll(put: Callable[[list[Payload]], None], stop: threading.Event) -> None:
    last_pk: int | None = None
    changes, is_behind = SqliteChanges(), False
    pruned_at = time.monotonic()
    failures = 0
    try:
        while not stop.wait(changes.pause_s() if last_pk is not None else 0):
            try:
                if last_pk is None:
                    last_pk = LiveEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
                    failures = 0
                    put([SYNC])
                if changes.happened() or is_behind:
                    later = LiveEvent.objects.filter(pk__gt=last_pk).order_by("pk")
                    rows = list(later.values_list("pk", "payload")[:BATCH_SIZE])
                    is_behind = len(rows) == BATCH_SIZE
                    if rows:
                        last_pk = rows[-1][0]
                        put([payload for _pk, payload in rows])
                if time.monotonic() - pruned_at > PRUNE_EVERY_S:
                    pruned_at = time.monotonic()
                    LiveEvent.objects.filter(created_at__lt=timezone.now() - MAX_AGE).delete()
            except DatabaseError as error:
                logger.warning("Cannot listen to the database: %s", error)
                connection.close()
                last_pk = None
                stop.wait(RETRY_DELAYS_S[min(failures, len(RETRY_DELAYS_S) - 1)])
                failures += 1
    finally:
        connection.close()
