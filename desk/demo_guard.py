"""Recognise the demo's users: everybody knows their password, so no real installation may have them."""

from django.core import checks
from django.db import DatabaseError, connection
from django.db.models import Q

from desk.models import User

DOMAIN = "desk.example"  # the demo's e-mail addresses; a domain that cannot exist
USERNAMES = ("admin", "alice", "bob")
PASSWORD = "desk-demo"  # noqa: S105 - known to everybody, and only in the demo
WAY_OUT = (  # English only: for the console
    "Start with an empty data folder (DESK_DATA_DIR) and an empty database (DATABASE_URL). To keep this database, "
    "disable these users first: manage.py disable_demo_users"
)


def demo_users() -> list[User]:
    """Return the users that `demo_data` created, and others who have the demo's password.

    The password is asked of administrators and of users with a name of the demo, whether they are active or not: each
    answer takes a fraction of a second. A database without tables has no users. Raises DatabaseError when the database
    cannot be reached.
    """
    if User._meta.db_table not in connection.introspection.table_names():
        return []
    # The columns that every release has: the database may be one that nothing has migrated yet.
    rows = User.objects.only("username", "password", "email", "is_active")
    found = list(rows.filter(email__iendswith=f"@{DOMAIN}").order_by("pk"))
    suspects = rows.filter(Q(username__in=USERNAMES) | Q(is_staff=True) | Q(is_superuser=True))
    others = suspects.exclude(pk__in=[user.pk for user in found]).order_by("pk")
    return found + [user for user in others if user.check_password(PASSWORD)]


def sentence(users: list[User]) -> str:
    """Return what is wrong with a real installation that has these users."""
    names = ", ".join(user.username for user in users)
    what = "users of the demo, whose password everybody knows"  # English only: for the console
    return f"This database holds {what}: {names}."  # English only: for the console


def check_demo_users(**_options: object) -> list[checks.CheckMessage]:
    """Report the demo's users as an error of `check --deploy`."""
    try:
        users = demo_users()
    except DatabaseError:
        return []  # no database yet: there is nobody to log in either
    return [checks.Error(sentence(users), hint=WAY_OUT, id="desk.E001")] if users else []
