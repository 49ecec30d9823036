"""Decide how to answer the webhook, for the Django view and the ASGI application alike. Pure."""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from channels_im.messenger import signature
from channels_im.messenger.values import load_json
from desk.body_limits import WEBHOOK_BYTES as MAX_BODY_BYTES

SIGNATURE_HEADER = "X-Hub-Signature-256"

# A short plain charset, so that the echoed challenge can never be markup.
_CHALLENGE = re.compile(r"[A-Za-z0-9_.\-]{1,256}")

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


class Outcome(StrEnum):
    """What to do with a POST."""

    ACCEPTED = "accepted"
    TOO_LARGE = "too_large"
    BAD_SIGNATURE = "bad_signature"
    OTHER_OBJECT = "other_object"


@dataclass(frozen=True)
class PostVerdict:
    """The decision on a POST. `accepted`: store the bytes in the journal, then answer `status`. Else store nothing."""

    outcome: Outcome
    status: int

    @property
    def accepted(self) -> bool:
        """Return whether to store the body in the journal."""
        return self.outcome is Outcome.ACCEPTED


ACCEPTED = PostVerdict(Outcome.ACCEPTED, 200)
TOO_LARGE = PostVerdict(Outcome.TOO_LARGE, 413)
BAD_SIGNATURE = PostVerdict(Outcome.BAD_SIGNATURE, 403)
OTHER_OBJECT = PostVerdict(Outcome.OTHER_OBJECT, 404)


def verify_challenge(params: Mapping[str, str], verify_token: str | None) -> str | None:
    """Return the challenge to answer as `text/plain` with 200, or None to answer 403.

    `params` are the query parameters `hub.mode`, `hub.verify_token` and `hub.challenge`. Source: Meta, "Webhooks".
    """
    mode, token, challenge = (params.get(f"hub.{name}") for name in ("mode", "verify_token", "challenge"))
    if not verify_token or mode != "subscribe" or not isinstance(token, str) or not isinstance(challenge, str):
        return None
    same = hmac.compare_digest(token.encode("utf-8", "replace"), verify_token.encode())
    return challenge if same and _CHALLENGE.fullmatch(challenge) else None


def check_head(announced_bytes: int, headers: Headers, max_bytes: int = MAX_BODY_BYTES) -> PostVerdict | None:
    """Decide on a delivery before its body is read: None means read it and ask `check_post`.

    `announced_bytes` is the Content-Length, 0 when there is none. A signature that has not the form of one is refused
    here, so that nobody without it makes Desk read a body.
    """
    if announced_bytes > max_bytes:
        return TOO_LARGE
    return None if signature.is_well_formed(header(headers, SIGNATURE_HEADER)) else BAD_SIGNATURE


def check_post(
    body: bytes, headers: Headers, secrets: Iterable[str | None], max_bytes: int = MAX_BODY_BYTES
) -> PostVerdict:
    """Decide on a delivery: size (413), then signature (403), then `object` present and not "page" (404), else 200.

    `body` are the unchanged bytes; `headers` a mapping or ASGI's list of pairs, names in any case. A signed body that
    is not JSON or not understood is accepted: after a refusal Meta would repeat it and unsubscribe the app.
    """
    if len(body) > max_bytes:
        return TOO_LARGE
    if not signature.is_valid(body, header(headers, SIGNATURE_HEADER), secrets):
        return BAD_SIGNATURE
    try:
        data = load_json(body, prune=True)
    except ValueError:
        return ACCEPTED
    if isinstance(data, dict) and "object" in data and data["object"] != "page":
        return OTHER_OBJECT
    return ACCEPTED


def header(headers: Headers, name: str) -> str | None:
    """Return the value of the header `name`, or None; a header given twice counts as absent."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    values = [_text(value) for key, value in pairs if _text(key).lower() == name.lower()]
    return values[0] if len(values) == 1 else None


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
