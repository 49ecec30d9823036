"""Wake the jobs of the worker's loops (desk.loops) within milliseconds when rows wait for them.

On PostgreSQL by NOTIFY. On SQLite a commit of any process wakes all jobs.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, connection

from desk.changes import SqliteChanges, listening_parameters

logger = logging.getLogger(__name__)

CHANNEL = "desk_wake"
CHECK_EVERY_S = 1.0  # how long `stop` may go unnoticed on PostgreSQL
RETRY_DELAY_S = 1.0

#: Is called with the names of the jobs to wake, or None for all.
Woken = Callable[[set[str] | None], None]


_woken_at: dict[str, float] = {}


def wake(job: str, *, at_most_every: float = 0) -> None:
    """Wake a job once the current transaction is committed. On SQLite the commit itself wakes it.

    A call within `at_most_every` seconds of the previous one in this process is dropped, so that a burst of rows costs
    one statement. The job looks for due rows every second, so a dropped call costs at most that second.
    """
    if connection.vendor != "postgresql":
        return
    now = time.monotonic()
    if at_most_every and now - _woken_at.get(job, float("-inf")) < at_most_every:
        return
    _woken_at[job] = now
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, job])


def listen(woken: Woken, stop: threading.Event) -> None:
    """Call `woken` for each wake until `stop` is set. While the database is away it tries again each second."""
    wait = _listen_on_postgresql if connection.vendor == "postgresql" else _listen_on_sqlite
    while not stop.is_set():
        try:
            wait(woken, stop)
        except (DatabaseError, OSError) as error:
            logger.warning("Cannot wait for new rows; due rows are found every second: %s", error)
        except Exception:
            logger.exception("Waiting for new rows failed; it starts again")
        connection.close()
        stop.wait(0 if stop.is_set() else RETRY_DELAY_S)


def _listen_on_postgresql(woken: Woken, stop: threading.Event) -> None:
    import psycopg  # only where the database is PostgreSQL

    try:
        with psycopg.connect(**listening_parameters(), autocommit=True) as conn:
            conn.execute(f"LISTEN {CHANNEL}")
            woken(None)  # for what was announced before
            while not stop.is_set():
                received = {notice.payload for notice in conn.notifies(timeout=CHECK_EVERY_S, stop_after=1)}
                if received:
                    woken(received)
                else:
                    conn.execute("SELECT 1")  # detects a connection that was cut off without an error
    except psycopg.Error as error:
        raise DatabaseError(str(error)) from error


def _listen_on_sqlite(woken: Woken, stop: threading.Event) -> None:
    changes = SqliteChanges()
    while not stop.wait(changes.pause_s()):
        if changes.happened():
            woken(None)
