"""Let the database fail, or let something happen, in the middle of what is tested."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection


@contextmanager
def failing(part: str = "") -> Iterator[None]:
    """Let the database refuse every statement that has `part` in it."""

    def execute(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if part in sql:
            raise DatabaseError("the disk is full")
        return execute(sql, *rest)

    with connection.execute_wrapper(execute):
        yield


@contextmanager
def before_first(part: str, act: Callable[[], Any]) -> Iterator[None]:
    """Call `act` just before the first statement that has `part` in it."""
    acts = [act]

    def execute(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if part in sql and acts:
            acts.pop()()
        return execute(sql, *rest)

    with connection.execute_wrapper(execute):
        yield
    assert not acts, f"no statement has {part} in it"


def someone_waits_for_us() -> bool:
    """Return whether another connection waits for a lock that this one holds, on PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return cursor.fetchone() is not None
