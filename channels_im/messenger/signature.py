"""Check signatures made with the app secret: webhook deliveries and `signed_request` callbacks. Pure.

Source: Meta, "Validate payloads" (webhooks) and "Data deletion callback".
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PREFIX = "sha256="
ALGORITHM = "HMAC-SHA256"
MAX_AHEAD_S = 300
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
MAX_SIGNED_REQUEST_CHARS = 16_384


class SignedRequestError(Exception):
    """A `signed_request` to answer with 400; `reason` says why in one sentence, without its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class SignedRequest:
    """A verified callback of Meta. `user_id` is an app-scoped id (the person who linked Facebook), never a PSID."""

    user_id: str
    issued_at: datetime
    payload: dict[str, Any]


def sign(body: bytes, secret: str) -> str:
    """Return the `X-Hub-Signature-256` value of `body`: "sha256=" and 64 lower-case hex digits."""
    return PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_well_formed(header: str | None) -> bool:
    """Return whether `header` can be the signature of any body: "sha256=" and 64 lower-case hex digits."""
    return bool(_SIGNATURE.fullmatch(header or ""))


def is_valid(body: bytes, header: str | None, secrets: Iterable[str | None]) -> bool:
    """Return whether `header` (`X-Hub-Signature-256`) signs the unchanged `body` with one of `secrets`.

    Empty secrets are skipped, so that an installation without a secret accepts nothing. Every secret is compared, in
    constant time.
    """
    given = (header or "").encode("utf-8", "replace")
    matches = [hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets if secret]
    return any(matches)


def parse_signed_request(
    text: str, secrets: Iterable[str | None], *, now: datetime, max_age_s: int = 3600
) -> SignedRequest:
    """Verify and read a `signed_request` form field ("base64url(signature).base64url(payload)").

    `now` is aware; `max_age_s` is in seconds. Raises SignedRequestError for a request that is forged, signed with
    another algorithm, older than `max_age_s`, more than five minutes ahead of `now`, or malformed.
    """
    if len(text) > MAX_SIGNED_REQUEST_CHARS:
        raise SignedRequestError("The signed request is too long.")  # English only: for Meta and the log
    encoded_signature, dot, encoded_payload = text.partition(".")
    if not dot:
        raise SignedRequestError(  # English only: for Meta and the log
            "The signed request has no dot between signature and payload."
        )
    signature = _base64url(encoded_signature)
    raw_payload = _base64url(encoded_payload)
    message = encoded_payload.encode()
    matches = [
        hmac.compare_digest(hmac.new(secret.encode(), message, hashlib.sha256).digest(), signature)
        for secret in secrets
        if secret
    ]
    if not any(matches):
        raise SignedRequestError("The signature does not match the app secret.")  # English only: for Meta and the log
    payload = _json_object(raw_payload)
    if payload.get("algorithm") != ALGORITHM:
        raise SignedRequestError(  # English only: for Meta and the log
            f"The signed request does not name the algorithm {ALGORITHM}."
        )
    return SignedRequest(_user_id(payload), _issued_at(payload, now, max_age_s), payload)


def _base64url(text: str) -> bytes:
    stripped = text.rstrip("=")
    try:
        padded = stripped.encode("ascii") + b"=" * (-len(stripped) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise SignedRequestError("The signed request is not base64url.") from exc  # English only: for Meta and the log


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(raw)  # as it is: it names a person
    except (ValueError, RecursionError) as exc:
        raise SignedRequestError(  # English only: for Meta and the log
            "The payload of the signed request is not JSON."
        ) from exc
    if not isinstance(payload, dict):
        raise SignedRequestError(  # English only: for Meta and the log
            "The payload of the signed request is not a JSON object."
        )
    return payload


def _user_id(payload: dict[str, Any]) -> str:
    value = payload.get("user_id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise SignedRequestError("The signed request names no user.")  # English only: for Meta and the log
    return value


def _issued_at(payload: dict[str, Any], now: datetime, max_age_s: int) -> datetime:
    value = payload.get("issued_at")
    if not isinstance(value, int) or isinstance(value, bool):
        raise SignedRequestError(  # English only: for Meta and the log
            "The signed request does not say when it was issued."
        )
    age_s = int(now.timestamp()) - value
    if age_s > max_age_s:
        raise SignedRequestError("The signed request is too old.")  # English only: for Meta and the log
    if age_s < -MAX_AHEAD_S:
        raise SignedRequestError("The signed request was issued in the future.")  # English only: for Meta and the log
    return datetime.fromtimestamp(value, UTC)
