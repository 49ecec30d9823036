"""Measure intake alone: drain a full journal in one process, beside a bare yardstick on the same tables.

    python -m bench.intake [--messages 3000] [--customers 300] [--contacts 0] [--profile] [--only SQLite]

Prints messages per second and statements per message of Desk and of the yardstick (bench/intake_yardstick.py), and
their ratio. `--contacts` fills the table of contacts first; `--profile` prints where Desk's time goes.
"""

import argparse
import cProfile
import io
import pstats
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import bodies

PAGE_ID = "101000000000001"
FILL_BATCH = 10_000
YARDSTICK, DESK = "yardstick", "Desk"


def main() -> int:
    from bench import desks, intake

    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--contacts", type=int, default=0, help="contacts that exist already")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--only", choices=desks.KINDS)
    options = parser.parse_args()
    for kind in [options.only] if options.only else desks.KINDS:
        print(f"{kind}:", flush=True)
        with desks.prepared(kind) as desk:
            desk.call(intake.add_contacts, options.contacts)
            figures = desk.call(intake.take, options.messages, options.customers, profile=options.profile)
        for name, each in figures.items():
            print(
                f"  {name}: {each['rate']:,.0f} messages/s, {each['process time'] * 1000:,.0f} µs of this process and "
                f"{each['statements']:.2f} statements per message"
            )
        print(f"  Desk is {figures[DESK]['rate'] / figures[YARDSTICK]['rate']:.2f} of the yardstick", flush=True)
        if profile := figures[DESK].get("profile"):
            print(profile)
    return 0


def take(messages: int, customers: int, *, profile: bool = False) -> dict[str, dict[str, Any]]:
    """Return the figures of the yardstick and of Desk, each of which stores so many new messages.

    Each has the rate in messages a second, and for each message the process time in ms and the statements.
    """
    from bench import intake_yardstick
    from channels_im.services.journal import drain
    from desk import garbage

    garbage.settle()  # as the worker does
    channel = _channel()
    return {
        YARDSTICK: _measure(messages, customers, lambda: intake_yardstick.drain(channel)),
        DESK: _measure(messages, customers, lambda: _until_empty(drain.drain_journal), profile=profile),
    }


def _until_empty(drain_journal: Callable[[], int]) -> None:
    while drain_journal():  # it returns after a while, for its next run
        pass


def _measure(messages: int, customers: int, work: Callable[[], object], *, profile: bool = False) -> dict[str, Any]:
    from django.db import connection

    from tickets.models import Message

    statements = 0

    def count(execute: Any, *args: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*args)

    _fill_journal(messages, customers)
    profiler = cProfile.Profile()
    before = Message.objects.count()
    began, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(count):
        if profile:
            profiler.enable()
        work()
        profiler.disable()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    stored = Message.objects.count() - before
    if stored != messages:
        raise AssertionError(f"{stored} of {messages} messages were stored")
    figures = {"rate": messages / seconds, "process time": cpu / messages * 1000, "statements": statements / messages}
    return {**figures, "profile": _text_of(profiler)} if profile else figures


def _text_of(profiler: cProfile.Profile) -> str:
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(25)
    pstats.Stats(profiler, stream=text).sort_stats("cumtime").print_stats(45)
    return text.getvalue()


def _channel() -> Any:
    """Return the channel that receives, a new one when there is none."""
    from channels_im.models import Channel, Page
    from desk.models import Department

    known = Channel.objects.filter(page__page_id=PAGE_ID).first()
    if known:
        return known
    page = Page.objects.create(page_id=PAGE_ID, name="Bench")
    return Channel.objects.create(name="Bench", page=page, department=Department.objects.create(name="Bench"))


def add_contacts(number: int) -> None:
    """Add so many contacts that never write."""
    from django.db import connection

    from tickets.models import Contact

    page = _channel().page
    for start in range(0, number, FILL_BATCH):
        rows = range(start, min(start + FILL_BATCH, number))
        Contact.objects.bulk_create([Contact(page=page, psid=f"5{at:015}", profile_state="fetched") for at in rows])
    with connection.cursor() as cursor:  # as autovacuum does, or the worker once a day
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _fill_journal(messages: int, customers: int) -> None:
    from channels_im.services.journal import store

    psids = bodies.customers(customers)
    texts = (f"Message {number}: is the bike still available?" for number in range(messages))
    waiting = [bodies.delivery(PAGE_ID, psids[number % customers], text) for number, text in enumerate(texts)]
    for start in range(0, messages, 100):
        store.record(waiting[start : start + 100], wake=False)


if __name__ == "__main__":
    sys.exit(main())
