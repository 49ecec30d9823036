"""The lists of the inbox: views, filters, search, order and keyset paging. Their counts are in counts.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, Func, IntegerField, Q, QuerySet, When
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from desk.models import User
from desk.text import head
from tickets.models import Contact, Conversation, Message, Ticket
from tickets.rules.window import AD_WINDOW, HUMAN_AGENT_WINDOW, RESPONSE_WINDOW
from tickets.services.conversation import messages
from tickets.services.conversation.access import UserFacts, UserRef, conversations_for
from tickets.services.inbox import search
from tickets.services.inbox.search import SearchHits

ROWS_PER_PAGE = 30
RELATED = ("contact", "channel", "assignee", "department", "current_ticket")  # shown in a row
CLOSING_SOON = timedelta(hours=2)
SEARCH_LIMIT = 200  # characters
UNREAD_LIMIT = 100  # messages; after a partial read no more are counted
STATISTICS_TASK = "tickets.tasks.refresh_statistics"
# A sort key after every time, in microseconds: the year 2223, and exact as a JavaScript number.
LAST_SORT_KEY = 8 * 10**15

Conversations = QuerySet[Conversation, Conversation]

# SQLite uses a partial index only when the query has its condition without parameters.
_ZERO = Func(template="0", output_field=IntegerField())
IS_UNREAD = Q(unread_count__gt=_ZERO)


def window_length() -> timedelta:
    """Return how long after the customer's last message an agent may reply: 7 days, or 24 hours without Human Agent."""
    return HUMAN_AGENT_WINDOW if settings.META_HUMAN_AGENT else RESPONSE_WINDOW


def _open(rows: Conversations) -> Conversations:
    return rows.filter(is_open=True)


def _closed(rows: Conversations) -> Conversations:
    return rows.filter(is_open=False, current_ticket__isnull=False)


@dataclass(frozen=True)
class View:
    """One of the fixed views. `narrow(conversations, user_id, now)` returns the conversations that belong to it.

    `empty` is the sentence of an empty list.
    """

    name: str
    label: str
    empty: str
    narrow: Callable[[Conversations, UserRef, datetime], Conversations]


