"""How many conversations each view contains, without counting all rows, and which views contain a conversation."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from desk import row_by_row
from desk.models import User
from tickets.models import Conversation
from tickets.rules.filters import NO_FILTER
from tickets.services.conversation.access import (
    UserFacts,
    UserRef,
    conversations_for,
    found_first,
    seen_by,
    seen_by_all,
    users_seeing_more,
)
from tickets.services.conversation.prepared_access import PreparedForFacts
from tickets.services.inbox import filtering
from tickets.services.inbox.filtering import IS_UNREAD, Conversations
from tickets.services.inbox.listing import LABELS, RELATED, VIEWS, ListQuery, counted_in_view, in_view, narrowed

COUNT_LIMIT = 100  # from here on a badge shows 99+; the database stops counting there too
MOST_READ = 5000  # rows of which a filter without an index is asked to count a saved view
MINE, MENTIONS = "mine", "mentions"
OF_ONE_USER = (MINE, MENTIONS)  # the views that differ between users who see the same conversations
USER_OF_ROW = OuterRef("pk")  # the users are the rows of the outer query

Counts = dict[str, int]


class CountUpToLimit(Subquery):
    """The number of rows of a query that is cut at a limit."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def counts(facts: UserFacts, now: datetime | None = None) -> Counts:
    """Return the size of each view, and `unread`: unread conversations that are not a colleague's. At most COUNT_LIMIT.

    One query; the database stops at the limit in each view.
    """
    return counts_for_users([facts], now).get(facts.user_id or 0, {})


def counts_for_users(facts_of_users: Iterable[UserFacts], now: datetime | None = None) -> dict[int, Counts]:
    """Return the counts of many users by user id, in four or five queries for all who see the same channels.

    The conversations that all of them see are counted once; only the views that differ are counted for each.
    """
    now = now or timezone.now()
    groups: dict[UserFacts, list[UserFacts]] = {}  # the key is without a user: what the users of a group have in common
    for facts in facts_of_users:
        if facts.user_id is not None:
            groups.setdefault(replace(facts, user_id=None), []).append(facts)
    counts_by_user: dict[int, Counts] = {}
    for common, members in groups.items():
        reading = _Reading(common, members[0].sees_few, now)
        count = _count_for_group if len(members) > 1 else _count_for_each
        counts_by_user.update(count(reading, [int(facts.user_id or 0) for facts in members]))
    return counts_by_user


@dataclass(frozen=True)
class _Reading:
    """What is counted: for users with these facts, who see few conversations or many, at this time."""

    common: UserFacts
    sees_few: bool
    now: datetime


def _count_for_each(reading: _Reading, user_ids: Collection[int]) -> dict[int, Counts]:
    """Count every view for each user, in one query."""
    return _EVERY_VIEW.of(reading, user_ids)


def _every_view(common: UserFacts, user: UserRef, few: bool, now: datetime) -> dict[str, Conversations]:
    allowed = seen_by(user, common)
    if few and isinstance(user, int):  # a user of the outer query is none of a query in between
        allowed = found_first(allowed)
    sets = {name: counted_in_view(allowed, view, user, now) for name, view in VIEWS.items()}
    sets["unread"] = allowed.filter(Q(assignee_id=None) | Q(assignee_id=user), IS_UNREAD)
    return sets


def _count_for_group(reading: _Reading, user_ids: Collection[int]) -> dict[int, Counts]:
    """Count the shared views once, and for each user only their own; users who see more are counted separately."""
    separate = users_seeing_more(reading.common, user_ids)
    counts_by_user = _count_for_each(reading, separate) if separate else {}
    if others := [user_id for user_id in user_ids if user_id not in separate]:
        shared = _SHARED_VIEWS.of(reading, others[:1])[others[0]]
        for user_id, own in _OWN_VIEWS.of(reading, others).items():
            unread = min(COUNT_LIMIT, shared["unread"] + own["unread"])
            counts_by_user[user_id] = {**shared, **{name: own[name] for name in OF_ONE_USER}, "unread": unread}
    return counts_by_user


def _shared_views(common: UserFacts, _user: UserRef, few: bool, now: datetime) -> dict[str, Conversations]:
    allowed = found_first(seen_by_all(common)) if few else seen_by_all(common)
    sets = {name: in_view(allowed, view, 0, now) for name, view in VIEWS.items() if name not in OF_ONE_USER}
    return {**sets, "unread": _unread(allowed, None)}


def _own_views(common: UserFacts, user: UserRef, _few: bool, now: datetime) -> dict[str, Conversations]:
    allowed = seen_by_all(common)
    own = {name: counted_in_view(allowed, VIEWS[name], user, now) for name in OF_ONE_USER}
    return {**own, "unread": _unread(allowed, user)}


def _unread(allowed: Conversations, assignee_id: UserRef | None) -> Conversations:
    return allowed.filter(IS_UNREAD, assignee_id=assignee_id)


