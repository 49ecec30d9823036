"""One round: start a Desk, break it while customers and agents write, wait until all is quiet, and gather evidence."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from chaos import functions
from chaos.counts import Counts, count
from chaos.killer import Killer
from chaos.plan import Plan
from chaos.planted.mistakes import VARIABLE
from chaos.record import TOKEN, Evidence, said_in, stored_in
from chaos.redis_server import RedisServer
from chaos.traffic import Traffic
from chaos.troubles import Troubles
from launcher.environment import ROOT
from launcher.ports import free_port
from tests.e2e.databases import new_postgresql
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import APP_ID, BERG_BAKERY, BERG_BIKES, HADDAD_TRAVEL

PAGES = {"anna": [BERG_BIKES, BERG_BAKERY], "omar": [HADDAD_TRAVEL]}
SETTINGS = {
    "DESK_WORKERS": "1",
    "DESK_LOG_LEVEL": "WARNING",
    "DESK_RETRY_BASE_SECONDS": "0.2",
    "DESK_CLAIM_SECONDS": "4",
    "DESK_SWEEP_SECONDS": "1",
    "META_TIMEOUT_SECONDS": "2",
}
#: Meta repeats after minutes; here after seconds, and until it is answered 200.
SANDBOX = {
    "webhook_timeout_s": 3,
    "webhook_immediate_delay_s": 0.2,
    "webhook_backoff_base_s": 0.5,
    "webhook_backoff_max_s": 2,
}
QUIET_LOOKS, LOOK_EVERY_S = 4, 0.5


@dataclass(frozen=True)
class Result:
    """What one round gave. `recovered_s` is the time until all was quiet, None when it did not become so; `last` says
    what was left until then.
    """

    counts: Counts
    messages: int
    replies: int
    faults: int
    broken: Counter[str]
    recovered_s: float | None
    last: list[str]


def connect_pages(desk: RunningDesk) -> None:
    """Start the sandbox, make the demo data, and connect the Pages to a sandbox that repeats webhooks soon."""
    desk.start("sandbox")
    desk.manage("demo_data")
    for person, page_ids in PAGES.items():
        desk.call(functions.connect_pages, page_ids, person)
        for page_id in page_ids:
            desk.sandbox.subscribe(page_id)
    desk.sandbox.configure(**SANDBOX)


@contextmanager
def running(
    folder: Path, server: str, with_redis: bool, planted: str, prepared: RunningDesk | None
) -> Iterator[tuple[RunningDesk, RedisServer | None]]:
    """Yield a Desk with three Pages, and its Redis; its log is in `folder`. `server`: URL of a PostgreSQL, "": SQLite.

    `prepared` is a Desk of the same kind whose tables and static files are copied, which takes less time.
    """
    with ExitStack() as stack:
        settings = dict(SETTINGS)
        if server:
            copied = prepared.environment["DATABASE_URL"] if prepared else ""
            settings["DATABASE_URL"] = stack.enter_context(new_postgresql(server, copy_of=copied))
        if with_redis:
            settings["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
        desk = RunningDesk(folder, **settings)
        desk.processes.out = stack.enter_context((folder / "log").open("w"))
        stack.callback(desk.stop)
        redis = RedisServer(desk.processes, settings["REDIS_URL"]) if with_redis else None
        if redis is not None:
            redis.start()
        if prepared:
            desk.prepare_like(prepared)
        desk.prepare()
        connect_pages(desk)
        if planted:
            desk.processes.environment |= {VARIABLE: planted, "DJANGO_SETTINGS_MODULE": "chaos.planted.settings"}
        desk.start("web", "worker")
        yield desk, redis


def play(
    plan: Plan,
    seed: int,
    folder: Path,
    *,
    server: str = "",
    with_redis: bool = False,
    planted: str = "",
    prepared: RunningDesk | None = None,
    patience_s: float,
) -> Result:
    """Play one round in `folder` and count. Raises TrafficError when Desk or the sandbox answered what it must not."""
    draw = random.Random(seed)
    with running(folder, server, with_redis, planted, prepared) as (desk, redis):
        page_ids = [page_id for ids in PAGES.values() for page_id in ids]
        token = desk.call(functions.api_token, "alice")
        traffic = Traffic(desk, plan, random.Random(draw.random()), page_ids, token)
        traffic.prepare()
        killer = Killer(desk, random.Random(draw.random()), kills=plan.kills, seconds=plan.seconds, redis=redis)
        troubles = Troubles(desk.sandbox, random.Random(draw.random()))
        troubles.start()
        killer.start()
        traffic.run()
        killer.join()
        repeat(lambda: desk.sandbox.control("GET", "healthz"), seconds=30)
        troubles.stop()
        recovered_s, last = wait_until_quiet(desk, killer.restart_what_exited, patience_s)
        evidence = gather(desk, traffic)
        broken = killer.done
        return Result(count(evidence), traffic.written, len(traffic.asked), troubles.number, broken, recovered_s, last)


def wait_until_quiet(desk: RunningDesk, look: Callable[[], None], seconds: float) -> tuple[float | None, list[str]]:
    """Return after how many seconds nothing was left to do (None after `seconds`), and what was left until then."""
    began = time.monotonic()
    quiet_since, looks, last = began, 0, list[str]()
    while time.monotonic() - began < seconds:
        look()
        if left := _left_over(desk):
            quiet_since, looks, last = time.monotonic(), 0, left
        else:
            looks += 1
            if looks == QUIET_LOOKS:
                return quiet_since - began, last
        time.sleep(LOOK_EVERY_S)
    return None, last


def _left_over(desk: RunningDesk) -> list[str]:
    queued = len(repeat(desk.sandbox.deliveries)["queued"])
    at_sandbox = [f"{queued} webhooks of the sandbox wait"] if queued else []
    return at_sandbox + repeat(lambda: desk.call(functions.left_over))


def gather(desk: RunningDesk, traffic: Traffic) -> Evidence:
    """Read from both sides what is to be counted, and let Desk check itself."""
    psids = traffic.psids
    left_over = [sentence for sentence in _left_over(desk) if "replies" not in sentence]  # these are counted by row
    return Evidence(
        said=said_in(repeat(desk.sandbox.world), psids, APP_ID),
        stored=stored_in(repeat(lambda: desk.call(functions.stored, psids))),
        asked=list(traffic.asked),
        read_until=dict(traffic.read_until),
        waiting=repeat(lambda: desk.call(functions.waiting, psids)),
        in_journal=set(TOKEN.findall("\n".join(repeat(lambda: desk.call(functions.texts_in_journal))))),
        left_over=left_over,
        findings=_findings(desk),
    )


def _findings(desk: RunningDesk) -> list[str]:
    """Return what `manage.py verify_integrity` finds, without the mistake that may be planted."""
    command = [sys.executable, "manage.py", "verify_integrity"]
    done = subprocess.run(command, cwd=ROOT, env=desk.environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    lines = done.stdout.splitlines()
    found = [line for line in lines if not line.endswith(("finding", "findings"))]
    return found or [f"verify_integrity failed: {done.stderr[-500:]}"]


def repeat(read: Callable[[], Any], *, seconds: float = 20) -> Any:
    """Return what `read` returns; try again while a process or a connection is away."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return read()
        except (requests.RequestException, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_EVERY_S)
