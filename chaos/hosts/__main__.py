"""Run Desk on two hosts with a web and a worker process each; cut one off in the middle of the load, and count.

The hosts are network namespaces of this machine; PostgreSQL, Redis, a store that speaks S3, nginx and the sandbox are
on a third. Needs root, iproute2, util-linux, PostgreSQL, Redis and nginx. Exits with 1 when anything is wrong.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from bench import sending
from chaos import functions
from chaos.counts import count
from chaos.hosts import network, services
from chaos.hosts.network import ADDRESSES, SHARED
from chaos.plan import Plan
from chaos.round import PAGES, SETTINGS, connect_pages, gather, repeat, wait_until_quiet
from chaos.traffic import Traffic
from launcher.processes import Processes, read_procfile
from tests.e2e.processes import RunningDesk

WEB_PORT = 8000  # of each host
NEEDED = ("unshare", "ip", "nginx", "redis-server")
START_S, PATIENCE_S = 120, 120
META_S = 1.0  # how long Meta takes for a reply, when the throughput is measured
GOAL = 1.7
WARM_UP_S = 6


@dataclass(frozen=True)
class Host:
    """A host with its processes: web, worker, and the way to the sandbox."""

    name: str
    processes: Processes

    def start(self, *names: str) -> None:
        commands = read_procfile(self.processes.environment)
        for name in names:
            self.processes.start(f"{name} {self.name}", network.on(self.name, commands[name]))

    def forward(self, port: int) -> None:
        """Let `port` of this host lead to the shared host."""
        command = [sys.executable, "-m", "chaos.hosts.forward", str(port), SHARED]
        self.processes.start(f"forward {port} {self.name}", network.on(self.name, command))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.hosts", description=__doc__)
    parser.add_argument("--messages", type=int, default=1500, help="of customers")
    parser.add_argument("--replies", type=int, default=600, help="of agents")
    parser.add_argument("--seconds", type=float, default=90, help="for how long they are spread")
    parser.add_argument("--throughput", type=int, default=1500, metavar="N", help="replies to measure with; 0: do not")
    parser.add_argument("--keep", action="store_true", help="keep data and logs")
    return parser.parse_args()


@contextmanager
def running(folder: Path) -> Iterator[tuple[RunningDesk, list[Host]]]:
    """Yield Desk on both hosts, and the hosts."""
    with ExitStack() as stack:
        desk = RunningDesk(folder / "desk", **SETTINGS, **services.SETTINGS)
        shared = {"DESK_STATIC_DIR": str(folder / "static"), "SANDBOX_HOST": "0.0.0.0"}  # noqa: S104
        desk.environment |= shared
        desk.processes.environment |= shared
        stack.enter_context(services.running(folder, WEB_PORT, desk.port))
        log = stack.enter_context((folder / "log").open("w"))
        desk.processes.out = log
        stack.callback(desk.stop)
        desk.prepare()
        connect_pages(desk)
        hosts = []
        for name in ADDRESSES:
            own = {"PORT": str(WEB_PORT), "DESK_BIND": "0.0.0.0", "DESK_DATA_DIR": str(folder / name)}  # noqa: S104
            (folder / name).mkdir()
            host = Host(name, Processes({**desk.environment, **own}, out=log))
            stack.callback(host.processes.stop)
            host.forward(desk.sandbox_port)
            host.start("web", "worker")
            hosts.append(host)
        desk.wait_for(lambda: desk.readiness().get("status") == "ok", "Desk is ready", seconds=START_S)
        yield desk, hosts


def cut_off_in_the_middle(desk: RunningDesk, chosen: argparse.Namespace) -> bool:
    """Let customers and agents write while one host is cut off, and comes back; return whether anything is wrong."""
    plan = Plan(chosen.messages, chosen.replies, 0, chosen.seconds)
    token = desk.call(functions.api_token, "alice")
    page_ids = [page_id for ids in PAGES.values() for page_id in ids]
    traffic = Traffic(desk, plan, random.Random(1), page_ids, token)
    traffic.prepare()

    def cut() -> None:
        time.sleep(chosen.seconds * 0.3)
        print("  host b is cut off", flush=True)
        network.cut_off("b")
        time.sleep(chosen.seconds * 0.4)
        network.connect("b")
        print("  host b is back", flush=True)

    cutting = threading.Thread(target=cut)
    cutting.start()
    traffic.run()
    cutting.join()
    repeat(lambda: desk.sandbox.control("POST", "webhooks/retry"))
    recovered_s, last = wait_until_quiet(desk, lambda: None, PATIENCE_S)
    counts = count(gather(desk, traffic))
    quiet = (
        f"did not become quiet: {', '.join(last)}" if recovered_s is None else f"quiet {recovered_s:.1f} s afterwards"
    )
    print(f"  {traffic.written:,} messages, {len(traffic.asked):,} replies; {quiet}\n  {counts.line()}")
    for name in counts.wrong:
        print("\n".join(f"    {name}: {sentence}" for sentence in counts.found[name][:5]))
    return bool(counts.wrong) or recovered_s is None


def throughput(desk: RunningDesk, hosts: list[Host], number: int) -> bool:
    """Measure the replies a second that the workers of one host and of both send; return whether two are too slow.

    A stand-in for Meta takes META_S for each, so a host is limited by the calls it has under way, not by the machine's
    cores or the database.
    """
    port = desk.sandbox_port + 1
    meta = get_context("spawn").Process(target=sending.serve, args=(port, META_S, SHARED), daemon=True)
    meta.start()
    for host in hosts:
        host.processes.kill(f"worker {host.name}")
        host.processes.environment["META_GRAPH_URL"] = f"http://localhost:{port}"
        host.forward(port)
    rates = []
    for some in (hosts[:1], hosts):
        before = desk.call(functions.sent)
        desk.call(sending.queue_replies, number)
        for host in some:
            host.start("worker")
        time.sleep(WARM_UP_S)
        first, began = desk.call(functions.sent) - before, time.monotonic()
        desk.wait_for(lambda: not desk.call(functions.unsent), "all replies are sent", seconds=number)
        rates.append((number - first) / (time.monotonic() - began))
        for host in some:
            host.processes.stop_one(f"worker {host.name}")
    meta.kill()
    ratio = rates[1] / rates[0]
    print(f"  replies a second, {META_S:.0f} s each: one host {rates[0]:.0f}, two {rates[1]:.0f}, {ratio:.2f} times")
    return ratio < GOAL


def main() -> int:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(f"This needs root{''.join(f', {name}' for name in missing)}.", file=sys.stderr)
        return 2
    chosen = options()
    network.enter()
    network.build()
    folder = Path(tempfile.mkdtemp(prefix="desk-hosts-"))
    with running(folder) as (desk, hosts):
        print("Two hosts, one of them cut off in the middle:", flush=True)
        is_wrong = cut_off_in_the_middle(desk, chosen)
        if chosen.throughput:
            print("Throughput:", flush=True)
            is_wrong |= throughput(desk, hosts, chosen.throughput)
    if is_wrong or chosen.keep:
        print(f"Data and logs: {folder}")
    else:
        shutil.rmtree(folder)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
