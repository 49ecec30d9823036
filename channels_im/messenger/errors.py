"""Map Meta's errors (code, subcode) to a verdict for the queue, the state of the Page and the agent. Pure.

Only the numbers decide, never the message text or `type`, which is OAuthException for nearly everything. The kinds are
in `verdicts.py`, the rows in `error_table.py`; this module has the rules of precedence and the exceptions.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from channels_im.messenger import error_table as table
from channels_im.messenger.values import load_json
from channels_im.messenger.verdicts import ErrorKind, ReauthReason, Verdict

__all__ = [  # English only: names
    "ErrorKind",
    "GraphError",
    "GraphOutcomeUnknown",
    "GraphUnreachable",
    "ReauthReason",
    "Verdict",
    "classify",
    "redact",
    "retry_after_seconds",
]


def classify(code: int | None, subcode: int | None, http_status: int | None = None) -> Verdict:
    """Return the verdict on an error answer.

    Precedence: a dead token (190, 102) with any subcode; the exact (code, subcode); a subcode, which Meta may also send
    as the code or under another code; the code; the HTTP status when there is no code.
    """
    status = http_status or 0
    verdict = _by_number(code, subcode)
    if verdict is None:
        if code is None and status == 429:
            return table.LIMIT
        no_answer = code is None and not status
        return table.UNKNOWN_OUTCOME if status >= 500 or no_answer else table.REFUSED
    if status >= 500 and verdict.kind is ErrorKind.TRANSIENT:
        return replace(verdict, outcome_unknown=True)
    return verdict


def _by_number(code: int | None, subcode: int | None) -> Verdict | None:
    if code in table.TOKEN_CODES:
        return table.TOKEN_SUBCODES.get(subcode, table.TOKEN_DEAD)
    for verdict in (
        table.EXACT.get((code, subcode)),
        table.ANY_POSITION.get(subcode),
        table.ANY_POSITION.get(code),
        table.BY_CODE.get(code),
    ):
        if verdict is not None:
            return verdict
    if code == 10:
        # An unknown subcode under 10 far more often refuses one message than it means a lost permission.
        return table.REFUSED if subcode else table.PERMISSION_LOST
    if code == 200 and not subcode:
        return table.APP_NOT_LIVE
    if code is not None and 200 <= code <= 299:
        return table.REFUSED if table.is_message_level(subcode) else table.PERMISSION_LOST
    return None


class GraphError(Exception):
    """An error answer of the Graph API. Contains no token, no secret and no URL.

    `message` is Meta's text for the log, not for people (they see `verdict.sentence`). `retry_after_s` is the number of
    seconds to wait, None when Meta names none.
    """

    def __init__(
        self,
        message: str = "",
        code: int | None = None,
        subcode: int | None = None,
        fbtrace_id: str | None = None,
        http_status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        message = redact(message)
        super().__init__(message, code, subcode, fbtrace_id, http_status, retry_after_s)
        self.message = message
        self.code = code
        self.subcode = subcode
        self.fbtrace_id = fbtrace_id
        self.http_status = http_status
        self.retry_after_s = retry_after_s

    @property
    def verdict(self) -> Verdict:
        """Return what the error means and what to do."""
        return classify(self.code, self.subcode, self.http_status)

    def __str__(self) -> str:
        number = "no code" if self.code is None else str(self.code)  # English only: for the log
        if self.subcode is not None:
            number += f"/{self.subcode}"
        parts = [f"error {number}"]
        if self.http_status is not None:
            parts.append(f"HTTP {self.http_status}")
        if self.fbtrace_id:
            parts.append(f"fbtrace {self.fbtrace_id}")
        return f"{', '.join(parts)}: {self.message}"


class GraphUnreachable(GraphError):
    """The connection was never made: nothing was sent, and a retry is safe."""

    @property
    def verdict(self) -> Verdict:
        """Return a transient verdict with a known outcome: nothing was sent."""
        return table.UNREACHABLE


class GraphOutcomeUnknown(GraphError):
    """No answer, an unreadable one, or a server error: the call may have had its effect. Check before a retry."""

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the numbers if its outcome is unknown, else the general one for unknown outcomes."""
        verdict = super().verdict
        return verdict if verdict.outcome_unknown else table.UNKNOWN_OUTCOME


_SECRET_PATTERNS = (
    re.compile(
        r"((?:access_token|input_token|fb_exchange_token|client_secret|appsecret_proof)[\"']?\s*[=:]\s*[\"']?)"
        r"[^&\s\"',}]+",
        re.IGNORECASE,
    ),
    re.compile(r"(\bcode=)[^&\s\"']{16,}"),
    re.compile(r"(Bearer\s+)\S+", re.IGNORECASE),
    re.compile(r"()\bEAA[A-Za-z0-9]{8,}"),
    re.compile(r"()\b\d{5,}\|[A-Za-z0-9_\-]{8,}"),
)


def redact(text: str, *secrets: str | None) -> str:
    """Return `text` without the given secrets and without what looks like a Facebook token (Meta quotes tokens)."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    for pattern in _SECRET_PATTERNS:
        text = pattern.sub(r"\1***", text)
    return text


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> int | None:
    """Return the number of seconds to wait before the next call, at most a day, or None when Meta names none.

    The longest wait counts: of `X-Business-Use-Case-Usage` (`estimated_time_to_regain_access`, in minutes) and of
    `Retry-After` (seconds or an HTTP date).
    """
    waits = [*_use_case_waits(headers.get("X-Business-Use-Case-Usage")), _retry_after(headers.get("Retry-After"), now)]
    longest = max((wait for wait in waits if wait), default=0)
    return min(longest, 86_400) or None


def _use_case_waits(header: str | None) -> list[int]:
    try:
        usage = load_json(header or "{}")
    except (ValueError, RecursionError):
        return []
    groups = usage.values() if isinstance(usage, dict) else []
    entries = [entry for group in groups if isinstance(group, list) for entry in group if isinstance(entry, dict)]
    minutes = [entry.get("estimated_time_to_regain_access") for entry in entries]
    return [int(m * 60) for m in minutes if isinstance(m, int | float) and not isinstance(m, bool) and 0 < m < 1e6]


def _retry_after(header: str | None, now: datetime | None) -> int:
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0, int((until - (now or datetime.now(UTC))).total_seconds()))
