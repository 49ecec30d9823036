"""Recognise the demo's users: everybody knows their password, so no real installation may have them."""

from django.core import checks
from django.db import DatabaseError

from desk.models import User

DOMAIN = "desk.example"  # the demo's e-mail addresses; a domain that cannot exist
USERNAMES = ("admin", "alice", "bob")
PASSWORD = "desk-demo"  # noqa: S105 - known to everybody, and only in the demo
WAY_OUT = (
    "Start with an empty data folder (DESK_DATA_DIR) or an empty database (DATABASE_URL). To keep this database, "
    "delete these users first, for example with: manage.py delete_demo_users"
)


def demo_users() -> list[User]:
    """Return the users that `demo_data` created, and users whose name and password are those of the demo.

    A database without tables has none. Raises DatabaseError when the database cannot be reached.
    """
    found = list(User.objects.filter(email__endswith=f"@{DOMAIN}").order_by("pk"))
    known = {user.pk for user in found}
    others = User.objects.filter(username__in=USERNAMES, is_active=True).exclude(pk__in=known).order_by("pk")
    return found + [user for user in others if user.check_password(PASSWORD)]


def sentence(users: list[User]) -> str:
    """Return what is wrong with a real installation that has these users."""
    names = ", ".join(user.username for user in users)
    return f"This database holds users of the demo, whose password everybody knows: {names}."


def check_demo_users(**_options: object) -> list[checks.CheckMessage]:
    """Report the demo's users as an error of `check --deploy`."""
    try:
        users = demo_users()
    except DatabaseError:
        return []  # no tables yet, or no database: there is nobody to log in either
    return [checks.Error(sentence(users), hint=WAY_OUT, id="desk.E001")] if users else []
