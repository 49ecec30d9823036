"""Who is let in: the one decision for pages (desk.accounts.middleware), the live stream (desk.live.sse) and uploads."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

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


def user_of(session_key: str) -> User | None:
    """Return the user whom this session lets in, None when nobody."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    is_let_in = isinstance(user, User) and user.is_active and admits(user, request.session)
    return user if isinstance(user, User) and is_let_in else None