def _closing(rows: Conversations, _user_id: UserRef, now: datetime) -> Conversations:
    closes = now - window_length()
    closing = Q(last_customer_message_at__gt=closes, last_customer_message_at__lte=closes + CLOSING_SOON)
    if settings.META_HUMAN_AGENT or not settings.META_AD_WINDOW:
        return rows.filter(closing)  # with Human Agent the window of an ad never closes last
    ad_closes = now - AD_WINDOW
    wrote_since = Q(opened_by_ad_at__isnull=False, opened_by_ad_at__lte=F("last_customer_message_at"))
    closing_ad = Q(opened_by_ad_at__gt=ad_closes, last_customer_message_at__lte=closes + CLOSING_SOON)
    stays_open = Case(When(wrote_since & Q(opened_by_ad_at__gt=ad_closes + CLOSING_SOON), then=True), default=False)
    return rows.alias(stays_open=stays_open).filter(closing | wrote_since & closing_ad, stays_open=False)


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

    `first(now)` is the condition of the rows that this order sorts; all others follow after them, newest first.
    """

    label: str
    field: str
    descending: bool = False
    first: Callable[[datetime], Q] | None = None


ORDERS = {
    "newest": Order("Newest first", "last_message_at", descending=True),
    "oldest": Order("Oldest first", "last_message_at"),
    "waiting": Order("Waiting longest", "waiting_since", first=lambda now: Q(waiting_since__isnull=False)),
    "closing": Order(
        "Window closing first",
        "last_customer_message_at",
        first=lambda now: Q(last_customer_message_at__gt=now - window_length()),
    ),
}
REST_ORDER = ORDERS["newest"]
REST_PREFIX = "~"  # of the cursors of rows that follow after those of `Order.first`


@dataclass(frozen=True)
class ListQuery:
    """What the list shows: view, order, search query, channel and department (ids, or None for all)."""

    view: View = VIEWS[DEFAULT_VIEW]
    order: str = "newest"
    search: str = ""
    channel_id: int | None = None
    department_id: int | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "ListQuery":
        """Parse a mapping such as request.GET. Unknown values fall back to the default; never raises."""

        def number(name: str) -> int | None:
            value = raw.get(name, "")
            return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None

        return cls(
            view=VIEWS.get(raw.get("view", ""), VIEWS[DEFAULT_VIEW]),
            order=raw.get("sort", "") if raw.get("sort", "") in ORDERS else "newest",
            search=head(raw.get("q", "").replace("\0", "").strip(), SEARCH_LIMIT),
            channel_id=number("channel"),
            department_id=number("department"),
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.channel_id or self.department_id)

    def parameters(self, **changes: Any) -> dict[str, str]:
        """Return the query string parameters of this list with `changes`; defaults are left out."""
        changed = replace(self, **changes)
        values = {
            "view": "" if changed.view.name == DEFAULT_VIEW else changed.view.name,
            "sort": "" if changed.order == "newest" else changed.order,
            "q": changed.search,
            "channel": str(changed.channel_id or ""),
            "department": str(changed.department_id or ""),
        }
        return {name: value for name, value in values.items() if value}


def matching(facts: UserFacts, user: User, query: ListQuery, now: datetime | None = None) -> Conversations:
    """Return the conversations of this list that the user may see, unordered."""
    return searched(in_list(facts, user, query, now), query)[0]


def in_list(facts: UserFacts, user: User, query: ListQuery, now: datetime | None = None) -> Conversations:
    """Return the conversations of this list's view and filters, without its search, unordered."""
    rows = in_view(conversations_for(user, facts), query.view, facts.user_id or 0, now or timezone.now())
    if query.channel_id:
        rows = rows.filter(channel_id=query.channel_id)
    if query.department_id:
        rows = rows.filter(department_id=query.department_id)
    return rows


def in_view(rows: Conversations, view: View, user_id: UserRef, now: datetime) -> Conversations:
    """Return those of `rows` that belong to this view of the user. A conversation without messages is in no list."""
    return view.narrow(rows, user_id, now).filter(last_message_at__isnull=False)


def searched(rows: Conversations, query: ListQuery) -> tuple[Conversations, SearchHits]:
    """Return those of `rows` that match the list's search, and the hits; all of them without a search."""
    if not query.search:
        return rows, SearchHits()
    hits = search.find(rows, query.search)
    return rows.filter(pk__in=hits.conversation_ids()), hits


def page_of(
    rows: Conversations, order: str, cursor: str = "", size: int = ROWS_PER_PAGE
) -> tuple[list[Conversation], str]:
    """Return one page in this order after `cursor`, and the cursor of the next page.

    `cursor` comes from the page before; "" is the first page, as is anything that is not a cursor. The next cursor is
    "" at the end.
    """
    ordering, now = ORDERS[order], timezone.now()
    after = read_cursor(cursor.removeprefix(REST_PREFIX))
    in_rest = bool(after) and cursor.startswith(REST_PREFIX)
    # The ids first, the related rows in a second query: with a join SQLite begins at the joined table and sorts all.
    first: list[int] = []
    if not in_rest:
        first = _ids(rows.filter(ordering.first(now)) if ordering.first else rows, ordering, after, size + 1)
    rest: list[int] = []
    if ordering.first and len(first) <= size:
        rest = _ids(rows.filter(~ordering.first(now)), REST_ORDER, after if in_rest else None, size + 1 - len(first))
    ids = first + rest
    by_id = Conversation.objects.select_related(*RELATED).in_bulk(ids[:size])
    page = [by_id[pk] for pk in ids if pk in by_id]
    if not page or len(ids) <= size:
        return page, ""
    last, in_rest = page[-1], len(first) < size
    moment = getattr(last, (REST_ORDER if in_rest else ordering).field)
    return page, (REST_PREFIX if in_rest else "") + write_cursor(moment, last.pk)


