"""E-mail about accounts. The worker sends it, so no page waits for the mail server or shows by its time who exists."""

from types import SimpleNamespace
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from desk import mail, public_url
from desk.models import User
from desk.queue import enqueue


def compose(template_prefix: str, to: str, context: dict[str, Any]) -> tuple[str, str]:
    """Return subject and body, from the two templates of allauth or ours that begin with the prefix.

    What they call the current site is the one of DESK_PUBLIC_URL.
    """
    host = public_url.host_of(settings.PUBLIC_URL)
    site = SimpleNamespace(name=host, domain=host)
    values = {"email": to, "public_url": settings.PUBLIC_URL, "current_site": site, **context}
    subject = render_to_string(f"{template_prefix}_subject.txt", values)
    body = render_to_string(f"{template_prefix}_message.txt", values).strip() + "\n"
    return settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + " ".join(subject.split()), body


def queue(subject: str, body: str, to: str) -> None:
    """Let the worker send a message."""
    enqueue("desk.accounts.mails.send", subject, body, to)


def send(subject: str, body: str, to: str) -> int:
    """Send a message and return whether it was sent: a task of the worker."""
    return mail.send_to_user(EmailMessage(subject, body, to=[to]))


def queue_password_reset(email: str) -> None:
    """Let the worker look for the users with this address and write to them."""
    enqueue("desk.accounts.mails.send_password_reset", email)


def send_password_reset(email: str) -> int:
    """Write to each active user with this address; return to how many: a task of the worker. Nobody else gets mail.

    A user without a usable password gets none either: an administrator decided how they log in.
    """
    users = User.objects.filter(email__iexact=email, is_active=True).exclude(email="")
    written = [user for user in users if user.has_usable_password()]
    for user in written:
        key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
        context = {"user": user, "username": user.get_username(), "password_reset_url": reset_url(key)}
        # to the stored address: databases compare some letters more generously than mail servers do
        send(*compose("account/email/password_reset_key", user.email, context), user.email)
    return len(written)


def reset_url(key: str) -> str:
    """Return the link for a new password: `key` is "id-token"."""
    user, _, token = key.partition("-")
    return settings.PUBLIC_URL + reverse("account_reset_password_from_key", kwargs={"uidb36": user, "key": token})
