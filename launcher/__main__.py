"""Run `python -m launcher run` or `python -m launcher serve`; the Makefile calls both.

Where systemd or containers run the processes, they call `migrate` first, then `web` and `worker`; `health` asks `web`.
"""

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from desk import __version__
from launcher import data_folder, ports
from launcher import environment as environments
from launcher.errors import CannotStart, Stopped
from launcher.processes import Processes, read_procfile

START_SECONDS = 90
# Where to reach a server that listens on every interface.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen on


def run() -> None:
    """Run the demo: sandbox, demo data, web and worker. With `--busy` the demo is a busy desk."""
    options = sys.argv[2:]
    if options not in ([], ["--busy"]):
        raise CannotStart(f"Unknown: {' '.join(options)}. There is only --busy.")
    port = ports.read_port(os.environ, "PORT", environments.WEB_PORT)
    sandbox_port = ports.read_port(os.environ, "SANDBOX_PORT", environments.SANDBOX_PORT)
    if port == sandbox_port:
        raise CannotStart(f"PORT and SANDBOX_PORT are both {port}. Choose another: make run SANDBOX_PORT={port + 1}")
    environment = environments.demo(os.environ, port=port, sandbox_port=sandbox_port)
    lock = data_folder.lock_for_demo(Path(environment["DESK_DATA_DIR"]), port)
    ports.check_free(environment["DESK_BIND"], port, "PORT", "run")
    ports.check_free("127.0.0.1", sandbox_port, "SANDBOX_PORT", "run")
    commands = read_procfile(environment)
    with lock:
        with_processes(environment, lambda processes: start_demo(processes, commands, port, sandbox_port, options))


def start_demo(
    processes: Processes, commands: dict[str, list[str]], port: int, sandbox_port: int, options: list[str]
) -> None:
    """Start the demo and print its addresses; `options` are those of `demo_data`."""
    processes.run("demo", [sys.executable, "manage.py", "demo_data", "--check"])
    prepare(processes)
    processes.start("sandbox", commands["sandbox"])
    wait_for(processes, lambda: answers(processes, sandbox_port, "/_sandbox/healthz"), "The sandbox")
    processes.run("demo", [sys.executable, "manage.py", "demo_data", *options])
    data_folder.mark_as_demo(Path(processes.environment["DESK_DATA_DIR"]))
    start_product(processes, commands, port)
    desk, sandbox = f"http://localhost:{port}", f"http://localhost:{sandbox_port}"
    for line in (
        "",
        f"Desk {__version__} is running. Press Ctrl-C to stop it; your data is kept for the next start.",
        "",
        f"  Inbox             {desk}/inbox/",
        f"  Setup             {desk}/admin/",
        f"  Messenger window  {sandbox}/messenger/   (write as a customer)",
        "",
        "  Log in as alice or bob (agents) or admin (administrator), password desk-demo.",
        "  Facebook accounts in the sandbox: anna@example.com (password anna, already linked),",
        f"  omar@example.com (password omar, not linked yet); more at {sandbox}/",
        "",
    ):
        processes.say(line)


def serve() -> None:
    """Run a real installation: web and worker, with all settings from the environment."""
    port = ports.read_port(os.environ, "PORT", environments.WEB_PORT)
    environment = environments.serve(os.environ, port=port)
    data_folder.refuse_demo(Path(environment["DESK_DATA_DIR"]))
    ports.check_free(environment["DESK_BIND"], port, "PORT", "serve")
    commands = read_procfile({"SANDBOX_PORT": "", **environment})

    def start(processes: Processes) -> None:
        preflight = [sys.executable, "manage.py", "preflight"]
        processes.run("check", [*preflight, "--before-migrate"])
        prepare(processes)
        processes.run("check", preflight)
        start_product(processes, commands, port)
        processes.say(f"Desk {__version__} is running at {environment['DESK_PUBLIC_URL']} (local port {port}).")

    with_processes(environment, start)


def migrate() -> None:
    """Check the settings and the database as `serve` does, and migrate the database."""
    environment = environments.serve(os.environ, port=ports.read_port(os.environ, "PORT", environments.WEB_PORT))
    data_folder.refuse_demo(Path(environment["DESK_DATA_DIR"]))

    processes = Processes(environment)
    stop_on_signals(processes)
    preflight = [sys.executable, "manage.py", "preflight"]
    try:
        processes.run("check", [*preflight, "--before-migrate"])
        migrate_database(processes)
        processes.run("check", preflight)
    except Stopped:
        raise CannotStart("Stopped before the database was migrated.") from None
    finally:
        processes.stop()


