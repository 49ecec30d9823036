"""Measure pages and lists of the API over many conversations: fill a migrated database, and time each.

    DATABASE_URL=… DESK_DATA_DIR=… python -m bench.reads [conversations] [name] [--explain]
        [--write=FILE] [--beside=FILE]

One process, Django's test client, so that neither network nor server counts. For each page whose name contains `name`:
the medians of RUNS in ms, as the clock says and of this process alone; bytes; statements; and how many rows PostgreSQL
reads for the statement that reads most, whose plan `--explain` shows. The database is left as it is: a second run
measures without filling, and a higher number adds the rest, without the rows of `bench.reads_rows`.

`--write` stores the figures, and `--beside` shows how many times those of another size they are: the least time of
the runs, because on a machine with other work the least is the time of the page. The goal is 1.2.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench import reads_lists, reads_rows, reads_yardstick

RUNS = int(os.environ.get("RUNS", "20"))
SHORT_THREAD, LONG_THREAD = 10, 500  # messages
INCOMING = {"direction": "in", "source": "customer", "state": "received"}
SLOW_MS = 2000  # addresses that take longer are asked less often


@dataclass(frozen=True)
class Result:
    """The figures of one address."""

    median: float
    least: float
    cpu: float
    size: int
    statements: int
    rows: int
    sql: str


def prepare(number: int, long_thread: int = LONG_THREAD) -> None:
    """Make users, channels, two conversations with more messages and `number` others, as far as they do not exist."""
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
        few = Department.objects.create(name="Bench few")
        page = Page.objects.create(page_id="90009", name="Bench few")
        Channel.objects.create(name="Bench few", page=page, department=few)
        for name, department in (("bench-agent", departments[0]), ("bench-few", few)):
            agent = Agent.objects.create(user=User.objects.create_user(name, f"{name}@example.com"))
            agent.departments.add(department)
            for channel in Channel.objects.filter(department=department):
                ChannelAgent.objects.create(channel=channel, agent=agent)
    missing = number - Conversation.objects.count()
    if missing > 0:
        *shared, seldom = Channel.objects.filter(name__startswith="Bench").order_by("pk")
        channels = [*(shared * 25)[1:], seldom]  # every hundredth conversation
        users = list(User.objects.filter(username__in=("bench-admin", "bench-agent")).order_by("pk"))
        began = time.monotonic()
        many.fill(channels, users, missing)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    for length in (SHORT_THREAD, long_thread):
        if not Conversation.objects.filter(message_count=length).exists():
            _add_thread(length)


def _add_thread(length: int) -> None:
    """Make a conversation of so many messages in the agent's channel, two days old."""
    from django.utils import timezone

    from channels_im.models import Channel
    from tickets.models import Contact, Conversation, Message, Ticket

    channel = Channel.objects.filter(associations__agent__user__username="bench-agent").order_by("pk")[:1].get()
    at = timezone.now() - timedelta(days=2)
    facts: dict[str, Any] = {"department": channel.department, "last_message_at": at}
    contact = Contact.objects.create(page=channel.page, psid=f"8{length:015}", name="Ada", profile_state="fetched")
    conversation = Conversation.objects.create(
        channel=channel, contact=contact, message_count=length, last_customer_message_at=at, preview="Thanks", **facts
    )
    ticket = Ticket.objects.create(conversation=conversation, subject="A question", opened_at=at, **facts)
    Conversation.objects.filter(pk=conversation.pk).update(current_ticket=ticket)
    rows = []
    for place in range(length):
        ours = place % 2
        common = {"conversation": conversation, "ticket": ticket, "page": channel.page, "mid": f"m_{length}_{place}"}
        kind = {"direction": "out", "source": "page_inbox", "state": "sent"} if ours else INCOMING
        text = f"Message {place} of {length}: the bike is here, and the helmet follows on Monday."
        rows.append(Message(text=text, sent_at=at - timedelta(minutes=length - place), **common, **kind))
    Message.objects.bulk_create(rows)


def addresses(long_thread: int = LONG_THREAD) -> dict[str, tuple[str, str]]:
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
    for name, length in (("10 messages", SHORT_THREAD), ("many messages", long_thread)):
        thread = newest.filter(message_count=length)[:1].get()
        pages[f"conversation of {name}"] = (agent, f"/inbox/{thread.pk}/")
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


