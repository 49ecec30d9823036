"""The lists of the inbox: views, filters, search, order and keyset paging (their counts: counting.py)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from tickets.models import Contact, Conversation, Message, Ticket
from tickets.rules.window import HUMAN_AGENT_WINDOW, RESPONSE_WINDOW
from tickets.services.conversation import messages
from tickets.services.conversation.access import UserFacts, conversations_for
from tickets.services.inbox import search
from tickets.services.inbox.search import SearchHits

ROWS_PER_PAGE = 30
RELATED = ("contact", "channel", "assignee", "department", "current_ticket")  # what a row shows besides
CLOSING_SOON = timedelta(hours=2)
SEARCH_LIMIT = 200  # characters
UNREAD_LIMIT = 100  # messages; more are not counted when some are read
STATISTICS_TASK = "tickets.tasks.refresh_statistics"
AFTER_ALL = 8 * 10**15  # microseconds: the year 2223, and a number that JavaScript still knows exactly

Conversations = QuerySet[Conversation, Conversation]
UserId = int | F


def window_length() -> timedelta:
    """How long after the customer's last message an agent may still answer (design, section 5)."""
    return HUMAN_AGENT_WINDOW if settings.META_HUMAN_AGENT else RESPONSE_WINDOW


def _open(rows: Conversations) -> Conversations:
    return rows.filter(current_ticket__status=Ticket.Status.OPEN)


def _closed(rows: Conversations) -> Conversations:
    """Most conversations have ended: asked of each row in the list's order, and not by all closed tickets."""
    closed = Ticket.objects.filter(pk=OuterRef("current_ticket_id"), status=Ticket.Status.CLOSED)
    return rows.filter(Exists(closed))


@dataclass(frozen=True)
class View:
    """One of the fixed views. `narrow(conversations, user_id, now)` leaves those that belong to it.

    `user_id` may also be what stands for it in a query about many users (F, OuterRef).
    """

    name: str
    label: str
    empty: str
    narrow: Callable[[Conversations, UserId, datetime], Conversations]


def _closing(rows: Conversations, _user_id: UserId, now: datetime) -> Conversations:
    closes = now - window_length()
    return rows.filter(last_customer_message_at__gt=closes, last_customer_message_at__lte=closes + CLOSING_SOON)


VIEWS = {
    view.name: view
    for view in (
        View(
            "mine",
            "Mine",
            "All clear — no open conversation is assigned to you.",
            lambda rows, user_id, now: _open(rows.filter(assignee_id=user_id)),
        ),
        View(
            "unassigned",
            "Unassigned",
            "All clear — nothing unassigned.",
            lambda rows, user_id, now: _open(rows.filter(assignee_id=None)),
        ),
        View("all", "All", "No conversations yet.", lambda rows, user_id, now: rows),
        View(
            "waiting",
            "Waiting for reply",
            "All clear — every customer has a reply.",
            lambda rows, user_id, now: rows.filter(waiting_since__isnull=False),
        ),
        View("closing", "Window closing soon", "No messaging window closes within two hours.", _closing),
        View(
            "blocked",
            "Blocked",
            "Nobody is blocked.",
            lambda rows, user_id, now: rows.filter(contact__blocked_at__isnull=False),
        ),
        View(
            "ended",
            "Closed",
            "No conversation is closed yet.",
            lambda rows, user_id, now: _closed(rows),
        ),
    )
}
DEFAULT_VIEW = "all"


@dataclass(frozen=True)
class Order:
    """An order of the list: by a time, then by id, so that a cursor always points between two rows.

    `about(now)` says which rows it is about; all others follow after them, newest first.
    """

    label: str
    field: str
    descending: bool = False
    about: Callable[[datetime], Q] | None = None


ORDERS = {
    "newest": Order("Newest first", "last_message_at", descending=True),
    "oldest": Order("Oldest first", "last_message_at"),
    "waiting": Order("Waiting longest", "waiting_since", about=lambda now: Q(waiting_since__isnull=False)),
    "closing": Order(
        "Window closing first",
        "last_customer_message_at",
        about=lambda now: Q(last_customer_message_at__gt=now - window_length()),
    ),
}
REST = ORDERS["newest"]
REST_MARK = "~"  # begins the cursors of rows an order is not about


