"""The webhook's ASGI endpoint: no more of a body is read than needed, and nothing from who cannot have a signature."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from channels_im.messenger.webhook import MAX_BODY_BYTES
from channels_im.models import WebhookDelivery
from channels_im.webhook.asgi import post
from desk import body_limits

CHUNK = 65_536
SIGNED = (b"x-hub-signature-256", b"sha256=" + b"0" * 64)  # has the form of a signature


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
    sender = Sender(20 * MAX_BODY_BYTES, [(b"transfer-encoding", b"chunked"), SIGNED, *length])
    assert sender.deliver() == 413
    assert sender.handed_over <= MAX_BODY_BYTES + CHUNK
    assert (b"connection", b"close") in sender.answers[0]["headers"]


def test_an_announced_body_over_the_limit_is_413_before_anything_is_read() -> None:
    sender = Sender(2 * MAX_BODY_BYTES, [(b"content-length", str(2 * MAX_BODY_BYTES).encode())])
    assert sender.deliver() == 413
    assert sender.handed_over == 0


@pytest.mark.django_db
def test_a_chunked_body_within_the_limit_is_judged_by_its_signature() -> None:
    sender = Sender(MAX_BODY_BYTES, [(b"transfer-encoding", b"chunked"), SIGNED])
    assert sender.deliver() == 403
    assert sender.handed_over == MAX_BODY_BYTES
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-hub-signature-256", b"")],
        [(b"x-hub-signature-256", b"sha256=nonsense")],
        [(b"x-hub-signature-256", b"sha256=" + b"A" * 64)],
        [SIGNED, SIGNED],
        [(b"x-hub-signature", b"sha1=" + b"0" * 40)],
    ],
    ids=["missing", "empty", "malformed", "upper case", "twice", "sha1 only"],
)
def test_a_body_without_a_signature_of_the_right_form_is_403_and_not_read(headers: list[tuple[bytes, bytes]]) -> None:
    sender = Sender(MAX_BODY_BYTES, headers)
    assert sender.deliver() == 403
    assert sender.handed_over == 0
    assert (b"connection", b"close") in sender.answers[0]["headers"]


def test_a_body_that_does_not_arrive_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "BODY_GRACE_S", 0.05)
    sender = Sender(10, [SIGNED])

    async def nothing() -> MutableMapping[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(sender, "receive", nothing)
    assert sender.deliver() == 408
