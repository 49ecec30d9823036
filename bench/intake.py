"""Measure intake alone: drain a full journal in this process, beside a bare yardstick on the same tables.

    python -m bench.intake [--messages 3000] [--customers 300] [--contacts 0] [--profile] [--only SQLite]

Prints messages per second and statements per message of Desk and of the yardstick (bench/intake_yardstick.py), and
their ratio. `--contacts` fills the table of contacts first; `--profile` prints where Desk's time goes.
"""

import argparse
import cProfile
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench import bodies

POSTGRESQL = "postgres://postgres@127.0.0.1:5432/postgres"
PAGE_ID = "101000000000001"
FILL_BATCH = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--contacts", type=int, default=0, help="contacts that exist already")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        run(options)
        return 0
    for kind in [options.only] if options.only else ["SQLite", "PostgreSQL"]:
        print(f"{kind}:", flush=True)
        with _environment(kind) as environment:
            # Django reads its settings once: each database has a process of its own.
            command = [sys.executable, "-m", "bench.intake", "--here", *sys.argv[1:]]
            subprocess.run(command, env=environment, check=True)
    return 0


@contextmanager
def _environment(kind: str) -> Iterator[dict[str, str]]:
    """Yield the environment of a Desk with an empty database of this kind."""
    from tests.e2e.databases import new_postgresql

    with ExitStack() as stack:
        settings = {
            "DESK_SECRET_KEY": "only-for-the-benchmark-0123456789-abcdefghijklmnopqrstuvwxyz",
            "DESK_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory(prefix="desk-bench-")),
            "EMAIL_URL": "none",
            "DESK_LOG_LEVEL": "WARNING",
        }
        if kind == "PostgreSQL":
            server = os.environ.get("DATABASE_URL") or POSTGRESQL
            settings["DATABASE_URL"] = stack.enter_context(new_postgresql(server))
        yield {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | settings


def run(options: argparse.Namespace) -> None:
    """Measure in this process, on the database of the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    import django

    django.setup()
    from django.core.management import call_command

    from bench import intake_yardstick
    from channels_im.services.journal import drain

    call_command("migrate", verbosity=0)
    channel = _make_channel(options.contacts)
    rates = {}
    for name, work in (
        ("yardstick", lambda: intake_yardstick.drain(channel)),
        ("Desk", lambda: _until_empty(drain.drain_journal)),
    ):
        _fill_journal(options.messages, options.customers)
        profile = cProfile.Profile() if options.profile and name == "Desk" else None
        rates[name] = _measure(name, options.messages, work, profile)
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            pstats.Stats(profile).sort_stats("cumtime").print_stats(45)
    print(f"  Desk is {rates['Desk'] / rates['yardstick']:.2f} of the yardstick", flush=True)


def _until_empty(drain_journal: Callable[[], int]) -> None:
    while drain_journal():  # it returns after a while, for its next run
        pass


def _measure(name: str, messages: int, work: Callable[[], object], profile: cProfile.Profile | None) -> float:
    from django.db import connection

    from tickets.models import Message

    statements = 0

    def count(execute: Any, *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*args)

    before = Message.objects.count()
    began, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(count):
        if profile:
            profile.enable()
        work()
        if profile:
            profile.disable()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    stored = Message.objects.count() - before
    if stored != messages:
        raise AssertionError(f"{stored} of {messages} messages were stored")
    print(
        f"  {name}: {messages / seconds:,.0f} messages/s, {cpu / messages * 1e6:,.0f} µs of this process and "
        f"{statements / messages:.2f} statements per message",
        flush=True,
    )
    return messages / seconds


def _make_channel(contacts: int) -> Any:
    from channels_im.models import Channel, Page
    from desk.models import Department
    from tickets.models import Contact

    page = Page.objects.create(page_id=PAGE_ID, name="Bench")
    department = Department.objects.create(name="Bench")
    for start in range(0, contacts, FILL_BATCH):
        rows = range(start, min(start + FILL_BATCH, contacts))
        Contact.objects.bulk_create([Contact(page=page, psid=f"5{at:015}", profile_state="fetched") for at in rows])
    return Channel.objects.create(name="Bench", page=page, department=department)


def _fill_journal(messages: int, customers: int) -> None:
    from channels_im.services.journal import store

    psids = bodies.customers(customers)
    texts = (f"Message {number}: is the bike still available?" for number in range(messages))
    waiting = [bodies.delivery(PAGE_ID, psids[number % customers], text) for number, text in enumerate(texts)]
    for start in range(0, messages, 100):
        store.record(waiting[start : start + 100], wake=False)


if __name__ == "__main__":
    sys.exit(main())