@dataclass(frozen=True)
class ListQuery:
    """What the list shows: view, order, search words, channel and department (ids, or None for any)."""

    view: View = VIEWS[DEFAULT_VIEW]
    order: str = "newest"
    search: str = ""
    channel_id: int | None = None
    department_id: int | None = None

    @classmethod
    def parse(cls, raw: Any) -> "ListQuery":
        """From a mapping such as request.GET; anything unknown falls back to the default, nothing raises."""

        def number(name: str) -> int | None:
            value = raw.get(name, "")
            return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None

        return cls(
            view=VIEWS.get(raw.get("view", ""), VIEWS[DEFAULT_VIEW]),
            order=raw.get("sort", "") if raw.get("sort", "") in ORDERS else "newest",
            search=raw.get("q", "").replace("\0", "").strip()[:SEARCH_LIMIT],
            channel_id=number("channel"),
            department_id=number("department"),
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.channel_id or self.department_id)

    def parameters(self, **changes: Any) -> dict[str, str]:
        """The query string's parameters that give this list again; defaults are left out."""
        wanted = replace(self, **changes)
        values = {
            "view": "" if wanted.view.name == DEFAULT_VIEW else wanted.view.name,
            "sort": "" if wanted.order == "newest" else wanted.order,
            "q": wanted.search,
            "channel": str(wanted.channel_id or ""),
            "department": str(wanted.department_id or ""),
        }
        return {name: value for name, value in values.items() if value}


def matching(facts: UserFacts, user: AbstractBaseUser, query: ListQuery, now: datetime | None = None) -> Conversations:
    """The conversations of this list that the user may see, unordered."""
    return searched(in_list(facts, user, query, now), query)[0]


def in_list(facts: UserFacts, user: AbstractBaseUser, query: ListQuery, now: datetime | None = None) -> Conversations:
    """The same before anything is looked for: view, order and filters alone."""
    rows = in_view(conversations_for(user, facts), query.view, facts.user_id or 0, now or timezone.now())
    if query.channel_id:
        rows = rows.filter(channel_id=query.channel_id)
    if query.department_id:
        rows = rows.filter(department_id=query.department_id)
    return rows


def in_view(rows: Conversations, view: View, user_id: UserId, now: datetime) -> Conversations:
    """Those of `rows` that belong to this view of the user; one without a message is in no list."""
    return view.narrow(rows, user_id, now).filter(last_message_at__isnull=False)


def searched(rows: Conversations, query: ListQuery) -> tuple[Conversations, SearchHits]:
    """Those of `rows` in which the list's search finds something, and what; all of them when nothing is looked for."""
    if not query.search:
        return rows, SearchHits()
    found = search.find(rows, query.search)
    return rows.filter(pk__in=found.conversation_ids()), found


def page_of(
    rows: Conversations, order: str, cursor: str = "", size: int = ROWS_PER_PAGE
) -> tuple[list[Conversation], str]:
    """One page in this order after `cursor` (from the page before; empty: the first), and the cursor of the next.

    The next cursor is empty at the end. A cursor that is no cursor gives the first page.
    """
    asked, now = ORDERS[order], timezone.now()
    after = read_cursor(cursor.removeprefix(REST_MARK))
    in_rest = bool(after) and cursor.startswith(REST_MARK)
    # First which rows, then all about them: SQLite would rather begin with a joined table and sort everything.
    first: list[int] = []
    if not in_rest:
        first = _ids(rows.filter(asked.about(now)) if asked.about else rows, asked, after, size + 1)
    rest: list[int] = []
    if asked.about and len(first) <= size:
        rest = _ids(rows.filter(~asked.about(now)), REST, after if in_rest else None, size + 1 - len(first))
    ids = first + rest
    found = Conversation.objects.select_related(*RELATED).in_bulk(ids[:size])
    page = [found[pk] for pk in ids if pk in found]
    if not page or len(ids) <= size:
        return page, ""
    last, in_rest = page[-1], len(first) < size
    moment = getattr(last, (REST if in_rest else asked).field)
    return page, (REST_MARK if in_rest else "") + write_cursor(moment, last.pk)


