"""Kill processes at random, cut off database connections, stop Redis; and start again what is not running."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from chaos.redis_server import RedisServer
from tests.e2e.processes import RunningDesk

WEIGHTS = {"worker": 9, "web": 7, "sandbox": 4}
DOWN_S = (0.0, 1.2)
CUT_EVERY = 4  # kills; and as often Redis is stopped
REDIS_DOWN_S = (0.5, 3.0)
CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Killer:
    """Kill `kills` processes within `seconds`, from `start` until `join`. `done` counts what was broken, by name."""

    def __init__(
        self, desk: RunningDesk, draw: random.Random, *, kills: int, seconds: float, redis: RedisServer | None
    ) -> None:
        self.desk, self.draw, self.kills, self.redis = desk, draw, kills, redis
        self.gap_s = seconds / (kills + 1)
        self.done: Counter[str] = Counter()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, args=(self._run,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the last kill; then everything runs. Raises what failed."""
        self._thread.join()
        if self._failure:
            raise self._failure

    def restart_what_exited(self) -> None:
        """Start again what ended by itself, as systemd does."""
        for name in WEIGHTS:
            process = self.desk.processes.running.get(name)
            if process is not None and process.poll() is not None:
                self.done[f"{name} exited by itself"] += 1
                self.desk.processes.kill(name)
                self._start(name)

    def _guarded(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except BaseException as error:
            self._failure = error

    def _run(self) -> None:
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        began = time.monotonic()
        for number in range(self.kills):
            due = began + (number + self.draw.uniform(0.5, 1.5)) * self.gap_s
            while (left := due - time.monotonic()) > 0:
                time.sleep(min(left, 0.5))
                self.restart_what_exited()
            if number % CUT_EVERY == 1:
                self._cut_connections()
            if number % CUT_EVERY == 3:
                self._stop_redis()
            name = self.draw.choices(names, weights)[0]
            self.desk.processes.kill(name)
            self.done[name] += 1
            time.sleep(self.draw.uniform(*DOWN_S))
            self._start(name)

    def _start(self, name: str) -> None:
        self.desk.processes.start(name, self.desk.commands[name])

    def _cut_connections(self) -> None:
        url = self.desk.environment.get("DATABASE_URL", "")
        if url.startswith("postgres"):
            with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
                connection.execute(CUT)
                self.done["connections cut off"] += 1

    def _stop_redis(self) -> None:
        if self.redis is not None:
            self.redis.kill()
            time.sleep(self.draw.uniform(*REDIS_DOWN_S))
            self.redis.start()
            self.done["redis"] += 1