def become(name: str) -> None:
    """Become the process `name` of the Procfile: the same pid, so that signals and exit codes are its own."""
    environment = environments.serve(os.environ, port=ports.read_port(os.environ, "PORT", environments.WEB_PORT))
    data_folder.refuse_demo(Path(environment["DESK_DATA_DIR"]))
    command = read_procfile({"SANDBOX_PORT": "", **environment})[name]
    os.chdir(environments.ROOT)
    os.environ["PATH"] = environment["PATH"]  # where the program is looked for
    os.execvpe(command[0], command, environment)  # noqa: S606 - our own Procfile, no shell


def health() -> None:
    """Return when the web process on this machine answers, and raise CannotStart when it does not."""
    port = ports.read_port(os.environ, "PORT", environments.WEB_PORT)
    environment = {"DESK_PUBLIC_URL": "http://localhost", **environments.common(os.environ)}
    try:
        healthy = json.loads(fetch(environment, port, "/healthz") or "{}").get("status") == "ok"
    except ValueError:
        healthy = False
    if not healthy:
        raise CannotStart(f"The web process on port {port} does not answer, or not as it should.")


def prepare(processes: Processes) -> None:
    """Migrate the database, collect the static files and forget what an earlier run measured."""
    data_folder.clear_metrics(Path(processes.environment["DESK_DATA_DIR"]))
    migrate_database(processes)
    processes.run("static", [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"])


def migrate_database(processes: Processes) -> None:
    """Migrate the database."""
    processes.run("migrate", [sys.executable, "manage.py", "migrate", "--verbosity", "0"])


def start_product(processes: Processes, commands: dict[str, list[str]], port: int) -> None:
    """Start web and worker and wait until both answer."""
    began = time.monotonic()
    processes.start("web", commands["web"])
    processes.start("worker", commands["worker"])
    wait_for(processes, lambda: answers(processes, port, "/healthz"), "The web process")
    wait_for(processes, lambda: worker_age(processes, port) < time.monotonic() - began, "The worker")


def worker_age(processes: Processes, port: int) -> float:
    """Return the age in seconds of the worker's last heartbeat; infinity when there is none."""
    try:
        age = json.loads(fetch(processes.environment, port, "/readyz") or "{}")["worker"]["heartbeat_age_s"]
    except (ValueError, KeyError, TypeError):
        age = None
    return float("inf") if age is None else age


def answers(processes: Processes, port: int, path: str) -> bool:
    """Return whether one of the processes answers at all."""
    return fetch(processes.environment, port, path) is not None


def fetch(environment: Mapping[str, str], port: int, path: str) -> bytes | None:
    """Return the body that the process at `port` answers, or None when none answers."""
    host = LOOPBACK.get(environment["DESK_BIND"], environment["DESK_BIND"])
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": urlsplit(environment["DESK_PUBLIC_URL"]).netloc})
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_for(processes: Processes, ready: Callable[[], bool], who: str) -> None:
    """Wait until `ready`. Raise CannotStart when a process exits first or it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if sentence := processes.exited():
            raise CannotStart(f"{sentence} Its output is above.")
        if time.monotonic() > deadline:
            raise CannotStart(f"{who} did not answer within {START_SECONDS} seconds.")
        processes.pause(0.1)


def with_processes(environment: dict[str, str], start: Callable[[Processes], None]) -> None:
    """Start, then wait for a signal or for a process that exits; stop all processes in either case."""
    processes = Processes(environment)
    stop_on_signals(processes)
    try:
        start(processes)
        while (sentence := processes.exited()) is None:
            processes.pause(0.2)
        raise CannotStart(f"{sentence} The other processes are stopped.")
    except Stopped:
        processes.say("Stopping …")
    finally:
        processes.stop()


def stop_on_signals(processes: Processes) -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal stop the processes in order."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: processes.stop_requested.set())


GOALS: dict[str, Callable[[], None]] = {
    "run": run,
    "serve": serve,
    "migrate": migrate,
    "web": lambda: become("web"),
    "worker": lambda: become("worker"),
    "health": health,
}


def main() -> int:
    """Return the exit code: 0 after a signal, 1 when Desk could not start or a process exited by itself."""
    try:
        GOALS[sys.argv[1]]()
    except CannotStart as sentence:
        print(sentence, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
