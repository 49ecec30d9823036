"""E-mail to the administrators: who they are, and one message to all of them."""

from django.core.mail import EmailMessage
from django.db.models import Q

from desk.models import User


def administrators() -> list[str]:
    """Return the e-mail addresses of all active administrators, each once."""
    people = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True), is_active=True)
    return sorted(set(people.exclude(email="").values_list("email", flat=True)))


def tell_administrators(subject: str, lines: list[str]) -> int:
    """Send one message to all administrators; return how many were sent, 0 when nobody has an address.

    The subject may hold names from outside: it is brought to one line. Raises SMTPException and OSError.
    """
    to = administrators()
    if not to:
        return 0
    return EmailMessage(" ".join(f"[Desk] {subject}".split()), "\n".join(lines), to=to).send()
