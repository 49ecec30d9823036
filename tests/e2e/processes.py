"""Desk as it runs: web, worker and sandbox as real processes with free ports and a data folder of their own."""

import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from launcher import environment as environments
from launcher.ports import free_port
from launcher.processes import Processes, read_procfile
from tests.e2e.functions import FunctionProcess
from tests.migrated import DATABASE
from tests.sandbox.process import SandboxProcess

WAIT_SECONDS = 60
READINESS_EVERY = 0.2  # s; /readyz is many queries, which would take the processor from what the test waits for


class RunningDesk:
    """The processes of `make run`, each of which a test can stop, kill and start again.

    `directory` holds all state; `settings` are environment variables on top of those of the demo. Times are in seconds.
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
        self.sessions: dict[str, Any] = {}  # by username: since when somebody is logged in, and the cookies
        self.customers = 0  # how many the tests have made (tests.e2e.customers)
        self.log = io.StringIO()
        self.processes = Processes(self.environment, out=self.log)
        self.commands = read_procfile(self.environment)
        self.http = requests.Session()
        self.http.trust_env = False
        self._functions: FunctionProcess | None = None
        self._made: dict[str, Any] = {}

    @cached_property
    def sandbox(self) -> SandboxProcess:
        """The control API of the sandbox that runs beside Desk."""
        return SandboxProcess.running_at(self.sandbox_url)

    def manage(self, *command: str) -> None:
        """Run a management command and wait for it."""
        self.processes.run(command[0], [sys.executable, "manage.py", *command])

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Run a function with Desk's settings and database; arguments and result are sent as JSON."""
        if self._functions is None:
            self._functions = FunctionProcess(self.environment, self.directory / "functions.log")
        return self._functions.call(function, *arguments, **named)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the result of `make()`, which is called once for each name and shared by the tests of this Desk."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def prepare(self) -> None:
        """Migrate the database and collect the static files, unless that is done."""
        if not self.is_prepared:
            self.manage("migrate", "--verbosity", "0")
            self.manage("collectstatic", "--noinput", "--verbosity", "0")
            self.is_prepared = True

    def prepare_like(self, other: "RunningDesk") -> None:
        """Copy the static files, and the tables in SQLite, of a Desk that is prepared and was never started."""
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

    def stop(self) -> None:
        """Kill all processes: a clean shutdown of the web process takes seconds, and nothing needs their state."""
        if self._functions is not None:
            self._functions.stop()
            self._functions = None
        for process in self.processes.running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self.processes.stop()
        self.http.close()

    def readiness(self) -> dict[str, Any]:
        """Return the answer of /readyz, or {} while there is none."""
        try:
            return self.http.get(f"{self.url}/readyz", timeout=5).json()
        except (requests.RequestException, ValueError):
            return {}

    def wait_until_drained(self) -> dict[str, Any]:
        """Wait until the journal and the outbox are empty; return the answer of /readyz at that time."""
        return self.wait_for(self.drained, "the journal and the outbox are empty", every=READINESS_EVERY)

    def drained(self) -> dict[str, Any] | None:
        """Return the answer of /readyz if the journal and the outbox are empty."""
        state = self.readiness()
        waiting = state and state["journal"]["pending"] + state["outbox"]["queued"]
        return state if state and not waiting else None

    def wait_for(
        self, ready: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS, *, every: float = 0.05
    ) -> Any:
        """Wait until `ready()` is true and return its answer; fail with the processes' output after `seconds`."""
        deadline = time.monotonic() + seconds
        while not (answer := ready()):
            exited = self.processes.exited()
            if exited or time.monotonic() > deadline:
                raise AssertionError(f"{exited or f'After {seconds} s still not: {what}.'}\n{self.end_of_log()}")
            time.sleep(every)
        return answer

    def end_of_log(self) -> str:
        """Return the last output of the processes."""
        return self.log.getvalue()[-6000:]

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

        self.wait_for(beats, "the worker sends a heartbeat", every=READINESS_EVERY)

    def _answers(self, url: str) -> bool:
        try:
            return self.http.get(url, timeout=5).ok
        except requests.RequestException:
            return False
