"""Read and empty tables of the measured Desk, outside of Django."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg


@contextmanager
def connect(database: str) -> Iterator[Any]:
    """Yield a connection that commits each statement; `database` is a PostgreSQL URL or the path of a SQLite file."""
    connection: Any
    if database.startswith("postgres"):
        connection = psycopg.connect(database.replace("postgres://", "postgresql://", 1), autocommit=True)
    else:
        connection = sqlite3.connect(Path(database), isolation_level=None, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def count(database: str, table: str, where: str = "") -> int:
    """Return the number of rows."""
    with connect(database) as connection:
        return connection.execute(f"SELECT count(*) FROM {table} {where}").fetchone()[0]


def empty(database: str, *tables: str) -> None:
    """Delete all rows, and those of other tables that refer to them."""
    statement = "TRUNCATE {} CASCADE" if database.startswith("postgres") else "DELETE FROM {}"
    with connect(database) as connection:
        for table in tables:
            connection.execute(statement.format(table))
