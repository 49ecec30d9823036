"""The callbacks of Meta about people: where they are, and what Meta signs."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.factories import NOON
from tests.http import Response

DEAUTHORIZE, DELETION = "/meta/deauthorize/", "/meta/data-deletion/"
BOTH = pytest.mark.parametrize("path", [DEAUTHORIZE, DELETION])
ANNA = "218471"


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(key: str = "sandbox-app-secret", digest: Callable[..., Any] = hashlib.sha256, **changes: Any) -> str:
    """Return a signed_request as Meta makes it; a change to None leaves the field out of the payload."""
    now = int(NOON.timestamp())
    fields = {"algorithm": "HMAC-SHA256", "issued_at": now, "expires": now + 3600, "user_id": ANNA, **changes}
    payload = encode(json.dumps({name: value for name, value in fields.items() if value is not None}).encode())
    return f"{encode(hmac.new(key.encode(), payload.encode(), digest).digest())}.{payload}"


def post(path: str, signed_request: str | None = None, **more: Any) -> Response:
    """POST as Meta does, in a browser-less client that checks CSRF."""
    body = urlencode({"signed_request": signed() if signed_request is None else signed_request, **more})
    client = Client(enforce_csrf_checks=True)
    return client.post(path, body, content_type="application/x-www-form-urlencoded")
