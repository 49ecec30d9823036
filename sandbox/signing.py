"""What Meta signs with the app secret: webhook bodies and signed_request."""

import base64
import hashlib
import hmac
import json
from typing import Any


def encode_body(body: dict[str, Any]) -> bytes:
    """Return the bytes as Meta sends them: ASCII only, \\uXXXX with lower-case hex, slashes escaped (DOC/webhooks)."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def signature_headers(secret: str, raw: bytes) -> dict[str, str]:
    """Return both signature headers over the raw bytes: the SHA-256 one that counts and the legacy SHA-1 one."""
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
