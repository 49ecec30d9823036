"""E-mail about accounts. The worker sends it, so no page waits for the mail server or shows by its time who exists."""

from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from desk import letters, mail
from desk.accounts.letters import letter_for
from desk.languages import spoken_by
from desk.letters import Rendered
from desk.models import User
from desk.queue import enqueue


def compose(template_prefix: str, to: str, context: dict[str, Any]) -> Rendered:
    """Return what Desk sends in place of the templates of allauth that begin with the prefix.

    It is in the language of the user in `context`, or of the installation when the address belongs to nobody.
    """
    user = context.get("user")
    with spoken_by(user if isinstance(user, User) else None):
        return letters.render(letter_for(template_prefix, to, context))


def queue(rendered: Rendered, to: str) -> None:
    """Let the worker send a message."""
    enqueue("desk.accounts.mails.send", rendered.subject, rendered.text, to, rendered.html)


def send(subject: str, body: str, to: str, html: str = "") -> int:
    """Send a message and return whether it was sent: a task of the worker. Without `html` it is plain text."""
    return mail.send_to_user(letters.message(Rendered(subject, body, html), [to]))


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
        rendered = compose("account/email/password_reset_key", user.email, context)
        send(rendered.subject, rendered.text, user.email, rendered.html)
    return len(written)


def reset_url(key: str) -> str:
    """Return the link for a new password: `key` is "id-token"."""
    user, _, token = key.partition("-")
    return settings.PUBLIC_URL + reverse("account_reset_password_from_key", kwargs={"uidb36": user, "key": token})