class _Counting:
    """Counts the sets of conversations that `sets_of(common, user, few, now)` returns, for users in one query."""

    def __init__(
        self, names: Iterable[str], sets_of: Callable[[UserFacts, UserRef, bool, datetime], Mapping[str, Conversations]]
    ) -> None:
        self.names, self._sets_of = tuple(names), sets_of
        self._prepared = {few: PreparedForFacts(partial(self._query, few)) for few in (False, True)}

    def of(self, reading: _Reading, user_ids: Collection[int]) -> dict[int, Counts]:
        """Return the size of each set for each of these users."""
        features = (settings.META_HUMAN_AGENT, settings.META_AD_WINDOW)
        prepared = self._prepared[reading.sees_few]
        rows = prepared.rows(reading.common, features, users=tuple(user_ids), now=reading.now)
        return {pk: dict(zip(self.names, numbers, strict=True)) for pk, *numbers in rows}

    def _query(self, few: bool, common: UserFacts, *, users: Sequence[int], now: datetime) -> QuerySet[User, Any]:
        # Of a user that the statement names PostgreSQL knows how many conversations are theirs.
        sets = self._sets_of(common, users[0] if len(users) == 1 else USER_OF_ROW, few, now)
        columns = {f"count_{name}": CountUpToLimit(_counted(name, sets[name], few)) for name in self.names}
        return User.objects.filter(pk__in=users).annotate(**columns).values_list("pk", *columns)


_EVERY_VIEW = _Counting((*VIEWS, "unread"), _every_view)
_SHARED_VIEWS = _Counting((*(name for name in VIEWS if name not in OF_ONE_USER), "unread"), _shared_views)
_OWN_VIEWS = _Counting((*OF_ONE_USER, "unread"), _own_views)


def _counted(name: str, rows: Conversations, are_few: bool) -> QuerySet[Conversation, Any]:
    """Return the first ids up to the limit, in the order of the view's index. Of a user who sees few, any.

    Without an order PostgreSQL expects to meet so many rows soon, and may read all conversations in vain.
    """
    field = {"closing": "last_customer_message_at"}.get(name, "-last_message_at")
    if name in ("blocked", MENTIONS):
        rows = rows.order_by()
    elif are_few and name != MINE:  # an index has what is assigned to each
        rows = rows.order_by(row_by_row.in_no_order(field.lstrip("-")))
    else:
        rows = rows.order_by(field)
    return rows.values("pk")[:COUNT_LIMIT]


@dataclass(frozen=True)
class Size:
    """How many conversations a list has, at most COUNT_LIMIT; `is_cut`: of the newest MOST_READ only."""

    number: int
    is_cut: bool = False


def sizes(user: User, facts: UserFacts, queries: Mapping[int, ListQuery], now: datetime) -> dict[int, Size]:
    """Return the size of lists without a search, by their keys. One query for all.

    The database stops at COUNT_LIMIT. Where no index knows what a filter wants, it reads the newest MOST_READ rows.
    """
    reader = filtering.Reader.of(facts, now)
    of_few = replace(reader, are_few=True)
    allowed = conversations_for(user, facts)
    allowed = found_first(allowed) if facts.sees_few else allowed
    columns: dict[str, Any] = {}
    for key, query in queries.items():
        indexed, rest = (query.filter, NO_FILTER) if facts.sees_few else filtering.divided(query.filter, facts)
        rows = narrowed(allowed, replace(query, filter=indexed), of_few if facts.sees_few else reader)
        if rest:
            newest = rows.order_by("-last_message_at", "-pk").values("pk")
            columns[f"cut_{key}"] = Exists(newest[MOST_READ : MOST_READ + 1])
            rows = filtering.matching(Conversation.objects.filter(pk__in=newest[:MOST_READ]), rest, of_few)
            counted = rows.order_by().values("pk")[:COUNT_LIMIT]
        else:
            counted = _counted(query.view.name, rows, facts.sees_few)
        columns[f"count_{key}"] = CountUpToLimit(counted)
    if not columns:
        return {}
    row: Mapping[str, Any] = User.objects.filter(pk=user.pk).values(**columns).get()
    return {key: Size(row[f"count_{key}"], row.get(f"cut_{key}", False)) for key in queries}


def with_views(ids: Collection[int], now: datetime) -> list[tuple[Conversation, frozenset[str]]]:
    """Return those of these conversations that exist, each with the names of the views it is in; two queries.

    The view MINE is here that of the assignee; MENTIONS, of which there may be many, is left out.
    """
    same = Conversation.objects.filter(pk=OuterRef("pk"))
    names = [name for name in VIEWS if name != MENTIONS]
    membership = {f"in_{name}": Exists(_in_view_of_assignee(same, name, now)) for name in names}
    rows = Conversation.objects.select_related(*RELATED).prefetch_related(LABELS)
    rows = rows.annotate(**membership).filter(pk__in=ids)
    return [(row, frozenset(name for name in names if getattr(row, f"in_{name}"))) for row in rows]


def _in_view_of_assignee(rows: Conversations, name: str, now: datetime) -> Conversations:
    return in_view(rows, VIEWS[name], F("assignee_id"), now)
