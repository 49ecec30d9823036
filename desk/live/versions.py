"""Versions of what a page shows: a later reading of the database has a larger one, in every process."""

import time

from django.db import connection


def version() -> int:
    """Return the version of what is read from now on: microseconds by the clock that all processes share.

    That is PostgreSQL's own; with SQLite all processes are on one machine. Ask before the first query of a reading.
    """
    if connection.vendor != "postgresql":
        return time.time_ns() // 1000
    with connection.cursor() as cursor:
        cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        (now,) = cursor.fetchone()
    return int(now)