def take(names: Sequence[str], runs: int, long_thread: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures of these addresses (`addresses`): of the page and of its yardstick, which run in turn.

    Each has the median in ms, the process time in ms and the statements.
    """
    from desk import garbage
    from desk.models import User

    settings.ALLOWED_HOSTS = ["*"]
    garbage.settle()  # as the server does
    found, figures = addresses(long_thread), {}
    for name in names:
        username, address = found[name]
        user = User.objects.get(username=username)
        client = _client(user, address)
        session = client.session.session_key or ""
        page = partial(_get, client, address)
        yardstick = reads_yardstick.Yardstick(user, session).answer(address)
        page()
        yardstick()
        figures[name] = {"page": _timed(page, runs), "bare": _timed(yardstick, runs)}
    return figures


def _get(client: Client, address: str) -> None:
    """Request a page. Raise AssertionError when it is not answered 200: a refusal is fast."""
    answer = client.get(address)
    if answer.status_code != 200:
        raise AssertionError(f"{address} was answered {answer.status_code}: {answer.headers}")


def _timed(work: Callable[[], object], runs: int) -> dict[str, float]:
    times, cpu = [], []
    for _ in range(runs):
        started, worked = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    with CaptureQueriesContext(connection) as captured:
        work()
    median = statistics.median
    return {"median": median(times), "process time": median(cpu), "statements": len(captured)}


def _client(user: Any, address: str) -> Client:
    """Return a client that is logged in, or has a token for an address of the API."""
    if address.startswith("/api/"):
        return Client(headers={"Authorization": f"Token {token_of(user)}"})
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@cache
def token_of(user: Any) -> str:
    """Return a new API token of this user."""
    from tickets.services.webhooks import api_tokens

    return api_tokens.issue(user, user, name="Bench", scopes=api_tokens.ALL_SCOPES, expires_at=None)[1]


def measure(username: str, address: str) -> Result:
    """Return the figures of one address; exit when it is not answered 200."""
    from desk.models import User

    client = _client(User.objects.get(username=username), address)

    def ask() -> int:
        answer = client.get(address)
        body = b"".join(answer) if answer.streaming else answer.content
        if answer.status_code != 200:
            raise SystemExit(f"{address} was answered {answer.status_code}: {answer.headers}")
        return len(body)

    return measure_call(ask)


def measure_call(ask: Callable[[], Any]) -> Result:
    """Return the figures of a function, with what it returns as its size when that is a number of bytes."""
    size = ask()  # the first one also fills caches
    times: list[float] = []
    cpu: list[float] = []
    while len(times) < RUNS and not (len(times) > 2 and times[-1] > SLOW_MS):
        started, worked = time.perf_counter(), time.process_time()
        ask()
        times.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    with CaptureQueriesContext(connection) as captured:
        ask()
    rows, sql = 0, ""
    if connection.vendor == "postgresql":
        reads = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
        rows, sql = max(((rows_read(sql), sql) for sql in reads), default=(0, ""))
    size = size if isinstance(size, int) else 0
    return Result(statistics.median(times), min(times), statistics.median(cpu), size, len(captured), rows, sql)


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
    from desk import garbage
    from tickets.models import Conversation

    garbage.settle()  # as the server does
    call_command("collectstatic", interactive=False, verbosity=0)
    settings.ALLOWED_HOSTS = ["*"]
    words = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    prepare(int(words[0]) if words else 100_000)
    reads_rows.fill()
    only = words[1] if len(words) > 1 else ""
    others = json.loads(Path(path).read_text()) if (path := _option("--beside")) else {}
    print(f"{connection.vendor}, {Conversation.objects.count():,} conversations", flush=True)
    print(f"{'':60} {'ms':>8} {'least':>8} {'CPU ms':>8} {'bytes':>8} {'statements':>10} {'rows read':>10}")
    pages = {name: partial(measure, *each) for name, each in {**addresses(), **reads_lists.addresses()}.items()}
    written = {}
    for name, take_ in {
        **pages,
        **{name: partial(measure_call, job) for name, job in reads_lists.jobs().items()},
    }.items():
        if only not in name:
            continue
        got = take_()
        written[name] = {key: value for key, value in asdict(got).items() if key != "sql"}
        times = f"{got.median:8.1f} {got.least:8.1f} {got.cpu:8.1f}"
        print(f"{name:60} {times} {got.size:8,} {got.statements:10} {got.rows:10,}{_beside(got, others.get(name))}")
        sys.stdout.flush()
        if "--explain" in sys.argv and got.sql:
            print(got.sql, explain(got.sql), sep="\n", flush=True)
    if path := _option("--write"):
        Path(path).write_text(json.dumps(written, indent=1))


def _option(name: str) -> str:
    return next((each.partition("=")[2] for each in sys.argv if each.startswith(f"{name}=")), "")


def _beside(got: Result, other: dict[str, float] | None) -> str:
    """Return how the figures compare with those of the same page in another database."""
    if not other:
        return ""
    more = got.statements - other["statements"]
    return f"  x {got.least / other['least']:.2f}, was {other['rows']:,} rows{f', {more:+} statements' if more else ''}"


if __name__ == "__main__":
    main()
