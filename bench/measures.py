"""Take the measures: each uses a running Desk (tests.e2e.processes) and returns numbers."""

import asyncio
import time
from dataclasses import dataclass
from itertools import islice

from bench import bodies, live, load, tables
from tests.e2e.processes import RunningDesk

PAGE_ID = "101000000000001"  # the Page of the demo channel
JOURNAL = "channels_im_webhookdelivery"
MOST_PER_SECOND = 12_000  # requests are prepared; the load generator cannot send more than this


@dataclass(frozen=True)
class Target:
    """A process that accepts deliveries: Desk's web process or the yardstick."""

    port: int
    secret: str

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"


def webhook(target: Target, database: str, table: str, *, seconds: float, connections: int) -> float:
    """Return how many deliveries per second were answered 200. Raise AssertionError unless each is a row."""
    before = tables.count(database, table)
    requests = bodies.requests(PAGE_ID, bodies.customers(500), target.secret, target.host)
    warm_up = min(1.0, seconds)
    prepared = iter(list(islice(requests, int((seconds + warm_up) * MOST_PER_SECOND))))
    load.run(load.flood(target.port, prepared, seconds=warm_up, connections=connections))
    between = tables.count(database, table)
    result = load.run(load.flood(target.port, prepared, seconds=seconds, connections=connections))
    rows = tables.count(database, table) - between
    if result.refused or rows != result.accepted or between == before:
        raise AssertionError(f"{result.accepted} answers of 200, {result.refused} others, but {rows} rows")
    return result.per_second


def to_the_page(desk: RunningDesk, database: str, *, seconds: float, per_second: float, pages: int) -> list[float]:
    """Return, for each message, the seconds from its POST until an open page shows it.

    `pages` pages are open, each on its own conversation, and get the messages in turn (bench.live.OpenPage).
    """
    target = Target(desk.port, desk.environment["META_APP_SECRET"])
    watchers = live.open_pages(desk, database, PAGE_ID, pages)
    try:
        posted: dict[str, float] = {}
        texts = [f"bench {number} {time.time_ns()}" for number in range(int(seconds * per_second))]

        async def post() -> None:
            connection = await load.Connection.open(desk.port)
            began = time.perf_counter()
            for number, text in enumerate(texts):
                await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
                body = bodies.delivery(PAGE_ID, watchers[number % pages].psid, text)
                posted[text] = time.perf_counter()
                if not await connection.send(bodies.request(body, target.secret, target.host)):
                    raise AssertionError("a delivery was not answered 200")
            await connection.close()

        asyncio.run(post())
        deadline = time.monotonic() + 30
        while sum(len(watcher.seen) for watcher in watchers) < len(texts) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        for watcher in watchers:
            watcher.close()
    seen = {text: at for watcher in watchers for text, at in watcher.seen.items()}
    if lost := [text for text in texts if text not in seen]:
        raise AssertionError(f"{len(lost)} of {len(texts)} messages never reached an open page")
    return [seen[text] - posted[text] for text in texts]


def round_trips(target: Target, *, seconds: float, per_second: float) -> list[float]:
    """Return the seconds from POST to 200 at an even pace: a lower bound for the time to the screen."""
    requests = bodies.requests(PAGE_ID, bodies.customers(4), target.secret, target.host)
    prepared = islice(requests, int(seconds * per_second))
    return load.run(load.paced(target.port, prepared, per_second=per_second)).round_trips