def _ids(rows: Conversations, order: Order, after: tuple[datetime, int] | None, size: int) -> list[int]:
    """Return the ids of the next `size` rows in this order."""
    if after:
        rows = rows.filter(after_cursor(order.field, after, descending=order.descending))
    sign = "-" if order.descending else ""
    return list(rows.order_by(f"{sign}{order.field}", f"{sign}pk").values_list("pk", flat=True)[:size])


def sort_key(conversation: Conversation, order: str, now: datetime) -> int:
    """Return a number by which an open page sorts the row in this order (from high to low when it is descending)."""
    moment = getattr(conversation, ORDERS[order].field)
    is_first = moment is not None and (order != "closing" or moment > now - window_length())
    if is_first:
        return _microseconds(moment)
    return LAST_SORT_KEY - _microseconds(conversation.last_message_at or conversation.created_at)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def after_cursor(field: str, cursor: tuple[datetime, int], *, descending: bool, inclusive: bool = False) -> Q:
    """Return the condition "after `cursor` in the order of `field` and id"; with `inclusive` also the cursor's row."""
    moment, pk = cursor
    comparison, edge = ("lt" if descending else "gt"), ("e" if inclusive else "")
    # Redundant, but it lets the database begin at the right place of the index.
    start = Q(**{f"{field}__{comparison}e": moment})
    return start & (Q(**{f"{field}__{comparison}": moment}) | Q(**{f"pk__{comparison}{edge}": pk}))


def write_cursor(moment: datetime, pk: int) -> str:
    """Return the cursor of a row with this time and id."""
    return f"{moment.isoformat()}_{pk}"


def read_cursor(cursor: str) -> tuple[datetime, int] | None:
    """Return the time and id of a cursor; None for anything that is not one."""
    moment_text, _, pk_text = cursor.replace(" ", "+").rpartition("_")
    try:
        moment = parse_datetime(moment_text)
    except ValueError:
        return None
    if moment is None or timezone.is_naive(moment) or not (pk_text.isascii() and pk_text.isdecimal()):
        return None
    return (moment, int(pk_text)) if len(pk_text) < 19 else None


def mark_read(conversation: Conversation, upto: str = "") -> bool:
    """Mark the conversation as read for all agents; return whether that changed anything.

    `upto` is the cursor of the newest message the agent has seen: later messages of the customer stay unread.
    """
    if not conversation.unread_count:
        return False
    seen = read_cursor(upto)
    unread_count = 0
    if seen:
        later = after_cursor("sent_at", seen, descending=False)
        unseen = conversation.messages.filter(later, direction=Message.Direction.IN, kind=Message.Kind.MESSAGE)
        unread_count = unseen[:UNREAD_LIMIT].count()
    if unread_count >= conversation.unread_count:
        return False
    return _set_unread(conversation, conversation.unread_count, unread_count)


def mark_unread(conversation: Conversation) -> bool:
    """Mark a read conversation as unread; return whether that changed anything."""
    return _set_unread(conversation, 0, 1)


def _set_unread(conversation: Conversation, before: int, after: int) -> bool:
    """Change the count, unless somebody else did meanwhile: open pages have then received that change."""
    with transaction.atomic():
        rows = Conversation.objects.filter(pk=conversation.pk, unread_count=before)
        if not rows.update(unread_count=after):
            return False
        conversation.unread_count = after
        messages.announce(conversation)
    return True


def refresh_statistics() -> bool:
    """Run ANALYZE on the tables of the lists in SQLite; return False on PostgreSQL, which does it by itself.

    Without statistics SQLite sorts all conversations of an agent for each page. The messages are left out: the outbox
    looks for a rare state among very frequent ones, and average numbers would keep SQLite from using its index.
    """
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        for model in (Conversation, Ticket, Contact):
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
    return True
