"""Send signed deliveries at an even rate, as Meta does: one message in each, over connections that are kept open."""

import http.client
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from channels_im import webhook
from channels_im.messenger.signature import sign

MOST_CONNECTIONS = 64
ANSWER_TIMEOUT_S = 20


def connect(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection to the server of this address, not opened yet."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


@dataclass(frozen=True)
class Load:
    """A load test: `rate` messages a second for `seconds`, in turn from the customers `psids` of a Page.

    `mark` is in the mids and texts of this test only.
    """

    url: str
    page_id: str
    psids: list[str]
    secret: str
    mark: str
    rate: float
    seconds: float

    @property
    def number(self) -> int:
        """Return how many messages are sent."""
        return max(1, round(self.rate * self.seconds))

    def mid(self, number: int) -> str:
        return f"m_loadtest_{self.mark}_{number}"

    def text(self, number: int) -> str:
        return f"Load test {self.mark} {number}"

    def body(self, number: int) -> bytes:
        """Return the delivery with this message."""
        now = time.time_ns() // 1_000_000
        item = {
            "sender": {"id": self.psids[number % len(self.psids)]},
            "recipient": {"id": self.page_id},
            "timestamp": now,
            "message": {"mid": self.mid(number), "text": self.text(number)},
        }
        return json.dumps(
            {"object": "page", "entry": [{"id": self.page_id, "time": now, "messaging": [item]}]}
        ).encode()


@dataclass
class Sent:
    """What was sent: when each message was due (time.perf_counter), how long its answer took from then on in seconds,
    and how many were answered otherwise than 200, by answer.
    """

    due: dict[int, float] = field(default_factory=dict)
    acknowledged: dict[int, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)


def send(load: Load, on_due: Callable[[int], None]) -> Sent:
    """Send everything and return what was answered. `on_due(number)` is called when a message is about to be sent.

    Times count from when a message is due, also when no connection is free: a slow server cannot slow the test down.
    """
    sent, numbers, lock = Sent(), queue.SimpleQueue[int | None](), threading.Lock()
    began = time.perf_counter() + 0.05

    def work() -> None:
        connection = connect(load.url, ANSWER_TIMEOUT_S)
        while (number := numbers.get()) is not None:
            answer = _post(connection, load, number)
            took = time.perf_counter() - sent.due[number]
            with lock:
                if answer == "200":
                    sent.acknowledged[number] = took
                else:
                    sent.refused[answer] = sent.refused.get(answer, 0) + 1
        connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(MOST_CONNECTIONS, max(4, int(load.rate))))]
    for thread in threads:
        thread.start()
    for number in range(load.number):
        sent.due[number] = due = began + number / load.rate
        time.sleep(max(0.0, due - time.perf_counter()))
        on_due(number)
        numbers.put(number)
    for _ in threads:
        numbers.put(None)
    for thread in threads:
        thread.join()
    return sent


def _post(connection: http.client.HTTPConnection, load: Load, number: int) -> str:
    """Send a message and return the status as text, or the name of the error."""
    body = load.body(number)
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(body, load.secret)}
    try:
        connection.request("POST", webhook.PATH, body, headers)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        connection.close()  # the next request opens it again
        return type(error).__name__
