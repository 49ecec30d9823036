"""Measure many open lists, each of another agent, that follow the live stream."""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event

from bench import bodies, live, load
from tests.e2e.processes import RunningDesk


def log_in_newcomers(page_id: str, number: int) -> list[str]:
    """Make so many agents who see the channel of a Page, unless they exist; return the keys of new sessions."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from channels_im.models import Channel, ChannelAgent
    from desk.accounts import sessions
    from desk.models import Agent, User

    channel = Channel.objects.get(page__page_id=page_id, deleted_at=None)
    keys = []
    for at in range(number):
        user, _ = User.objects.get_or_create(username=f"bench-{at}")
        agent, _ = Agent.objects.get_or_create(user=user)
        agent.departments.add(channel.department)
        ChannelAgent.objects.get_or_create(agent=agent, channel=channel)
        session = SessionStore()
        session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        sessions.start(session)
        session.save()
        keys.append(str(session.session_key))
    return keys


@dataclass
class Seen:
    """For each conversation, when (perf_counter) each page got its announcement, and when its row."""

    announced: dict[int, list[float]] = field(default_factory=dict)
    shown: dict[int, list[float]] = field(default_factory=dict)


class Page:
    """An open list, as in `static/desk/js/live.js`."""

    def __init__(self, port: int, cookie: str, seen: Seen) -> None:
        self.port, self.cookie, self.seen = port, cookie, seen
        self.synced = asyncio.Event()
        self.counted = 0

    async def listen(self) -> None:
        """Read the stream until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        head = f"Host: 127.0.0.1:{self.port}\r\nCookie: sessionid={self.cookie}"
        writer.write(f"GET /live/ HTTP/1.1\r\n{head}\r\n\r\n".encode())
        kind = ""
        try:
            while (await reader.readline()).strip():
                pass  # the header of the response
            while raw := await reader.readline():
                line = raw.decode().strip()
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    self._receive(kind, line.removeprefix("data:"))
        finally:
            writer.close()

    def _receive(self, kind: str, data: str) -> None:
        if kind == "sync":
            self.synced.set()
        elif kind == "counts":
            self.counted += 1
        elif kind == "conversation":
            self.seen.announced.setdefault(json.loads(data)["conversation"], []).append(time.perf_counter())
        elif kind == "row":
            row = json.loads(data)
            if "bench" in row["html"]:
                self.seen.shown.setdefault(row["conversation"], []).append(time.perf_counter())


@contextmanager
def open_lists(desk: RunningDesk, page_id: str, pages: int) -> Iterator[None]:
    """Keep so many lists open, each of another agent, read by a process of its own."""
    context = multiprocessing.get_context("spawn")
    opened = context.Event()
    process = context.Process(
        target=_hold, args=(desk.port, desk.call(log_in_newcomers, page_id, pages), opened), daemon=True
    )
    process.start()
    try:
        if not opened.wait(60):
            raise AssertionError("not every list was opened")
        yield
        if not process.is_alive():
            raise AssertionError("an open list was closed")
    finally:
        process.kill()
        process.join()


def _hold(port: int, cookies: list[str], opened: Event) -> None:
    async def hold() -> None:
        seen = Seen()
        crowd = [Page(port, cookie, seen) for cookie in cookies]
        tasks = [asyncio.create_task(page.listen()) for page in crowd]
        await _until(lambda: all(page.synced.is_set() for page in crowd), tasks)
        opened.set()
        done, _others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()

    asyncio.run(hold())


def announced_and_shown(
    desk: RunningDesk, database: str, page_id: str, *, pages: int, per_second: float, seconds: float
) -> tuple[list[float], list[float]]:
    """Return the seconds from each POST until a list got its announcement, and until it had the row, for each page.

    `pages` lists are open at once, each of another agent, and every message concerns all of them. Each message comes
    from another customer, so that rows cannot be confused.
    """
    targets = list(live.new_conversations(desk, database, page_id, int(seconds * per_second)).items())
    cookies = desk.call(log_in_newcomers, page_id, pages)
    return asyncio.run(_run(desk, page_id, targets, cookies, per_second=per_second))


async def _run(
    desk: RunningDesk, page_id: str, targets: list[tuple[str, int]], cookies: list[str], *, per_second: float
) -> tuple[list[float], list[float]]:
    seen, pages = Seen(), len(cookies)
    crowd = [Page(desk.port, cookie, seen) for cookie in cookies]
    tasks = [asyncio.create_task(page.listen()) for page in crowd]
    try:
        await _until(lambda: all(page.synced.is_set() for page in crowd), tasks)
        posted = await _post(desk, page_id, targets, per_second)
        await _until(lambda: all(len(seen.shown.get(one, ())) >= pages for one in posted), tasks)
        if not all(page.counted for page in crowd):
            raise AssertionError("not every list received its counts")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def waits(found: dict[int, list[float]]) -> list[float]:
        return [moment - at for conversation, at in posted.items() for moment in found[conversation][:pages]]

    return waits(seen.announced), waits(seen.shown)


async def _post(desk: RunningDesk, page_id: str, targets: list[tuple[str, int]], per_second: float) -> dict[int, float]:
    """Send one message from each customer at an even pace; return the times by conversation."""
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
            raise AssertionError(f"an open page was incomplete after {seconds} s")
        await asyncio.sleep(0.05)
