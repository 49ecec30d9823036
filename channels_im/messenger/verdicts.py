"""The kinds, reasons and verdicts by which `errors.py` describes an error of Meta. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from desk.sentences import sentence

# Last sentence of a verdict when the queue repeats the call.
RETRY_PROMISE = sentence("Desk will try again.")


class ErrorKind(StrEnum):
    """What an error means for Desk."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    PERMANENT = "permanent"
    WINDOW_CLOSED = "window_closed"
    RECIPIENT_UNAVAILABLE = "recipient_unavailable"
    OTHER_APP_CONTROLS = "other_app_controls"
    REAUTHENTICATE = "reauthenticate"
    PAGE_RESTRICTED = "page_restricted"
    APP_MISCONFIGURED = "app_misconfigured"


class ReauthReason(StrEnum):
    """Why an administrator must log in to Facebook again for a Page."""

    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a reason's name, no password
    PERMISSION_REVOKED = "permission_revoked"
    PAGE_DESELECTED = "page_deselected"
    APP_REMOVED = "app_removed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason's name, no password
    CHECKPOINT = "checkpoint"
    ROLE_LOST = "role_lost"


@dataclass(frozen=True)
class Verdict:
    """What an error means and what to do.

    `sentence` is for the agent. `retry`: the queue may repeat the call after a pause. `outcome_unknown`: the call may
    have had its effect; look for the echo before a retry. `never_resend`: according to Meta it had its effect.
    """

    kind: ErrorKind
    reason: ReauthReason | None
    sentence: str
    retry: bool = False
    outcome_unknown: bool = False
    never_resend: bool = False

    @property
    def final_sentence(self) -> str:
        """Return the sentence for an error after the last retry: without the promise of another one."""
        return self.sentence.removesuffix(f" {RETRY_PROMISE}")

    @property
    def is_temporary(self) -> bool:
        """Return whether the same call may succeed later, or may have succeeded already."""
        return self.retry or self.outcome_unknown
