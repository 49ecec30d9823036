"""Measure pages and lists of the API over many conversations: fill a migrated database, and time each.

    DATABASE_URL=… DESK_DATA_DIR=… python -m bench.reads [conversations] [name] [--explain]

One process, Django's test client, so that neither network nor server counts. For each page whose name contains `name`:
the medians of RUNS in ms, as the clock says and of this process alone; bytes; statements; and how many rows PostgreSQL
reads for the statement that reads most, whose plan `--explain` shows. The database is left as it is: a second run
measures without filling, and a higher number adds the rest.
"""

import os
import statistics
import sys
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

RUNS = int(os.environ.get("RUNS", "20"))
SLOW_MS = 2000  # addresses that take longer are asked less often


@dataclass(frozen=True)
class Result:
    """The figures of one address."""

    median: float
    cpu: float
    size: int
    statements: int
    rows: int
    sql: str


def prepare(number: int) -> None:
    """Make users, channels and so many conversations, as far as they do not exist."""
    from channels_im.models import Channel, ChannelAgent, Page
    from desk.models import Agent, Department, User
    from tickets.demo import many
    from tickets.models import Conversation

    if not User.objects.filter(username="bench-admin").exists():
        User.objects.create_superuser("bench-admin", "bench-admin@example.com")
        departments = [Department.objects.create(name=f"Bench {at}") for at in range(2)]
        for at in range(4):
            page = Page.objects.create(page_id=f"9000{at}", name=f"Bench {at}")
            Channel.objects.create(name=f"Bench {at}", page=page, department=departments[at % 2])
        agent = Agent.objects.create(user=User.objects.create_user("bench-agent", "bench-agent@example.com"))
        agent.departments.add(departments[0])
        for channel in Channel.objects.filter(department=departments[0]):
            ChannelAgent.objects.create(channel=channel, agent=agent)
    missing = number - Conversation.objects.count()
    if missing > 0:
        channels = list(Channel.objects.filter(name__startswith="Bench").order_by("pk"))
        users = list(User.objects.filter(username__startswith="bench-").order_by("pk"))
        began = time.monotonic()
        many.fill(channels, users, missing)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)


def addresses() -> dict[str, tuple[str, str]]:
    """Return what is measured: by name, the user and the address."""
    from tickets.models import Conversation

    newest = Conversation.objects.order_by("-last_message_at", "-pk")
    opened = newest.filter(channel__associations__agent__user__username="bench-agent")[:1].get()
    admin, agent = "bench-admin", "bench-agent"
    pages = {
        "inbox, agent": (agent, "/inbox/"),
        "inbox, sees all": (admin, "/inbox/"),
        "list: mine": (agent, "/inbox/list/?view=mine"),
        "list: unassigned": (agent, "/inbox/list/?view=unassigned"),
        "list: waiting": (agent, "/inbox/list/?view=waiting"),
        "list: waiting longest": (agent, "/inbox/list/?view=waiting&sort=waiting"),
        "list: closing first": (agent, "/inbox/list/?sort=closing"),
        "list: closed": (agent, "/inbox/list/?view=ended"),
        "list: oldest first": (agent, "/inbox/list/?sort=oldest"),
        "list: a channel": (agent, f"/inbox/list/?channel={opened.channel_id}"),
        "conversation, agent": (agent, f"/inbox/{opened.pk}/"),
        "conversation, sees all": (admin, f"/inbox/{opened.pk}/"),
        "search, sees all": (admin, "/inbox/list/?q=broken+helmet"),
        "search a name, agent": (agent, f"/inbox/list/?q=krause+{opened.contact_id % 1000}"),
        "setup: customers": (admin, "/admin/tickets/contact/"),
        "setup: preferences": (admin, "/admin/instant-messaging/preferences/"),
        "setup: journal": (admin, "/admin/instant-messaging/journal/"),
        "setup: channels": (admin, "/admin/instant-messaging/messenger/"),
        "setup: health": (admin, "/admin/instant-messaging/health/"),
        "setup": (admin, "/admin/"),
    }
    for name, orderings in {
        "conversations": ("", "?ordering=last_message_at", "?status=open", "?waiting=true", "?unread=true"),
        "tickets": ("", "?ordering=-opened_at", "?ordering=opened_at", "?status=open"),
        "messages": ("", "?ordering=sent_at", "?ordering=-id"),
        "contacts": ("",),
    }.items():
        for query in orderings:
            pages[f"api: {name}{query}"] = (agent, f"/api/v1/{name}/{query}")
            pages[f"api: {name}{query}, sees all"] = (admin, f"/api/v1/{name}/{query}")
    return pages


@cache
def token_of(user: Any) -> str:
    """Return a new API token of this user."""
    from tickets.services.webhooks import api_tokens

    return api_tokens.issue(user, user, name="Bench", scopes=api_tokens.ALL_SCOPES, expires_at=None)[1]


def measure(username: str, address: str) -> Result:
    """Return the figures of one address; exit when it is not answered 200."""
    from desk.models import User

    user = User.objects.get(username=username)
    is_api = address.startswith("/api/")
    client = Client(headers={"Authorization": f"Token {token_of(user)}"} if is_api else None)
    if not is_api:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    times: list[float] = []
    cpu: list[float] = []
    while len(times) < RUNS and not (len(times) > 2 and times[-1] > SLOW_MS):
        started, worked = time.perf_counter(), time.process_time()
        answer = client.get(address)
        size = len(answer.content)
        times.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    if answer.status_code != 200:
        raise SystemExit(f"{address} was answered {answer.status_code}: {answer.headers}")
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    rows, sql = 0, ""
    if connection.vendor == "postgresql":
        reads = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
        rows, sql = max(((rows_read(sql), sql) for sql in reads), default=(0, ""))
    return Result(statistics.median(times), statistics.median(cpu), size, len(captured), rows, sql)


def rows_read(sql: str) -> int:
    """Return how many rows of tables and indexes PostgreSQL reads for a statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        return _rows_of(cursor.fetchone()[0][0]["Plan"])


def _rows_of(node: dict[str, Any]) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    is_scan = "Scan" in node["Node Type"] and node["Node Type"] not in ("CTE Scan", "Subquery Scan", "Bitmap Heap Scan")
    own = (node["Actual Rows"] + removed) * node["Actual Loops"] if is_scan else 0
    return round(own) + sum(_rows_of(each) for each in node.get("Plans", []))


def explain(sql: str) -> str:
    """Return PostgreSQL's plan of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def main() -> None:
    """Fill, measure and print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
    django.setup()
    from tickets.models import Conversation

    call_command("collectstatic", interactive=False, verbosity=0)
    settings.ALLOWED_HOSTS = ["*"]
    words = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    prepare(int(words[0]) if words else 100_000)
    only = words[1] if len(words) > 1 else ""
    print(f"{connection.vendor}, {Conversation.objects.count():,} conversations", flush=True)
    print(f"{'':52} {'ms':>8} {'CPU ms':>8} {'bytes':>8} {'statements':>10} {'rows read':>10}")
    for name, (username, address) in addresses().items():
        if only not in name:
            continue
        got = measure(username, address)
        figures = f"{got.median:8.1f} {got.cpu:8.1f} {got.size:8,} {got.statements:10} {got.rows:10,}"
        print(f"{name:52} {figures}", flush=True)
        if "--explain" in sys.argv and got.sql:
            print(got.sql, explain(got.sql), sep="\n", flush=True)


if __name__ == "__main__":
    main()
