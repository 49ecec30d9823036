"""What a receiver got, and the states of the webhook events."""

import hashlib
import hmac
import json
from typing import Any

from tests.sandbox.receiver import Received, Receiver
from tickets.models import EventDelivery


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(post.raw) for post in receiver.posts]


def states() -> list[str]:
    return list(EventDelivery.objects.order_by("id").values_list("state", flat=True))


def is_signed(post: Received, secret: str) -> bool:
    """Verify as docs/api.md tells a receiver to, without any code of ours."""
    time_part, *marks = post.headers["Desk-Signature"].split(",")
    signed = time_part.removeprefix("t=").encode() + b"." + post.raw
    expected = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected, mark) for mark in marks)
