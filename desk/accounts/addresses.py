"""The e-mail address of a user, and the one that waits for its link to be opened (rows of allauth)."""

from allauth.account import signals
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import QuerySet

from desk.errors import Refused
from desk.models import User
from desk.requests import UserRequest
from desk.sentences import sentence


def is_taken(email: str, but: User | None = None) -> bool:
    """Return whether a user other than `but` has this address."""
    users = User.objects.filter(email__iexact=email)
    return (users.exclude(pk=but.pk) if but else users).exists()


def waiting(user: User) -> str:
    """Return the address that waits for its link to be opened, "" without one."""
    return _waiting(user).order_by("-pk").values_list("email", flat=True).first() or ""


def drop_waiting(user: User) -> None:
    """Forget the address that waits: its link does not work any more.

    Call it when the password, or the address, is changed by another way: whoever asked for the link may be the one whom
    the change shuts out, and the address that it brings can set a new password.
    """
    _waiting(user).delete()


def ask_to_confirm(request: UserRequest, email: str) -> None:
    """Send a link to `email` that makes it the user's address. Only the newest such link works.

    Raises Refused, with nothing changed, when one was sent to this address in the last three minutes (allauth).
    """
    user = request.user
    with transaction.atomic():
        # The only other row is the present address, to which allauth reports the change.
        EmailAddress.objects.filter(user=user).exclude(email__iexact=user.email).exclude(email=email).delete()
        if user.email:
            EmailAddress.objects.get_or_create(user=user, email=user.email.lower())
        address, is_new = EmailAddress.objects.get_or_create(user=user, email=email)
        if is_new:
            signals.email_added.send(sender=EmailAddress, request=request, user=user, email_address=address)
        if not send_verification_email_to_address(request, address):
            raise Refused(
                sentence("A link was sent to this address moments ago. Try again in three minutes."), field="email"
            )


def _waiting(user: User) -> QuerySet[EmailAddress, EmailAddress]:
    return EmailAddress.objects.filter(user=user, verified=False).exclude(email__iexact=user.email)
