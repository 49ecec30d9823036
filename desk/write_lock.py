"""Begin short write transactions on SQLite in the next gap between those of other processes.

SQLite lets one transaction write at a time. Its own way to wait sleeps longer after each failed attempt, up to 100 ms,
and so keeps losing the lock to processes that come later. PostgreSQL locks rows only: nothing here concerns it.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import OperationalError, connection, transaction

TRY_EVERY_S = 0.001


@contextmanager
def write_transaction(*, durable: bool = False) -> Iterator[None]:
    """Do what `transaction.atomic()` does, and on SQLite try every TRY_EVERY_S to get the lock for writing.

    For transactions that somebody waits for. Raises OperationalError when the lock was not free within the connection's
    `busy_timeout`.
    """
    atomic = transaction.atomic(durable=durable)
    with ExitStack() as stack:
        if connection.vendor == "sqlite" and not connection.in_atomic_block:
            _begin(atomic)
            stack.push(atomic)
        else:
            stack.enter_context(atomic)
        yield


def _begin(atomic: transaction.Atomic) -> None:
    """Enter `atomic`, with many attempts that do not wait instead of one that does."""
    connection.ensure_connection()
    raw = connection.connection  # past Django, which would count these as queries
    timeout_ms = raw.execute("PRAGMA busy_timeout").fetchone()[0]
    until = time.monotonic() + timeout_ms / 1000
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while not _is_entered(atomic, until):
            time.sleep(TRY_EVERY_S)
    finally:
        raw.execute(f"PRAGMA busy_timeout = {timeout_ms}")


def _is_entered(atomic: transaction.Atomic, until: float) -> bool:
    """Enter `atomic`; return False when another connection has the lock. Raises OperationalError after `until`."""
    try:
        atomic.__enter__()
    except OperationalError as error:
        # The lowest byte of SQLite's codes is the kind of error.
        is_busy = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        if not is_busy or time.monotonic() >= until:
            raise
        return False
    return True
