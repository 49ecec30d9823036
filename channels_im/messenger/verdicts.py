"""What an error of Meta means for us: the vocabulary that `errors.py` answers in. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class ErrorKind(StrEnum):
    """What an error means for us."""

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
    """Why a page needs an administrator to log in to Facebook again."""

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

    `sentence` is for the agent. `retry`: the queue may try the call again after a pause. `outcome_unknown`: it may
    have happened; look for the echo before trying again. `never_resend`: it did happen, as far as Meta says.
    """

    kind: ErrorKind
    reason: ReauthReason | None
    sentence: str
    retry: bool = False
    outcome_unknown: bool = False
    never_resend: bool = False
