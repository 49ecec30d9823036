"""Notice at once what other processes commit: what LISTEN on PostgreSQL and polling of SQLite need."""

import time
from typing import Any

from django.db import connection, connections

#: SQLite only. Asking takes some 20 µs, and the process wakes up for it: seldom when nothing happens.
POLL_EVERY_S, IDLE_POLL_EVERY_S = 0.01, 0.04
IDLE_AFTER_S = 10


class SqliteChanges:
    """Say whether another connection committed anything; for one thread. Costs far less than a query."""

    def __init__(self) -> None:
        self._seen: tuple[Any, int] | None = None
        self._changed_at = time.monotonic()

    def happened(self) -> bool:
        """Return whether there was a commit since the last call. Raises django.db.DatabaseError."""
        with connection.cursor() as cursor:
            (version,) = cursor.execute("PRAGMA data_version").fetchone()
        # The numbers of two connections cannot be compared, so a new connection counts as a change.
        before, self._seen = self._seen, (connection.connection, version)
        if self._seen == before:
            return False
        self._changed_at = time.monotonic()
        return True

    def pause_s(self) -> float:
        """Return how long to wait before the next question, in seconds."""
        return POLL_EVERY_S if time.monotonic() - self._changed_at < IDLE_AFTER_S else IDLE_POLL_EVERY_S


def listening_parameters() -> dict[str, Any]:
    """Return the parameters with which psycopg connects to the database of Django, for LISTEN."""
    parameters = connections["default"].get_connection_params()
    for django_only in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(django_only, None)
    return parameters