def _ids(rows: Conversations, order: Order, after: tuple[datetime, int] | None, size: int) -> list[int]:
    """The ids of the next `size` rows in this order."""
    if after:
        rows = rows.filter(beyond(order.field, after, descending=order.descending))
    sign = "-" if order.descending else ""
    return list(rows.order_by(f"{sign}{order.field}", f"{sign}pk").values_list("pk", flat=True)[:size])


def sort_key(conversation: Conversation, order: str, now: datetime) -> int:
    """Where the row stands in this order, for an open page: a number that grows, or falls when it is descending."""
    asked = ORDERS[order]
    moment = getattr(conversation, asked.field)
    is_first = moment is not None and (order != "closing" or moment > now - window_length())
    if is_first:
        return _microseconds(moment)
    return AFTER_ALL - _microseconds(conversation.last_message_at or conversation.created_at)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def beyond(field: str, cursor: tuple[datetime, int], *, descending: bool, inclusive: bool = False) -> Q:
    """The condition: after `cursor` in the order of `field` and id; with `inclusive` the row of the cursor too."""
    moment, pk = cursor
    side, edge = ("lt" if descending else "gt"), ("e" if inclusive else "")
    # The first condition says nothing new, but where in the index to begin.
    begins = Q(**{f"{field}__{side}e": moment})
    return begins & (Q(**{f"{field}__{side}": moment}) | Q(**{f"pk__{side}{edge}": pk}))


def write_cursor(moment: datetime, pk: int) -> str:
    return f"{moment.isoformat()}_{pk}"


def read_cursor(cursor: str) -> tuple[datetime, int] | None:
    """The time and id a cursor names; None for anything that is not one."""
    moment_text, _, pk_text = cursor.replace(" ", "+").rpartition("_")
    try:
        moment = parse_datetime(moment_text)
    except ValueError:
        return None
    if moment is None or timezone.is_naive(moment) or not (pk_text.isascii() and pk_text.isdecimal()):
        return None
    return (moment, int(pk_text)) if len(pk_text) < 19 else None


def mark_read(conversation: Conversation, upto: str = "") -> bool:
    """Nobody needs to look at this conversation any more; returns whether that changed anything.

    `upto` is the cursor of the newest message the agent has seen: what the customer wrote after it stays unread.
    """
    if not conversation.unread_count:
        return False
    seen = read_cursor(upto)
    left = 0
    if seen:
        later = beyond("sent_at", seen, descending=False)
        unseen = conversation.messages.filter(later, direction=Message.Direction.IN, kind=Message.Kind.MESSAGE)
        left = unseen[:UNREAD_LIMIT].count()
    if left >= conversation.unread_count:
        return False
    return _set_unread(conversation, conversation.unread_count, left)


def mark_unread(conversation: Conversation) -> bool:
    """Put it back among the unread ones, for later; returns whether that changed anything."""
    return _set_unread(conversation, 0, 1)


def _set_unread(conversation: Conversation, before: int, after: int) -> bool:
    """Change the count unless somebody else did meanwhile: then open pages were told already and will ask again."""
    with transaction.atomic():
        rows = Conversation.objects.filter(pk=conversation.pk, unread_count=before)
        if not rows.update(unread_count=after):
            return False
        conversation.unread_count = after
        messages.announce(conversation)
    return True


def refresh_statistics() -> bool:
    """Let SQLite look at how its tables of the lists are filled; PostgreSQL does so by itself (False).

    Without it, SQLite sorts all conversations of an agent for each page. Not the messages: the outbox asks for a state
    that few have, among states that nearly all have, and an average would turn it away from its index.
    """
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        for model in (Conversation, Ticket, Contact):
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
    return True
