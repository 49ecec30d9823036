"""Who is let in: the one decision for pages (desk.accounts.middleware) and for the live stream (desk.live.sse)."""

from django.contrib.sessions.backends.base import SessionBase

from desk.accounts import mfa, sessions
from desk.models import User

#: What somebody may open who must set up the two-step login first: setting it up, and logging out.
BEFORE_MFA = frozenset(
    {
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_list_webauthn",
        "mfa_edit_webauthn",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
        "mfa_download_recovery_codes",
        "mfa_generate_recovery_codes",
        "account_reauthenticate",
        "account_logout",
        "admin:logout",
    }
)


def admits(user: User, session: SessionBase) -> bool:
    """Return whether this user may use Desk in this session."""
    return not sessions.has_ended(session, user) and not mfa.must_set_up(user)
