"""Receive in this process what any process announced: LISTEN on PostgreSQL, a poller of LiveEvent on SQLite.

Both yield the payloads of `desk.live.publish.announce`, and `{"kind": "sync"}` whenever listening starts or starts
again: announcements made before that may be missing. A database that goes away is waited for.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection, connections
from django.utils import timezone

from desk.live.publish import CHANNEL
from desk.models import LiveEvent

logger = logging.getLogger(__name__)

POLL_EVERY_S = 0.2
CHECK_EVERY_S = 15
PRUNE_EVERY_S = 60
KEPT_FOR = timedelta(minutes=5)
RETRY_S = (0.5, 1, 2, 5)
MOST_AT_ONCE = 500
SYNC = {"kind": "sync"}

Payloads = AsyncIterator[dict[str, Any]]


def listen() -> Payloads:
    """Return the hearing that fits the database."""
    return listen_on_postgresql() if connection.vendor == "postgresql" else poll_sqlite()


async def listen_on_postgresql() -> Payloads:
    """Hear NOTIFY on one connection of its own."""
    import psycopg  # only where the database is PostgreSQL

    failures = 0
    while True:
        try:
            parameters = connections["default"].get_connection_params()
            for ours in ("cursor_factory", "context", "prepare_threshold"):
                parameters.pop(ours, None)
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as conn:
                await conn.execute(f"LISTEN {CHANNEL}")
                failures = 0
                yield SYNC
                while True:
                    async for notify in conn.notifies(timeout=CHECK_EVERY_S):
                        yield json.loads(notify.payload)
                    await conn.execute("SELECT 1")  # a connection cut off in silence is noticed here
        except (psycopg.Error, OSError) as error:
            logger.warning("Not hearing the database: %s", error)
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


async def poll_sqlite() -> Payloads:
    """Hear the rows of LiveEvent, read by one thread. SQLite has one writer, so ids appear in order."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    stop = threading.Event()

    def tell(payloads: list[dict[str, Any]]) -> None:
        for payload in payloads:
            heard.put_nowait(payload)

    def say(payloads: list[dict[str, Any]]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, payloads)

    threading.Thread(target=_poll, args=(say, stop), name="live-poller", daemon=True).start()
    try:
        while True:
            yield await heard.get()
    finally:
        stop.set()


def _poll(say: Any, stop: threading.Event) -> None:
    last: int | None = None
    pruned_at = time.monotonic()
    failures = 0
    try:
        while not stop.wait(POLL_EVERY_S if last is not None else 0):
            try:
                if last is None:
                    last = LiveEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
                    failures = 0
                    say([SYNC])
                rows = list(
                    LiveEvent.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "payload")[:MOST_AT_ONCE]
                )
                if rows:
                    last = rows[-1][0]
                    say([payload for _pk, payload in rows])
                if time.monotonic() - pruned_at > PRUNE_EVERY_S:
                    pruned_at = time.monotonic()
                    LiveEvent.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
            except DatabaseError as error:
                logger.warning("Not hearing the database: %s", error)
                connection.close()
                last = None
                stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
    finally:
        connection.close()
