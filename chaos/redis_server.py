"""A Redis server of our own that can be stopped, with nothing on disk."""

import shutil
import time
from urllib.parse import urlsplit

import redis

from launcher.processes import Processes

START_SECONDS = 10


def is_installed() -> bool:
    """Return whether this machine has redis-server."""
    return shutil.which("redis-server") is not None


class RedisServer:
    """One redis-server process on 127.0.0.1, among the processes of a Desk; it forgets everything when it is killed."""

    def __init__(self, processes: Processes, url: str) -> None:
        self.processes, self.url = processes, url

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError when it does not."""
        port = str(urlsplit(self.url).port)
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.processes.start("redis", command)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError(f"redis-server does not answer at {self.url}")

    def kill(self) -> None:
        """Kill it."""
        self.processes.kill("redis")
