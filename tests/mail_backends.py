"""Django mail backends of servers and workers that fail."""

import smtplib
from collections.abc import Callable, Sequence
from typing import ClassVar

from django.core.mail import EmailMessage
from django.core.mail.backends import locmem
from django.core.mail.backends.base import BaseEmailBackend


class Refusing(BaseEmailBackend):
    """A mail server that says no."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise smtplib.SMTPServerDisconnected("no")


class Killing(BaseEmailBackend):
    """A worker that is killed while it talks to the mail server: nothing after the call runs."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise SystemExit


class Slow(locmem.EmailBackend):
    """A mail server that takes a while, in which `meanwhile` happens."""

    meanwhile: ClassVar[list[Callable[[], object]]] = []

    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        for happen in self.meanwhile:
            happen()
        return super().send_messages(messages)
