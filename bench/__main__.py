"""Run all measures on SQLite and PostgreSQL and print the medians of several rounds."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from bench import browser, crowd, measures, report, tables
from launcher.ports import free_port
from tests.e2e.databases import new_postgresql
from tests.e2e.stage import Desk

POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
QUEUES = (measures.JOURNAL, "django_q_ormq", "django_q_task")


@contextmanager
def running(kind: str, server: str) -> Iterator[tuple[Desk, str]]:
    """Yield a Desk with demo data, web and sandbox, and its database as bench.tables takes it."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="desk-bench-")))
        settings = {"DESK_WORKERS": "1", "DESK_LOG_LEVEL": "WARNING"}
        database = str(directory / "desk.sqlite3")
        if kind == "PostgreSQL":
            database = settings["DATABASE_URL"] = stack.enter_context(new_postgresql(server))
        desk = Desk(directory, **settings)
        stack.callback(desk.stop)
        desk.prepare()
        desk.start("sandbox")
        desk.manage("demo_data")
        desk.start("web")
        yield desk, database


@contextmanager
def yardstick(desk: Desk, database: str) -> Iterator[measures.Target]:
    """Yield the yardstick, under the same server and on the same kind of database."""
    target = measures.Target(free_port(), desk.environment["META_APP_SECRET"])
    own = database if database.startswith("postgres") else f"{database}.yardstick"
    desk.processes.environment["YARDSTICK_DATABASE"] = own
    command = [
        {"desk.asgi:application": "bench.yardstick:application", str(desk.port): str(target.port)}.get(word, word)
        for word in desk.commands["web"]
    ]
    desk.processes.start("yardstick", command)
    desk.wait_for(lambda: answers(target), "the yardstick answers")
    try:
        yield target
    finally:
        desk.processes.stop_one("yardstick")


def answers(target: measures.Target) -> bool:
    try:
        return len(measures.round_trips(target, seconds=1, per_second=1)) == 1
    except OSError:
        return False


def measure(kind: str, server: str, rounds: int, seconds: float) -> report.Results:
    """Return the results of all rounds on one kind of database."""
    results = report.Results(kind)
    with running(kind, server) as (desk, database):
        own = measures.Target(desk.port, desk.environment["META_APP_SECRET"])
        rows = database if database.startswith("postgres") else f"{database}.yardstick"
        for number in range(1, rounds + 1):
            with yardstick(desk, database) as bare:
                results.yardstick.append(measures.webhook(bare, rows, "yardstick", seconds=seconds))
                results.round_trips += measures.round_trips(bare, seconds=seconds, per_second=20)
            results.webhook.append(measures.webhook(own, database, measures.JOURNAL, seconds=seconds))
            tables.empty(database, *QUEUES)
            results.worker.append(measures.worker(desk, database, messages=3000, customers=300))
            tables.empty(database, *QUEUES)
            desk.start("worker")
            times = measures.to_the_page(desk, database, seconds=max(seconds, 10), per_second=20, pages=4)
            results.to_page.append(times)
            if number == rounds:
                results.browser = browser.to_the_page(desk, database, samples=20, per_second=20)
                results.crowd = crowd.announced_and_shown(
                    desk, database, measures.PAGE_ID, pages=200, per_second=2, seconds=max(seconds, 10)
                )
            desk.processes.stop_one("worker")
            print(
                f"{kind}, round {number} of {rounds}: yardstick {results.yardstick[-1]:,.0f}/s, "
                f"webhook {results.webhook[-1]:,.0f}/s, worker {results.worker[-1]:,.0f}/s, "
                f"to the page p95 {report.milliseconds(times, 95)} ms",
                flush=True,
            )
    return results


def has_postgresql(server: str) -> bool:
    try:
        psycopg.connect(server.replace("postgres://", "postgresql://", 1), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="length of each measure")
    parser.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    server = os.environ.get("DATABASE_URL") or POSTGRESQL
    kinds = [options.only] if options.only else ["SQLite", "PostgreSQL"]
    if "PostgreSQL" in kinds and not has_postgresql(server):
        print("NOTICE: no PostgreSQL answers (DATABASE_URL, or 127.0.0.1:5432); skipping it.")
        kinds.remove("PostgreSQL")
    results = [measure(kind, server, options.rounds, options.seconds) for kind in kinds]
    text = f"{report.machine()}; medians of {options.rounds} rounds.\n\n{report.table(results)}\n"
    print(f"\n{text}")
    if options.write:
        report.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
