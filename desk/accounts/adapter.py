"""Desk's rules for allauth: no sign-up, limits on failed logins, and e-mail that leads to DESK_PUBLIC_URL only."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from desk import proxies
from desk.accounts import addresses, known_devices, mails
from desk.models import User
from desk.sentences import sentence

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - no address to listen at: the place of the unknown one, as of a Unix socket
WAYS = {
    "reauthenticate": sentence("Use your password"),
    "mfa_reauthenticate": sentence("Use a code"),
    "mfa_reauthenticate:webauthn": sentence("Use a passkey"),
}


class AccountAdapter(DefaultAccountAdapter):
    """allauth as Desk uses it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address of the browser; UNKNOWN_ADDRESS where a Unix socket knows none."""
        return str(proxies.client_address(request) or UNKNOWN_ADDRESS)

    # --- Failed logins
    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Raise ValidationError when this was tried too often. A login that succeeds is not counted (allauth).

        Strangers are counted by address, by name and address, and by name. A browser that logged in with this name
        before is counted by itself, so nobody can lock its user out.
        """
        name = str(credentials.get("username") or credentials.get("email") or "").lower()
        device = known_devices.id_for(request, name)
        limits = [("login_failed_known_device", f"{name} {device}")]
        if not device:
            address = ratelimit.get_ip(request)
            limits = [("login_failed", f"{name} {address}"), ("login_failed_by_name", name)]
        used: list[ratelimit.SingleRateLimitUsage] = []
        self._login_failed_rl_usage = ratelimit.RateLimitUsage(usage=used)
        for action, key in limits:
            usage = ratelimit.consume(request, app="allauth.account", action=action, key=key)
            if not usage:
                raise self.validation_error("too_many_login_attempts")
            used.extend(usage.usage)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Remember the browser."""
        response = super().post_login(request, user, **kwargs)
        known_devices.remember(request, response, user)
        return response

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Return the ways in which a user can confirm that it is they, with our words; the usual one first."""
        methods = super().get_reauthentication_methods(user)
        return [{**method, "description": WAYS.get(method["id"], method["description"])} for method in methods]

    # --- E-mail
    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Tell a user what changed; the letter is in their language."""
        super().send_notification_mail(template_prefix, user, {**(context or {}), "user": user}, email)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue a message. Its links come from DESK_PUBLIC_URL, not from the request."""
        mails.queue(mails.compose(template_prefix, email, context), email)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Take the address whose link was opened, unless somebody else has it by now."""
        user = email_address.user
        if addresses.is_taken(email_address.email, but=user):
            addresses.drop_waiting(user)
            messages.error(request, gettext("Somebody with this address exists already. Your address has not changed."))
            return False
        return super().confirm_email(request, email_address)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return settings.PUBLIC_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_reset_password_from_key_url(self, key: str) -> str:
        return mails.reset_url(key)
