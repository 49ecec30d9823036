"""Measure a worker that sends replies while messages come in, and each of both alone.

Web and worker run as real processes; a stand-in for Meta answers each call after 100 ms (bench.sending).
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import bodies, desks, load, sending, tables
from bench.measures import Target
from bench.report import percentile
from tests.e2e.processes import RunningDesk

PER_SECOND = 200
CONNECTIONS = 16
CUSTOMERS = 300
SETTLE_S = 120
LOOK_EVERY_S = 0.05  # each look is a query beside what is measured
RECEIVED = "WHERE direction = 'in' AND mid LIKE 'm_bench%'"


@dataclass
class Figures:
    """What was measured: rates in replies and messages a second, the p99 of the webhook in ms."""

    sends: float = 0.0
    messages: float = 0.0
    webhook_p99: float = 0.0


def take(desk: RunningDesk, *, replies: int, seconds: float) -> tuple[Figures, Figures]:
    """Return what sending and intake reach alone, and what they reach together. Web and worker of the Desk run."""
    page_id = desk.call(sending.queue_replies, replies, held_back=True)
    alone = Figures(sends=_sends(desk, page_id, replies))
    with _incoming(desk, page_id, alone):
        time.sleep(seconds)
    together = Figures()
    page_id = desk.call(sending.queue_replies, replies, held_back=True)
    with _incoming(desk, page_id, together):
        began = time.monotonic()
        time.sleep(min(1.0, seconds / 4))
        together.sends = _sends(desk, page_id, replies)
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    return alone, together


def _sends(desk: RunningDesk, page_id: str, replies: int) -> float:
    """Release the replies of a Page; return how many were sent a second.

    The clock runs from the first one that is seen to be sent; from the release when all are sent by then.
    """
    page = f"page_id = (SELECT id FROM channels_im_page WHERE page_id = '{page_id}')"
    where = f"WHERE direction = 'out' AND state = 'sent' AND {page}"
    database, first, first_at = desks.database(desk), 0, time.perf_counter()
    desk.call(sending.release)
    deadline = time.monotonic() + SETTLE_S
    while True:
        done, now = tables.count(database, "tickets_message", where), time.perf_counter()
        if done and not first and done < replies:
            first, first_at = done, now
        if done >= replies:
            return (replies - first) / (now - first_at)
        if time.monotonic() > deadline:
            raise AssertionError(f"after {SETTLE_S} s only {done} of {replies} replies are sent")
        time.sleep(LOOK_EVERY_S)


@contextmanager
def _incoming(desk: RunningDesk, page_id: str, figures: Figures) -> Iterator[None]:
    """Let messages come in at an even pace, and fill in `figures` when all that came are stored."""
    database, target = desks.database(desk), Target(desk.port, desk.environment["META_APP_SECRET"])
    requests = bodies.requests(page_id, bodies.customers(CUSTOMERS), target.secret, target.host)
    loads: list[load.Load] = []
    ending = threading.Event()

    def post() -> None:
        work = load.paced(target.port, requests, per_second=PER_SECOND, connections=CONNECTIONS, ending=ending)
        loads.append(asyncio.run(work))

    before, began = tables.count(database, "tickets_message", RECEIVED), time.perf_counter()
    poster = threading.Thread(target=post)
    poster.start()
    try:
        yield
    finally:
        ending.set()
        poster.join()
    if not loads or loads[0].refused:
        raise AssertionError("a delivery was not answered 200")
    deadline = time.monotonic() + SETTLE_S
    while (stored := tables.count(database, "tickets_message", RECEIVED) - before) < loads[0].accepted:
        if time.monotonic() > deadline:
            raise AssertionError(f"after {SETTLE_S} s only {stored} of {loads[0].accepted} messages are stored")
        time.sleep(LOOK_EVERY_S)
    figures.messages = stored / (time.perf_counter() - began)
    figures.webhook_p99 = percentile(loads[0].round_trips, 99) * 1000
