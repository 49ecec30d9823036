"""The webhook's ASGI endpoint: a body without Content-Length is counted as it arrives, and not read past the limit."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from channels_im.messenger.webhook import MAX_BODY_BYTES
from channels_im.models import WebhookDelivery
from channels_im.webhook.asgi import post

CHUNK = 65_536


class Sender:
    """Sends `size` bytes in chunks and notes how many of them were asked for."""

    def __init__(self, size: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.left, self.headers = size, headers
        self.handed_over = 0
        self.answers: list[MutableMapping[str, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        part = min(CHUNK, self.left)
        self.left -= part
        self.handed_over += part
        return {"type": "http.request", "body": b"x" * part, "more_body": self.left > 0}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.answers.append(message)

    def deliver(self) -> int:
        scope = {"type": "http", "method": "POST", "path": "/webhooks/messenger/", "headers": self.headers}
        asyncio.run(post(scope, self.receive, self.send))
        return int(self.answers[0]["status"])


@pytest.mark.parametrize("length", [[], [(b"content-length", b"10")], [(b"content-length", b"nonsense")]])
def test_a_chunked_body_over_the_limit_is_413_and_the_rest_is_not_read(length: list[tuple[bytes, bytes]]) -> None:
    sender = Sender(20 * MAX_BODY_BYTES, [(b"transfer-encoding", b"chunked"), *length])
    assert sender.deliver() == 413
    assert sender.handed_over <= MAX_BODY_BYTES + CHUNK
    assert (b"connection", b"close") in sender.answers[0]["headers"]


def test_an_announced_body_over_the_limit_is_413_before_anything_is_read() -> None:
    sender = Sender(2 * MAX_BODY_BYTES, [(b"content-length", str(2 * MAX_BODY_BYTES).encode())])
    assert sender.deliver() == 413
    assert sender.handed_over == 0


@pytest.mark.django_db
def test_a_chunked_body_within_the_limit_is_judged_by_its_signature() -> None:
    sender = Sender(MAX_BODY_BYTES, [(b"transfer-encoding", b"chunked")])
    assert sender.deliver() == 403
    assert sender.handed_over == MAX_BODY_BYTES
    assert not WebhookDelivery.objects.exists()
