"""Accounts: no sign-up page, since administrators create accounts in Setup, and e-mail that no request waits for."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest

from desk.mail import send_in_background


class AccountAdapter(DefaultAccountAdapter):
    """allauth without sign-up, and with e-mail sent beside the request."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send an e-mail of allauth, such as the link that resets a password."""
        request = allauth_context.request
        context = {"request": request, "email": email, "current_site": get_current_site(request), **context}
        send_in_background(self.render_mail(template_prefix, email, context))
