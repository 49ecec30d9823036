"""A web server in place of Desk: it receives webhooks and callbacks, and answers with the statuses a test sets."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Received:
    """One POST: its path, headers, raw body and time (monotonic seconds)."""

    path: str
    headers: Any
    raw: bytes
    at: float

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of all entries, with their entry's slot under "slot" and page under "page"."""
        found = []
        for entry in json.loads(self.raw)["entry"]:
            for slot in ("messaging", "standby", "changes"):
                found += [{"slot": slot, "page": entry["id"], **item} for item in entry.get(slot, [])]
        return found


class Receiver:
    """Listens on a free port; `answers` are the next statuses (then 200), `delay_s` makes it slow."""

    def __init__(self) -> None:
        self.posts: list[Received] = []
        self.gets: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.always: int | None = None
        self.delay_s = 0.0
        self.challenge: str | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.posts.append(Received(self.path, self.headers, raw, time.monotonic()))
                time.sleep(receiver.delay_s)
                status = receiver.always or (receiver.answers.pop(0) if receiver.answers else 200)
                self.reply(status, b'{"url":"http://127.0.0.1/deletion/abc","confirmation_code":"abc"}')

            def do_GET(self) -> None:
                query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
                receiver.gets.append(query)
                self.reply(200, (receiver.challenge or query.get("hub.challenge", "")).encode())

            def reply(self, status: int, body: bytes) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the sandbox has closed the connection after its timeout

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def forget(self) -> None:
        """Empty the log, and answer 200 to everything."""
        self.posts.clear()
        self.gets.clear()
        self.answers.clear()
        self.always, self.delay_s, self.challenge = None, 0.0, None

    def items(self, key: str | None = None) -> list[dict[str, Any]]:
        """Return all webhook items received, or those that have `key`."""
        found = [item for post in self.posts if post.path.startswith("/webhooks") for item in post.items]
        return [item for item in found if key is None or key in item]

    def wait(self, condition: Callable[[], Any], limit_s: float = 30) -> Any:
        """Return the first true value of `condition`; AssertionError after the limit."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError(f"nothing came within {limit_s} s; posts: {[post.raw[:300] for post in self.posts]}")

    def wait_items(self, key: str, count: int = 1, limit_s: float = 30) -> list[dict[str, Any]]:
        """Wait until `count` items with `key` are received, and return them."""
        return self.wait(lambda: len(self.items(key)) >= count and self.items(key), limit_s)
