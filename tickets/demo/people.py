"""The users of the demo: three departments, an administrator, two agents, and canned replies."""

from django.db import connection, transaction
from django.db.models import QuerySet

from channels_im.models import Page
from desk.demo_guard import DOMAIN, PASSWORD
from desk.models import Agent, Department, User
from tickets.models import CannedReply, Macro

PAGE_ID = "101000000000001"  # Berg Bikes
CARE, SALES, WORKSHOP = "Customer Care", "Sales", "Workshop"
ADMIN = ("admin", "Ada", "Fields")
AGENTS = [("alice", "Alice", "Moreau", (CARE, SALES)), ("bob", "Bob", "Lindgren", (CARE, WORKSHOP))]
CANNED_REPLIES = [
    ("hello", "Greeting", "Hello {{name}}, thank you for writing to us. How can I help?"),
    ("hours", "Opening hours", "We are open Monday to Friday from 10 to 7 and on Saturday from 10 to 2."),
    ("order", "Ask for the order number", "Could you tell me your order number, please? It is on the invoice."),
]
MACROS = (
    (
        "Say thanks and close",
        [
            {"do": "reply", "text": "Thank you, {{first_name}}! Write to us whenever you need something."},
            {"do": "close"},
        ],
    ),
    (
        "Refund",
        [
            {"do": "note", "text": "Refund for {{name}}: check the order first."},
            {"do": "assign", "to": "me"},
            {"do": "priority", "value": "high"},
            {"do": "subject", "text": "Refund for {{first_name}}"},
        ],
    ),
)


class NotADemoError(Exception):
    """The database has users that are not the demo's; the text is a sentence."""


def require_demo_database() -> None:
    """Raise NotADemoError for a database with users that are not the demo's; one without tables is empty.

    The demo's users may have been renamed: one address of the demo, or its Page, is enough.
    """
    tables = connection.introspection.table_names()
    if User._meta.db_table not in tables or not User.objects.exists():
        return
    if User.objects.filter(email__iendswith=f"@{DOMAIN}").exists():
        return
    if Page._meta.db_table in tables and Page.objects.filter(page_id=PAGE_ID).exists():
        return
    raise NotADemoError("This database has users of its own. Load demo data only into an empty database.")


@transaction.atomic
def create_people() -> list[str]:
    """Create departments and users once; return sentences about demo users that were renamed or deactivated.

    Raises NotADemoError in a database with users that are not the demo's.
    """
    require_demo_database()
    if User.objects.exists():
        return _changed_users()
    # A database may have got departments before its first user.
    departments = {name: Department.objects.get_or_create(name=name)[0] for name in (CARE, SALES, WORKSHOP)}
    _create_user(*ADMIN, is_staff=True, is_superuser=True)
    for username, first, last, names in AGENTS:
        agent = Agent.objects.create(user=_create_user(username, first, last))
        agent.departments.set(departments[name] for name in names)
    for shortcut, title, text in CANNED_REPLIES:
        CannedReply.objects.get_or_create(shortcut=shortcut, owner=None, defaults={"title": title, "text": text})
    for name, actions in MACROS:
        Macro.objects.get_or_create(key=name.casefold(), owner=None, defaults={"name": name, "actions": actions})
    return []


def administrator() -> User | None:
    """Return who links the demo's Page: `admin`, else another active superuser, or None."""
    superusers = User.objects.filter(is_active=True, is_superuser=True, is_staff=True).order_by("pk")
    return superusers.filter(username=ADMIN[0]).first() or superusers.first()


def department() -> Department:
    """Return the department of the demo's channel: Customer Care, else the oldest; it is created when there is none."""
    by_name = Department.objects.filter(name=CARE).first()
    return by_name or Department.objects.order_by("pk").first() or Department.objects.create(name=CARE)


def agents() -> QuerySet[Agent, Agent]:
    """Return the demo's agents: by their names, else all active ones."""
    named = Agent.objects.filter(user__username__in=[agent[0] for agent in AGENTS], user__is_active=True)
    return named if named.exists() else Agent.objects.filter(user__is_active=True)


def _changed_users() -> list[str]:
    active = dict(User.objects.values_list("username", "is_active"))
    sentences = []
    for name in (ADMIN[0], *(agent[0] for agent in AGENTS)):
        if name not in active:
            sentences.append(f"There is no user {name} any more. Log in with the name that was chosen instead.")
        elif not active[name]:
            sentences.append(f"The user {name} is deactivated and cannot log in.")
    return sentences


def _create_user(username: str, first: str, last: str, **flags: bool) -> User:
    return User.objects.create_user(
        username, f"{username}@{DOMAIN}", PASSWORD, first_name=first, last_name=last, **flags
    )
