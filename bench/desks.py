"""The Desks that are measured: migrated once for each kind of database, then copied; and the yardstick's server."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from bench import measures
from launcher.ports import free_port
from tests.e2e.databases import new_postgresql
from tests.e2e.processes import RunningDesk
from tests.migrated import DATABASE

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
KINDS = [SQLITE, POSTGRESQL]
SETTINGS = {"DESK_WORKERS": "1", "DESK_LOG_LEVEL": "WARNING"}


def server() -> str:
    """Return the URL of the PostgreSQL server."""
    return os.environ.get("DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"


def has_postgresql() -> bool:
    try:
        psycopg.connect(server().replace("postgres://", "postgresql://", 1), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def prepared(kind: str, *, like: RunningDesk | None = None) -> Iterator[RunningDesk]:
    """Yield a Desk with migrated tables of which no process runs; `like` is such a Desk that was never used."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="desk-bench-")))
        settings = dict(SETTINGS)
        if kind == POSTGRESQL:
            copy_of = like.environment["DATABASE_URL"] if like else ""
            settings["DATABASE_URL"] = stack.enter_context(new_postgresql(server(), copy_of=copy_of))
        desk = RunningDesk(directory, **settings)
        stack.callback(desk.stop)
        if like:
            desk.prepare_like(like)
        else:
            desk.prepare()
        yield desk


def database(desk: RunningDesk) -> str:
    """Return the database of a Desk as bench.tables takes it."""
    return desk.environment.get("DATABASE_URL") or str(desk.directory / DATABASE)


def yardstick_database(desk: RunningDesk) -> str:
    """Return the database in which the yardstick has its rows."""
    return desk.environment.get("DATABASE_URL") or f"{database(desk)}.yardstick"


@contextmanager
def yardstick(desk: RunningDesk) -> Iterator[measures.Target]:
    """Yield the yardstick, under the same server and on the same kind of database as this Desk."""
    target = measures.Target(free_port(), desk.environment["META_APP_SECRET"])
    desk.processes.environment["YARDSTICK_DATABASE"] = yardstick_database(desk)
    command = [
        {"desk.asgi:application": "bench.yardstick:application", str(desk.port): str(target.port)}.get(word, word)
        for word in desk.commands["web"]
    ]
    desk.processes.start("yardstick", command)
    desk.wait_for(lambda: _answers(target), "the yardstick answers")
    try:
        yield target
    finally:
        desk.processes.stop_one("yardstick")


def _answers(target: measures.Target) -> bool:
    try:
        return len(measures.round_trips(target, seconds=1, per_second=1)) == 1
    except OSError:
        return False
