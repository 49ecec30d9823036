"""Desk as it runs: web, worker and sandbox as real processes with free ports and a data folder of their own."""

import io
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from launcher import environment as environments
from launcher.ports import free_port
from launcher.processes import Processes, read_procfile

WAIT_SECONDS = 60
DATABASE = "desk.sqlite3"


class Desk:
    """The processes of `make run`, each of which a test can end, kill and start again.

    `directory` holds all state; `settings` are variables of the environment on top of the demo's. Times in seconds.
    """

    is_prepared = False

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.port, self.sandbox_port = free_port(), free_port()
        self.url, self.sandbox_url = f"http://localhost:{self.port}", f"http://localhost:{self.sandbox_port}"
        given = {
            name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "META_", "DATABASE_"))
        }
        given["DESK_DATA_DIR"] = str(directory)
        given.pop("REDIS_URL", None)
        self.environment = environments.demo({**given, **settings}, port=self.port, sandbox_port=self.sandbox_port)
        self.sessions: dict[str, Any] = {}  # cookies of a browser in which the user is logged in, by username
        self.log = io.StringIO()
        self.processes = Processes(self.environment, out=self.log)
        self.commands = read_procfile(self.environment)
        self.http = requests.Session()
        self.http.trust_env = False

    def manage(self, *command: str) -> None:
        """Run a management command to its end."""
        self.processes.run(command[0], [sys.executable, "manage.py", *command])

    def prepare(self) -> None:
        """Make the tables and collect the static files, unless that is done."""
        if not self.is_prepared:
            self.manage("migrate", "--verbosity", "0")
            self.manage("collectstatic", "--noinput", "--verbosity", "0")
            self.is_prepared = True

    def prepare_like(self, other: "Desk") -> None:
        """Take the static files, and tables in SQLite, of one that is prepared and was never started."""
        shutil.copytree(other.directory / "static", self.directory / "static", dirs_exist_ok=True)
        if "DATABASE_URL" not in other.environment:
            shutil.copy(other.directory / DATABASE, self.directory / DATABASE)
        self.is_prepared = True

    def start(self, *names: str) -> None:
        """Start processes of the Procfile and wait until they answer."""
        for name in names:
            self.processes.start(name, self.commands[name])
        for name in names:
            getattr(self, f"_wait_for_{name}")()

    def start_all(self, *, demo_data: bool) -> None:
        """Do what `make run` does, with or without demo data."""
        self.prepare()
        self.start("sandbox")
        if demo_data:
            self.manage("demo_data")
        self.start("web", "worker")

    def token(self, username: str) -> str:
        """Return an API token of the user."""
        self.manage("drf_create_token", username)
        return self.log.getvalue().rsplit("Generated token ", 1)[1].split()[0]

    def stop(self) -> None:
        """End all processes."""
        self.processes.stop()
        self.http.close()

    def readiness(self) -> dict[str, Any]:
        """Return what /readyz says, or {} while nobody answers."""
        try:
            return self.http.get(f"{self.url}/readyz", timeout=5).json()
        except (requests.RequestException, ValueError):
            return {}

    def wait_until_drained(self) -> dict[str, Any]:
        """Wait until no delivery and no reply waits; return what /readyz says then."""

        def drained() -> dict[str, Any] | None:
            state = self.readiness()
            waiting = state and state["journal"]["pending"] + state["outbox"]["queued"]
            return state if state and not waiting else None

        return self.wait_for(drained, "the journal and the outbox are empty")

    def wait_for(self, ready: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait until `ready()` is true and return its answer; fail with the processes' output after `seconds`."""
        deadline = time.monotonic() + seconds
        while not (answer := ready()):
            exited = self.processes.exited()
            if exited or time.monotonic() > deadline:
                raise AssertionError(
                    f"{exited or f'After {seconds} s still not: {what}.'}\n{self.log.getvalue()[-6000:]}"
                )
            time.sleep(0.05)
        return answer

    def _wait_for_web(self) -> None:
        self.wait_for(lambda: self._answers(f"{self.url}/healthz"), "the web process answers")

    def _wait_for_sandbox(self) -> None:
        self.wait_for(lambda: self._answers(f"{self.sandbox_url}/_sandbox/healthz"), "the sandbox answers")

    def _wait_for_worker(self) -> None:
        if "web" not in self.processes.running:
            return
        began = time.monotonic()

        def beats() -> bool:
            age = self.readiness().get("worker", {}).get("heartbeat_age_s")
            return age is not None and age < time.monotonic() - began

        self.wait_for(beats, "the worker gives a sign of life")

    def _answers(self, url: str) -> bool:
        try:
            return self.http.get(url, timeout=5).ok
        except requests.RequestException:
            return False
