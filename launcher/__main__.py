"""`python -m launcher run` and `python -m launcher serve`, as the Makefile calls them."""

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from launcher import environment as environments
from launcher import ports
from launcher.processes import Processes, read_procfile
from launcher.sentences import CannotStart, Ended

START_SECONDS = 90
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to ask at, not to listen on


def run() -> None:
    """The demo: sandbox, demo data, web and worker."""
    port = ports.read_port(os.environ, "PORT", environments.WEB_PORT)
    sandbox_port = ports.read_port(os.environ, "SANDBOX_PORT", environments.SANDBOX_PORT)
    if port == sandbox_port:
        raise CannotStart(f"PORT and SANDBOX_PORT are both {port}. Choose another: make run SANDBOX_PORT={port + 1}")
    environment = environments.demo(os.environ, port=port, sandbox_port=sandbox_port)
    ports.check_free(environment["DESK_BIND"], port, "PORT", "run")
    ports.check_free("127.0.0.1", sandbox_port, "SANDBOX_PORT", "run")
    commands = read_procfile(environment)
    with_processes(environment, lambda processes: start_demo(processes, commands, port, sandbox_port))


def start_demo(processes: Processes, commands: dict[str, list[str]], port: int, sandbox_port: int) -> None:
    """Bring the demo up and print where it is."""
    prepare(processes)
    processes.start("sandbox", commands["sandbox"])
    wait_for(processes, lambda: fetch(processes, sandbox_port, "/_sandbox/healthz") is not None, "The sandbox")
    processes.run("demo", [sys.executable, "manage.py", "demo_data"])
    start_product(processes, commands, port)
    desk, sandbox = f"http://localhost:{port}", f"http://localhost:{sandbox_port}"
    for line in (
        "",
        "Desk is running. Ctrl-C ends it; what you did is kept for the next time.",
        "",
        f"  Inbox             {desk}/inbox/",
        f"  Setup             {desk}/admin/",
        f"  Messenger window  {sandbox}/messenger/   (here you play the customers)",
        "",
        "  Log in as alice or bob (agents) or admin (administrator), password desk-demo.",
        "  Facebook people of the sandbox: anna@example.com (password anna, linked already),",
        f"  omar@example.com (password omar, Pages still to be linked); more on {sandbox}/",
        "",
    ):
        processes.say(line)


def serve() -> None:
    """A real installation: web and worker, everything from the environment."""
    port = ports.read_port(os.environ, "PORT", environments.WEB_PORT)
    environment = environments.serve(os.environ, port=port)
    ports.check_free(environment["DESK_BIND"], port, "PORT", "serve")
    commands = read_procfile({"SANDBOX_PORT": "", **environment})

    def start(processes: Processes) -> None:
        prepare(processes)
        start_product(processes, commands, port)
        processes.say(f"Desk is running at {environment['DESK_PUBLIC_URL']} (port {port} here).")

    with_processes(environment, start)


def prepare(processes: Processes) -> None:
    """Bring the database to the newest form and collect the static files."""
    processes.run("migrate", [sys.executable, "manage.py", "migrate", "--verbosity", "0"])
    processes.run("static", [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"])


def start_product(processes: Processes, commands: dict[str, list[str]], port: int) -> None:
    """Start web and worker and wait until both are there."""
    began = time.monotonic()
    processes.start("web", commands["web"])
    processes.start("worker", commands["worker"])
    wait_for(processes, lambda: fetch(processes, port, "/healthz") is not None, "The web process")
    wait_for(processes, lambda: worker_age(processes, port) < time.monotonic() - began, "The worker")


def worker_age(processes: Processes, port: int) -> float:
    """Return the age in seconds of the worker's last sign of life; endless when there was none."""
    try:
        age = json.loads(fetch(processes, port, "/readyz") or "{}")["worker"]["heartbeat_age_s"]
    except (ValueError, KeyError, TypeError):
        age = None
    return float("inf") if age is None else age


def fetch(processes: Processes, port: int, path: str) -> bytes | None:
    """Return what a process of ours answers, or None while it does not."""
    environment = processes.environment
    host = EVERYWHERE.get(environment["DESK_BIND"], environment["DESK_BIND"])
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": urlsplit(environment["DESK_PUBLIC_URL"]).netloc})
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_for(processes: Processes, ready: Callable[[], bool], who: str) -> None:
    """Wait until `ready`. Raises CannotStart when a process ends meanwhile or it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if sentence := processes.ended():
            raise CannotStart(f"{sentence} Its own words stand above.")
        if time.monotonic() > deadline:
            raise CannotStart(f"{who} does not answer after {START_SECONDS} seconds.")
        processes.pause(0.1)


def with_processes(environment: dict[str, str], start: Callable[[Processes], None]) -> None:
    """Start, then wait until someone ends us or one process ends; in every case end all the others."""
    processes = Processes(environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: processes.end_wanted.set())
    try:
        start(processes)
        while (sentence := processes.ended()) is None:
            processes.pause(0.2)
        raise CannotStart(f"{sentence} So the others are ended too.")
    except Ended:
        processes.say("Ending …")
    finally:
        processes.stop()


def main() -> int:
    """Return the exit code: 0 when it was ended by a person, 1 when something was missing or has ended by itself."""
    try:
        {"run": run, "serve": serve}[sys.argv[1]]()
    except CannotStart as sentence:
        print(sentence, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
