"""In which views a conversation stands, and how many each view holds: never by counting all rows."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from django.db.models import Exists, F, IntegerField, OuterRef, Q, Subquery
from django.utils import timezone

from desk.models import User
from tickets.models import Conversation
from tickets.services.conversation.access import UserFacts, own_besides, seen_alike, seen_by
from tickets.services.inbox.listing import RELATED, VIEWS, Conversations, UserId, in_view

COUNT_LIMIT = 100  # a badge says 99+ from here on; the database stops counting there too
MINE = "mine"

Counts = dict[str, int]


class _CountUpToLimit(Subquery):
    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def counts(facts: UserFacts, now: datetime | None = None) -> Counts:
    """How many conversations each view holds, and `unread` of those not assigned to a colleague. At most COUNT_LIMIT.

    One query; the database stops at the limit in each view.
    """
    return counts_of([facts], now).get(facts.user_id or 0, {})


def counts_of(everybody: Iterable[UserFacts], now: datetime | None = None) -> dict[int, Counts]:
    """The same for many users by their id: four queries, five at most, for all who see the same channels.

    What they see alike is counted once, and for each only what is their own.
    """
    now = now or timezone.now()
    alike: dict[UserFacts, list[int]] = {}
    for facts in everybody:
        if facts.user_id is not None:
            alike.setdefault(replace(facts, user_id=OuterRef("pk")), []).append(facts.user_id)
    found = {}
    for facts, user_ids in alike.items():
        found.update(_of_group(facts, user_ids, now) if len(user_ids) > 1 else _of_each(facts, user_ids, now))
    return found


def _of_each(facts: UserFacts, user_ids: Collection[int], now: datetime) -> dict[int, Counts]:
    """Everything counted for each; `facts.user_id` refers to the user of each row."""
    allowed = seen_by(facts)
    sets = {name: in_view(allowed, view, facts.user_id, now) for name, view in VIEWS.items()}
    sets["unread"] = allowed.filter(Q(assignee_id=None) | Q(assignee_id=facts.user_id), unread_count__gt=0)
    return _counted(sets, user_ids)


def _of_group(facts: UserFacts, user_ids: Collection[int], now: datetime) -> dict[int, Counts]:
    alone = own_besides(facts, user_ids)
    found = _of_each(facts, alone, now) if alone else {}
    if others := [user_id for user_id in user_ids if user_id not in alone]:
        allowed = seen_alike(facts)
        sets = {name: in_view(allowed, view, 0, now) for name, view in VIEWS.items() if name != MINE}
        together = _counted({**sets, "unread": _unread(allowed, None)}, others[:1])[others[0]]
        mine = in_view(allowed, VIEWS[MINE], facts.user_id, now)
        for user_id, own in _counted({MINE: mine, "unread": _unread(allowed, facts.user_id)}, others).items():
            unread = min(COUNT_LIMIT, together["unread"] + own["unread"])
            found[user_id] = {**together, MINE: own[MINE], "unread": unread}
    return found


def _unread(allowed: Conversations, assignee_id: UserId | None) -> Conversations:
    return allowed.filter(assignee_id=assignee_id, unread_count__gt=0)


def _counted(sets: Mapping[str, Conversations], user_ids: Collection[int]) -> dict[int, Counts]:
    """How many are in each set, which may refer to the user of the row (OuterRef), for each of these users."""
    columns = {
        f"count_{name}": _CountUpToLimit(rows.order_by().values("pk")[:COUNT_LIMIT]) for name, rows in sets.items()
    }
    rows = User.objects.filter(pk__in=user_ids).annotate(**columns).values_list("pk", *columns)
    return {pk: dict(zip(sets, numbers, strict=True)) for pk, *numbers in rows}


def with_views(ids: Collection[int], now: datetime) -> list[tuple[Conversation, frozenset[str]]]:
    """Those of these conversations that are there, each with the names of the views it stands in; one query.

    MINE is then a view of the assignee alone.
    """
    same = Conversation.objects.filter(pk=OuterRef("pk"))
    marks = {f"in_{name}": Exists(_in_view_of_assignee(same, name, now)) for name in VIEWS}
    rows = Conversation.objects.select_related(*RELATED).annotate(**marks).filter(pk__in=ids)
    return [(row, frozenset(name for name in VIEWS if getattr(row, f"in_{name}"))) for row in rows]


def _in_view_of_assignee(rows: Conversations, name: str, now: datetime) -> Conversations:
    return in_view(rows, VIEWS[name], F("assignee_id"), now)
