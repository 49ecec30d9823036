"""Send e-mail to the administrators."""

from django.core.mail import EmailMessage
from django.db.models import Q

from desk.models import User


def administrator_addresses() -> list[str]:
    """Return the e-mail addresses of all active administrators, without duplicates."""
    users = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True), is_active=True)
    return sorted(set(users.exclude(email="").values_list("email", flat=True)))


def send_to_administrators(subject: str, lines: list[str]) -> int:
    """Send one message to all administrators; return the number of messages sent, 0 when nobody has an address.

    The subject may contain names from outside, so line breaks in it become spaces. Raises SMTPException and OSError.
    """
    to = administrator_addresses()
    if not to:
        return 0
    return EmailMessage(" ".join(f"[Desk] {subject}".split()), "\n".join(lines), to=to).send()
