"""Many open pages at once: each holds the live stream and reads the rows that changed (`static/desk/js/live.js`)."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench import bodies, live, load
from tests.e2e.stage import Desk

SOON_S, LEAST_PAUSE_S, MOST_PAUSE_S = 0.12, 0.4, 4.0  # static/desk/js/pump.js and live.js


@dataclass
class Seen:
    """For each message, when (perf_counter) each page was told, and when it had read what changed."""

    told: dict[int, list[float]] = field(default_factory=dict)
    shown: dict[int, list[float]] = field(default_factory=dict)


class Page:
    """An open list. `changed` are the conversations whose rows are to be read, `pause` how long it waits in between."""

    def __init__(self, desk: Desk, cookie: str, seen: Seen) -> None:
        self.desk, self.cookie, self.seen = desk, cookie, seen
        self.changed: set[int] = set()
        self._wake = asyncio.Event()
        self.pace_s = 0.0
        self.synced = asyncio.Event()

    async def listen(self) -> None:
        """Read the stream for ever."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.desk.port)
        writer.write(self._request("/live/"))
        kind = ""
        try:
            while line := (await reader.readline()).decode().strip("\r\n"):
                pass  # the head of the answer
            while raw := await reader.readline():
                line = raw.decode().strip()
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:") and kind == "sync":
                    self.synced.set()
                elif line.startswith("data:") and kind == "pace":
                    self.pace_s = json.loads(line.removeprefix("data:"))["ms"] / 1000
                elif line.startswith("data:") and kind == "conversation":
                    conversation = json.loads(line.removeprefix("data:"))["conversation"]
                    self.seen.told.setdefault(conversation, []).append(time.perf_counter())
                    self.changed.add(conversation)
                    self._wake.set()
        finally:
            writer.close()

    async def read(self) -> None:
        """Read what changed for ever, never twice at once, and slower when it takes longer."""
        took, last = 0.0, float("-inf")
        while True:
            await self._wake.wait()
            pause = min(MOST_PAUSE_S, max(self.pace_s, took * 2) if self.pace_s else max(LEAST_PAUSE_S, took * 4))
            await asyncio.sleep(max(SOON_S + random.random() * self.pace_s, last + pause - time.perf_counter()))
            self._wake.clear()
            ids, self.changed = self.changed, set()
            began = time.perf_counter()
            query = "&".join(f"id={conversation}" for conversation in ids)
            connection = await load.Connection.open(self.desk.port)  # an idle one would have been closed by now
            if not await connection.send(self._request(f"/inbox/rows/?{query}")):
                raise AssertionError("the rows were not answered 200")
            await connection.close()
            last = time.perf_counter()
            took = last - began
            for conversation in ids:
                self.seen.shown.setdefault(conversation, []).append(last)

    def _request(self, path: str) -> bytes:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.desk.port}\r\nCookie: sessionid={self.cookie}\r\n"
        return f"{head}HX-Request: true\r\n\r\n".encode()


def told_and_shown(
    desk: Desk, database: str, page_id: str, *, pages: int, per_second: float, seconds: float
) -> tuple[list[float], list[float]]:
    """Return the seconds from a POST until an open list was told, and until it had read the row; one for each page.

    `pages` lists are open at once, and every message concerns all of them. Each is the first of its customer's, so
    that no two are mistaken for one another.
    """
    psids = list(live.new_conversations(desk, database, page_id, int(seconds * per_second)).items())
    cookie = live.log_in(desk).cookies["sessionid"]
    return asyncio.run(_run(desk, page_id, psids, cookie, pages=pages, per_second=per_second))


async def _run(
    desk: Desk, page_id: str, targets: list[tuple[str, int]], cookie: str, *, pages: int, per_second: float
) -> tuple[list[float], list[float]]:
    seen = Seen()
    crowd = [Page(desk, cookie, seen) for _ in range(pages)]
    tasks = [asyncio.create_task(work()) for page in crowd for work in (page.listen, page.read)]
    try:
        await _until(lambda: all(page.synced.is_set() for page in crowd), tasks)
        posted = await _post(desk, page_id, targets, per_second)
        await _until(lambda: all(len(seen.shown.get(one, ())) >= pages for one in posted), tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def waits(found: dict[int, list[float]]) -> list[float]:
        return [moment - at for conversation, at in posted.items() for moment in found[conversation][:pages]]

    return waits(seen.told), waits(seen.shown)


async def _post(desk: Desk, page_id: str, targets: list[tuple[str, int]], per_second: float) -> dict[int, float]:
    """Let each of these customers write once, at an even pace; return when, by conversation."""
    connection = await load.Connection.open(desk.port)
    secret, host = desk.environment["META_APP_SECRET"], f"localhost:{desk.port}"
    posted = {}
    began = time.perf_counter()
    for number, (psid, conversation) in enumerate(targets):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        posted[conversation] = time.perf_counter()
        body = bodies.delivery(page_id, psid, f"bench {number} {time.time_ns()}")
        if not await connection.send(bodies.request(body, secret, host)):
            raise AssertionError("a delivery was not answered 200")
    await connection.close()
    return posted


async def _until(ready: Callable[[], bool], tasks: list["asyncio.Task[None]"], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        for task in tasks:
            if task.done():
                task.result()
        if time.monotonic() > deadline:
            raise AssertionError(f"not every open page had everything after {seconds} s")
        await asyncio.sleep(0.05)
