"""Read the database as it is at one moment, however long that takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Let all queries see the database of one moment, while others go on writing."""
    if connection.in_atomic_block:
        raise RuntimeError("A snapshot cannot be taken inside a transaction.")
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # Not `atomic`, which would take SQLite's write lock (IMMEDIATE). A reader in WAL mode stops nobody.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
