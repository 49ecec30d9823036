"""The pages of the inbox's lists: keyset paging, in every order and also where few rows match a filter."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F, OuterRef
from django.utils import timezone

from desk import row_by_row
from desk.models import User
from desk.prepared import PreparedModels
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.conversation.access import UserFacts, conversations_for
from tickets.services.inbox import filtering
from tickets.services.inbox.cursors import Place, after_cursor, read_cursor, write_cursor
from tickets.services.inbox.filtering import Conversations, window_length
from tickets.services.inbox.listing import (
    DEFAULT_ORDER,
    LABELS,
    ORDERS,
    RELATED,
    ListQuery,
    Order,
    in_list,
    narrowed,
    searched,
)
from tickets.services.inbox.search import SearchHits

ROWS_PER_PAGE = 30
# A sort key after every time, in microseconds: the year 2223, and exact as a JavaScript number.
LAST_SORT_KEY = 8 * 10**15
MOST_READ = 10_000  # rows that are looked at one after the other until a page is full
REST_ORDER = ORDERS[DEFAULT_ORDER]
REST_PREFIX = "~"  # of the cursors of rows that follow after those of `Order.first`


@dataclass(frozen=True)
class Candidates:
    """The conversations of a list: indexes give them in its order, and `check` keeps those that belong to it.

    Without `check` all of them do. `are_few`: they are found first, and sorted; those need no check.
    """

    rows: Conversations
    check: Callable[[Conversations], Conversations] | None = None
    are_few: bool = False


def candidates(facts: UserFacts, user: User, query: ListQuery) -> tuple[Candidates, SearchHits]:
    """Return the conversations of this list, as `page_of` reads them, and the hits of its search."""
    if query.search:
        rows, hits = searched(in_list(facts, user, query), query)
        return Candidates(rows, are_few=True), hits
    indexed, rest = filtering.divided(query.filter, facts)
    reader = filtering.Reader.of(facts, timezone.now())
    of_few = replace(reader, are_few=True)
    if facts.sees_few:
        seen = access.found_first(conversations_for(user, facts))
        return Candidates(narrowed(seen, query, of_few), are_few=True), SearchHits()
    rows = narrowed(conversations_for(user, facts), replace(query, filter=indexed), reader)
    if not rest:
        return Candidates(rows), SearchHits()
    rows = filtering.rare(rows, rest, reader)
    if not facts.sees_all and access.are_few(rows):
        return Candidates(filtering.matching(rows, rest, of_few), are_few=True), SearchHits()
    return Candidates(rows, lambda few: filtering.matching(few, rest, of_few)), SearchHits()


_rows = PreparedModels[Conversation](
    lambda *, ids: Conversation.objects.select_related(*RELATED).prefetch_related(LABELS).filter(pk__in=ids)
)


def page_of(
    found: Conversations | Candidates, order: str, cursor: str = "", size: int = ROWS_PER_PAGE
) -> tuple[list[Conversation], str]:
    """Return one page in this order after `cursor`, and the cursor of the next page.

    `cursor` comes from the page before; "" is the first page, as is anything that is not a cursor. The next cursor is
    "" at the end.

    Of candidates at most MOST_READ are looked at: where few of them belong to the list, a page may be short or empty,
    and the next one goes on behind them.
    """
    found = found if isinstance(found, Candidates) else Candidates(found)
    ordering, now = ORDERS[order], timezone.now()
    after = read_cursor(cursor.removeprefix(REST_PREFIX))
    in_rest = bool(after) and cursor.startswith(REST_PREFIX)
    # The ids first, the related rows in a second query: with a join SQLite begins at the joined table and sorts all.
    first: list[int] = []
    rest: list[int] = []
    stopped: Place | None = None
    if not in_rest:
        sorted_rows = found.rows.filter(ordering.first(now)) if ordering.first else found.rows
        first, stopped = _ids(replace(found, rows=sorted_rows), ordering, after, size + 1)
    if ordering.first and not stopped and len(first) <= size:
        others = replace(found, rows=found.rows.filter(~ordering.first(now)))
        rest, stopped = _ids(others, REST_ORDER, after if in_rest else None, size + 1 - len(first))
        in_rest = True
    ids = first + rest
    by_id = _rows.by_id(ids[:size])
    page = [by_id[pk] for pk in ids if pk in by_id]
    if page and len(ids) > size:
        in_rest = bool(ordering.first) and len(first) < size
        stopped = getattr(page[-1], (REST_ORDER if in_rest else ordering).field), page[-1].pk
    return page, f"{REST_PREFIX if in_rest else ''}{write_cursor(*stopped)}" if stopped else ""


def _ids(found: Candidates, order: Order, after: Place | None, size: int) -> tuple[list[int], Place | None]:
    """Return the ids of the next `size` rows in this order, and where it stopped to look for more."""
    column = row_by_row.in_no_order(order.field) if found.are_few else F(order.field)
    rows = found.rows.order_by(*((column.desc(), "-pk") if order.descending else (column.asc(), "pk")))
    if after:
        rows = rows.filter(after_cursor(order.field, after, descending=order.descending))
    if found.check is None:
        return list(rows.values_list("pk", flat=True)[:size]), None
    belongs = row_by_row.some(found.check(Conversation.objects.filter(pk=OuterRef("pk"))))
    page, last = row_by_row.first(rows.only("pk", order.field), belongs, size, MOST_READ)
    return [row.pk for row in page], (getattr(last, order.field), last.pk) if last else None


def sort_key(conversation: Conversation, order: str, now: datetime) -> int:
    """Return a number by which an open page sorts the row in this order (from high to low when it is descending)."""
    moment = getattr(conversation, ORDERS[order].field)
    is_first = moment is not None and (order != "closing" or moment > now - window_length())
    if is_first:
        return _microseconds(moment)
    return LAST_SORT_KEY - _microseconds(conversation.last_message_at or conversation.created_at)


def sort_key_of(cursor: str) -> int | None:
    """Return the sort key of the place where the page after `cursor` begins; None for anything that is not one."""
    place = read_cursor(cursor.removeprefix(REST_PREFIX))
    if place is None:
        return None
    moment = _microseconds(place[0])
    return LAST_SORT_KEY - moment if cursor.startswith(REST_PREFIX) else moment


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
