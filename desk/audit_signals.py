"""Record logins, and changes of e-mail addresses and two-step login, which libraries report as signals.

Passwords are recorded where they are saved: tickets.views.account_forms and desk.admin.people.
"""

from collections.abc import Callable
from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as mfa_signals
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.text import capfirst

from desk import audit_log
from desk.audit_log import Action
from desk.languages import in_english
from desk.models import User
from desk.sentences import sentence

#: What is recorded about second factors, for the catalogues.
SECOND_FACTORS = (
    sentence("TOTP Authenticator added."),
    sentence("TOTP Authenticator removed."),
    sentence("TOTP Authenticator replaced."),
    sentence("WebAuthn added."),
    sentence("WebAuthn removed."),
    sentence("WebAuthn replaced."),
    sentence("Recovery codes added."),
    sentence("Recovery codes removed."),
    sentence("Recovery codes replaced."),
)
LONGEST_NAME = User._meta.get_field("username").max_length or 150


def connect() -> None:
    """Connect the receivers. Call it from `AppConfig.ready()`."""
    user_logged_in.connect(_logged_in, dispatch_uid="audit_login")
    user_logged_out.connect(_logged_out, dispatch_uid="audit_logout")
    user_login_failed.connect(_login_failed, dispatch_uid="audit_login_failed")
    account_signals.email_changed.connect(_email_changed, dispatch_uid="audit_email_changed")
    _connect_email(account_signals.email_added, "added", sentence("E-mail address %(email)s added."))
    _connect_email(account_signals.email_removed, "removed", sentence("E-mail address %(email)s removed."))
    for signal, verb in (
        (mfa_signals.authenticator_added, "added"),
        (mfa_signals.authenticator_removed, "removed"),
        (mfa_signals.authenticator_reset, "replaced"),
    ):
        signal.connect(
            authenticator_receiver(verb),
            weak=False,
            dispatch_uid=f"audit second factor {verb}",  # English only: an id
        )
    mfa_signals.authentication_failed.connect(_second_factor_failed, dispatch_uid="audit_second_factor")


def _connect_email(signal: Signal, verb: str, text: str) -> None:
    def receiver(user: User, email_address: Any, **_kwargs: Any) -> None:
        audit_log.record(user, user, Action.EMAIL, text % {"email": email_address.email})

    signal.connect(receiver, weak=False, dispatch_uid=f"audit e-mail {verb}")


def authenticator_receiver(verb: str) -> Callable[..., None]:
    """Return a receiver that records what was done to a second factor."""

    def receiver(request: HttpRequest | None, user: User, authenticator: Any, **_kwargs: Any) -> None:
        # An administrator may remove the second factor of somebody who lost it: then they acted, not the user.
        asker = getattr(request, "user", None)
        actor = asker if isinstance(asker, User) else user
        kind = capfirst(in_english(authenticator.get_type_display()))
        audit_log.record(actor, user, Action.MFA, f"{kind} {verb}.")  # one of SECOND_FACTORS

    return receiver


def _logged_in(user: User, **_kwargs: Any) -> None:
    audit_log.record(user, user, Action.LOGIN, sentence("Logged in."))


def _logged_out(user: User | None, **_kwargs: Any) -> None:
    if isinstance(user, User):  # None: the session had ended already
        audit_log.record(user, user, Action.LOGOUT, sentence("Logged out."))


def _login_failed(credentials: dict[str, Any], **_kwargs: Any) -> None:
    name = credentials.get("username") or credentials.get("email") or ""
    audit_log.record_failed_login(str(name)[:LONGEST_NAME])


def _second_factor_failed(user: User, **_kwargs: Any) -> None:
    audit_log.record_failed_login(user.username)


def _email_changed(user: User, from_email_address: Any, to_email_address: Any, **_kwargs: Any) -> None:
    to = to_email_address.email
    if from_email_address:
        changed = sentence("E-mail address changed from %(before)s to %(to)s.", before=from_email_address.email, to=to)
    else:
        changed = sentence("E-mail address changed from none to %(to)s.", to=to)
    audit_log.record(user, user, Action.EMAIL, changed)
