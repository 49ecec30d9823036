"""Build webhook deliveries, signed as Meta signs them, before the clock starts."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from itertools import count

PATH = "/webhooks/messenger/"
_numbers = count(1)


def delivery(page_id: str, psid: str, text: str) -> bytes:
    """Return the body of a text message sent now, with a new mid."""
    now = int(time.time() * 1000)
    message = {"mid": f"m_bench_{time.time_ns()}_{next(_numbers)}", "text": text}
    item = {"sender": {"id": psid}, "recipient": {"id": page_id}, "timestamp": now, "message": message}
    body = {"object": "page", "entry": [{"id": page_id, "time": now, "messaging": [item]}]}
    return json.dumps(body, separators=(",", ":")).encode()


def request(body: bytes, secret: str, host: str) -> bytes:
    """Return the complete HTTP request for a keep-alive connection."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def customers(number: int) -> list[str]:
    """Return that many unused PSIDs."""
    base = time.time_ns()
    return [str(base + index) for index in range(number)]


def requests(page_id: str, psids: list[str], secret: str, host: str) -> Iterator[bytes]:
    """Yield an endless series of requests, from each customer in turn."""
    for number in count():
        body = delivery(page_id, psids[number % len(psids)], f"Message {number}: is the bike still available?")
        yield request(body, secret, host)
