"""Django mail backends of servers and workers that fail."""

import smtplib
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class Refusing(BaseEmailBackend):
    """A mail server that says no."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise smtplib.SMTPServerDisconnected("no")


class Killing(BaseEmailBackend):
    """A worker that is killed while it talks to the mail server: nothing after the call runs."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise SystemExit
