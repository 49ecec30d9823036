"""The users of the demo: three departments, an administrator, two agents, and canned replies."""

from django.db import connection, transaction

from desk.demo_guard import DOMAIN, PASSWORD
from desk.models import Agent, Department, User
from tickets.models import CannedReply

CARE, SALES, WORKSHOP = "Customer Care", "Sales", "Workshop"
ADMIN = ("admin", "Ada", "Fields")
AGENTS = [("alice", "Alice", "Moreau", (CARE, SALES)), ("bob", "Bob", "Lindgren", (CARE, WORKSHOP))]
CANNED_REPLIES = [
    ("hello", "Greeting", "Hello {{name}}, thank you for writing to us. How can I help?"),
    ("hours", "Opening hours", "We are open Monday to Friday from 10 to 7 and on Saturday from 10 to 2."),
    ("order", "Ask for the order number", "Could you tell me your order number, please? It is on the invoice."),
]


class NotADemoError(Exception):
    """The database has users that are not the demo's; the text is a sentence."""


def require_demo_database() -> None:
    """Raise NotADemoError for a database with users that are not the demo's; one without tables is empty."""
    if User._meta.db_table not in connection.introspection.table_names() or not User.objects.exists():
        return
    if not User.objects.filter(username=ADMIN[0], email=f"{ADMIN[0]}@{DOMAIN}").exists():
        raise NotADemoError("This database has users of its own. Load demo data only into an empty database.")


@transaction.atomic
def create_people() -> None:
    """Create departments and users once. Raises NotADemoError in a database with users that are not the demo's."""
    require_demo_database()
    if User.objects.exists():
        return
    departments = {name: Department.objects.create(name=name) for name in (CARE, SALES, WORKSHOP)}
    _create_user(*ADMIN, is_staff=True, is_superuser=True)
    for username, first, last, names in AGENTS:
        agent = Agent.objects.create(user=_create_user(username, first, last))
        agent.departments.set(departments[name] for name in names)
    for shortcut, title, text in CANNED_REPLIES:
        CannedReply.objects.create(shortcut=shortcut, title=title, text=text)


def _create_user(username: str, first: str, last: str, **flags: bool) -> User:
    return User.objects.create_user(
        username, f"{username}@{DOMAIN}", PASSWORD, first_name=first, last_name=last, **flags
    )
