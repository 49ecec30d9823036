"""Signatures that Meta makes with the app secret: of webhook bodies and of signed_request."""

import base64
import hashlib
import hmac
import json
from typing import Any


def encode_body(body: dict[str, Any]) -> bytes:
    """Return the JSON as Meta sends it: ASCII only, \\uXXXX with lower-case hex, slashes escaped (DOC/webhooks)."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def signature_headers(secret: str, raw: bytes) -> dict[str, str]:
    """Return both signature headers of the raw bytes: with SHA-256, and the legacy one with SHA-1."""
    return {
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), raw, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest(),
    }


def signed_request(secret: str, payload: dict[str, Any]) -> str:
    """Return ``base64url(signature).base64url(payload)`` without padding, signed over the encoded payload text."""
    encoded = _base64url(json.dumps(payload, separators=(",", ":")).encode())
    signature = hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest()
    return f"{_base64url(signature)}.{encoded}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
