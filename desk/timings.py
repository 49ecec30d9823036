"""How long customers' messages take from the webhook to the screen, from real traffic.

Every process counts in memory, in buckets of time, and adds its counts to the table TimingCount every few seconds and
before it ends (Flusher). So the numbers hold for all processes and after restarts, and a measurement costs no query.
`desk.timing_reports` reads them.
"""

import logging
import threading
import time
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)

#: From the commit of a delivery in the journal until its message is stored; measured by the worker.
STORED = "stored"
#: From there until a web process has written it to an open page, and from the commit of the delivery until then.
SHOWN, SCREEN = "shown", "screen"

SLOT = timedelta(minutes=5)
FLUSH_EVERY_S = 5.0
STOP_TIMEOUT_S = 10.0
MAX_ROWS = 200  # in one statement
#: Upper bounds of the buckets in milliseconds. What took longer than the last one is counted in it.
BOUNDS_MS = (
    *(5, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 400, 500, 700),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 20_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 86_400_000),
)

Key = tuple[str, datetime, int]  # kind, slot, upper bound of the bucket

_lock = threading.Lock()
_counts: Counter[Key] = Counter()


def bucket_of(seconds: float) -> int:
    """Return the upper bound, in milliseconds, of the bucket in which so many seconds are counted."""
    return BOUNDS_MS[min(bisect_left(BOUNDS_MS, seconds * 1000), len(BOUNDS_MS) - 1)]


def record(kind: str, seconds: float, count: int = 1) -> None:
    """Count a time for `count` messages: STORED, SHOWN or SCREEN. Clocks of two machines may differ: below 0 is 0."""
    slot_s = SLOT.total_seconds()
    slot = datetime.fromtimestamp(time.time() // slot_s * slot_s, UTC)
    with _lock:
        _counts[kind, slot, bucket_of(seconds)] += count


def flush() -> int:
    """Add what this process has counted to the table; return how many rows. What cannot be added is kept."""
    with _lock:
        waiting = sorted(_counts.items())
        _counts.clear()
    added = 0
    try:
        while added < len(waiting):
            _add(waiting[added : added + MAX_ROWS])
            added += MAX_ROWS
    finally:
        with _lock:
            _counts.update(dict(waiting[added:]))
    return len(waiting)


def _add(rows: list[tuple[Key, int]]) -> None:
    """Add the counts with one statement. Rows in one order: two processes never wait for each other in a circle."""
    options = apps.get_model("desk", "TimingCount")._meta  # English only: a name
    table, slot_field = connection.ops.quote_name(options.db_table), options.get_field("slot")
    values: list[Any] = []
    for (kind, slot, bound), count in rows:
        values += kind, slot_field.get_db_prep_save(slot, connection), bound, count
    places = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (kind, slot, bound_ms, count) VALUES {places} "  # noqa: S608 - our own names
            f"ON CONFLICT (slot, kind, bound_ms) DO UPDATE SET count = {table}.count + excluded.count",
            values,
        )


class Flusher:
    """Adds the counts of this process to the table in a thread, from `start` to `stop`."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timings", daemon=True)

    def start(self) -> None:
        """Start the thread. Call it in the process that counts, after it was forked."""
        self._thread.start()

    def stop(self) -> None:
        """Add what is left, and return when that is done or has taken STOP_TIMEOUT_S."""
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(FLUSH_EVERY_S)
            try:
                close_old_connections()
                flush()
            except Exception:
                logger.warning("The times of messages could not be stored", exc_info=True)
                connection.close()
        connection.close()
