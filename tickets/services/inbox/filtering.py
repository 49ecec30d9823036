"""Conditions of the filters of the inbox. Each field of `tickets.rules.filters` has one in CONDITIONS.

Those of custom fields are in `field_filters`.

A condition never joins, and offers the database an index only when it gives the rows in the order of the list: with a
join, or an index of several values, the database would sort all rows that match.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.db.models import Case, Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from desk import row_by_row
from desk.one_of import OneOf
from tickets.models import Conversation, Ticket
from tickets.rules.filters import CLOSED, FIELDS, ME, NO, NO_FILTER, NOBODY, OPEN, SOON, YES, Filter, age, moment_of
from tickets.rules.window import AD_WINDOW, HUMAN_AGENT_WINDOW, RESPONSE_WINDOW
from tickets.services.conversation.access import UserFacts, UserRef
from tickets.services.inbox import field_filters
from tickets.services.inbox.field_filters import NO_FIELDS, KnownFields

Conversations = QuerySet[Conversation, Conversation]
Values = tuple[str, ...]

CLOSING_SOON = timedelta(hours=2)
#: Fields that no index gives in the order of a list. Custom fields have none either.
WITHOUT_INDEX = ("label", "priority", "window", "opened_since", "opened_until")
RARE = 1000  # conversations: then they are found by their ids, instead of being looked for in the order of the list
# SQLite uses a partial index only when the query has its condition without parameters.
_ZERO = Func(template="0", output_field=IntegerField())
IS_UNREAD = Q(unread_count__gt=_ZERO)


@dataclass(frozen=True)
class Reader:
    """For whom, when and in which time zone a filter is read, and by which custom fields this user may filter.

    `are_few`: the rows are few already. Then one is looked at after the other, and what matches is not read first.
    """

    user_id: UserRef
    now: datetime
    zone: tzinfo
    fields: KnownFields = NO_FIELDS
    are_few: bool = False

    @classmethod
    def of(cls, facts: UserFacts, now: datetime) -> "Reader":
        """Return the user with these facts, in the current time zone."""
        return cls(facts.user_id or 0, now, timezone.get_current_timezone(), KnownFields.seen_by(facts))


Condition = Callable[[Conversations, Values, Reader], Conversations]


def matching(rows: Conversations, filter_: Filter, reader: Reader) -> Conversations:
    """Return those of `rows` that the filter describes."""
    for name, values in filter_.values:
        if name in CONDITIONS:
            rows = CONDITIONS[name](rows, values, reader)
    return field_filters.narrowed(rows, filter_, reader.fields, reads_owners=not reader.are_few)


def divided(filter_: Filter, facts: UserFacts) -> tuple[Filter, Filter]:
    """Return the part of the filter that indexes give in the order of a list, and the part that they do not.

    The second is also what asks for several channels or departments that are all of others: the user sees few
    conversations there, or none, but the database would look for them in the order of the list.
    """
    indexed, rest = filter_, NO_FILTER
    for name, values in filter_.values:
        if name in WITHOUT_INDEX or name not in FIELDS or _are_of_others(name, values, facts):
            indexed, rest = indexed.having(name), rest.having(name, *values)
    return indexed, rest


def _are_of_others(name: str, values: Values, facts: UserFacts) -> bool:
    """Return whether these are several channels or departments, none of which is the user's."""
    own = {"channel": facts.channel_ids, "department": facts.department_ids}.get(name)
    return own is not None and not facts.sees_all and len(values) > 1 and own.isdisjoint(map(int, values))


def rare(rows: Conversations, filter_: Filter, reader: Reader) -> Conversations:
    """Return those of `rows` that can match the filter by what is rare in it; of anything else nothing is decided.

    One query for each label, time and custom field that the filter names, which stops when it has found too many.
    """
    for name, values in filter_.values:
        if name in FOUND_BY:
            found = list(FOUND_BY[name](values, reader)[: RARE + 1])
            if len(found) <= RARE:
                rows = rows.filter(OneOf("pk", found))
    return field_filters.with_few_owners(rows, filter_, reader.fields)


def window_length() -> timedelta:
    """Return how long after the customer's last message an agent may reply: 7 days, or 24 hours without Human Agent."""
    return HUMAN_AGENT_WINDOW if settings.META_HUMAN_AGENT else RESPONSE_WINDOW


def _ads_count() -> bool:
    """Return whether an ad can keep a window open: with Human Agent the window of an ad never closes last."""
    return bool(settings.META_AD_WINDOW) and not settings.META_HUMAN_AGENT


def closing_soon(rows: Conversations, now: datetime) -> Conversations:
    """Return those of `rows` whose messaging window closes within CLOSING_SOON."""
    closes = now - window_length()
    closing = Q(last_customer_message_at__gt=closes, last_customer_message_at__lte=closes + CLOSING_SOON)
    if not _ads_count():
        return rows.filter(closing)
    ad_closes = now - AD_WINDOW
    wrote_since = Q(opened_by_ad_at__isnull=False, opened_by_ad_at__lte=F("last_customer_message_at"))
    closing_ad = Q(opened_by_ad_at__gt=ad_closes, last_customer_message_at__lte=closes + CLOSING_SOON)
    stays_open = Case(When(wrote_since & Q(opened_by_ad_at__gt=ad_closes + CLOSING_SOON), then=True), default=False)
    return rows.alias(stays_open=stays_open).filter(closing | wrote_since & closing_ad, stays_open=False)


def _window(rows: Conversations, values: Values, reader: Reader) -> Conversations:
    if values == (SOON,):
        return closing_soon(rows, reader.now)
    is_open = Q(last_customer_message_at__gt=reader.now - window_length())
    if _ads_count():
        since = Q(opened_by_ad_at__gt=reader.now - AD_WINDOW, opened_by_ad_at__lte=F("last_customer_message_at"))
        is_open |= since
    # As an expression, so that an empty time is "closed", and no index in another order is used.
    return rows.filter((row_by_row.holds if values == (OPEN,) else row_by_row.none_of)(is_open))


def _assignee(rows: Conversations, values: Values, reader: Reader) -> Conversations:
    ids: list[Any] = [reader.user_id if value == ME else int(value) for value in values if value != NOBODY]
    if len(values) == 1:
        return rows.filter(assignee_id=ids[0] if ids else None)
    if NOBODY in values:
        ids.append(0)
    return rows.alias(of_agent=Coalesce("assignee_id", 0)).filter(of_agent__in=ids)


def _in(column: str) -> Condition:
    """Return the condition that a foreign key is one of the values."""

    def condition(rows: Conversations, values: Values, reader: Reader) -> Conversations:
        if len(values) == 1:
            return rows.filter(**{column: int(values[0])})
        name = f"several_{column}"
        return rows.alias(**{name: F(column) + 0}).filter(**{f"{name}__in": [int(value) for value in values]})

    return condition


def _status(rows: Conversations, values: Values, reader: Reader) -> Conversations:
    if values == (CLOSED,):
        return rows.filter(is_open=False, current_ticket__isnull=False)
    return rows.filter(is_open=True)


def _label(rows: Conversations, values: Values, reader: Reader) -> Conversations:
    ids = [int(value) for value in values]
    labeled = Ticket.labels.through._default_manager.filter(ticket=OuterRef("current_ticket"), label__in=ids)
    return _with(rows, labeled, reader)


def _of_ticket(rows: Conversations, reader: Reader, **conditions: Any) -> Conversations:
    return _with(rows, Ticket.objects.filter(pk=OuterRef("current_ticket"), **conditions), reader)


def _with(rows: Conversations, found: QuerySet[Any, Any], reader: Reader) -> Conversations:
    """Return those of `rows` for which `found`, which refers to the row, finds something."""
    return rows.filter(row_by_row.some(found) if reader.are_few else Exists(found))


def _waiting(rows: Conversations, values: Values, reader: Reader) -> Conversations:
    if values == (NO,):
        return rows.filter(waiting_since__isnull=True)
    rows = rows.filter(waiting_since__isnull=False)
    length = age(values[0])
    if length is None:
        return rows
    # Read by the newest message, not by this time.
    return rows.filter(row_by_row.holds(Q(waiting_since__lte=reader.now - length)))


def _time(field: str, *, is_end: bool, of_ticket: bool = False) -> Condition:
    def condition(rows: Conversations, values: Values, reader: Reader) -> Conversations:
        period = _period(field, values, reader, is_end=is_end)
        return _of_ticket(rows, reader, **period) if of_ticket else rows.filter(**period)

    return condition


def _period(field: str, values: Values, reader: Reader, *, is_end: bool) -> dict[str, datetime]:
    """Return the condition of a time of the rows that have it."""
    moment = moment_of(values[0], reader.now, reader.zone, is_end=is_end)
    return {f"{field}__lt" if is_end else f"{field}__gte": moment}


def _of_labels(values: Values, reader: Reader) -> QuerySet[Any, int]:
    labeled = Ticket.labels.through._default_manager.filter(label__in=[int(value) for value in values])
    return labeled.values_list("ticket__conversation", flat=True)


def _opened(*, is_end: bool) -> Callable[[Values, Reader], QuerySet[Any, int]]:
    def found(values: Values, reader: Reader) -> QuerySet[Any, int]:
        opened = Ticket.objects.filter(**_period("opened_at", values, reader, is_end=is_end))
        return opened.order_by("opened_at" if is_end else "-opened_at").values_list("conversation", flat=True)

    return found


#: Field → its condition.
CONDITIONS: dict[str, Condition] = {
    "assignee": _assignee,
    "department": _in("department_id"),
    "channel": _in("channel_id"),
    "status": _status,
    "label": _label,
    "priority": lambda rows, values, reader: _of_ticket(rows, reader, priority__in=values),
    "unread": lambda rows, values, reader: rows.filter(IS_UNREAD if values == (YES,) else Q(unread_count=0)),
    "waiting": _waiting,
    "window": _window,
    "snoozed": lambda rows, values, reader: rows.filter(is_snoozed=values == (YES,)),
    "since": _time("last_message_at", is_end=False),
    "until": _time("last_message_at", is_end=True),
    "opened_since": _time("opened_at", is_end=False, of_ticket=True),
    "opened_until": _time("opened_at", is_end=True, of_ticket=True),
}

#: Field → the conversations (ids) with a ticket that it describes, read off an index, to see whether they are few.
FOUND_BY: dict[str, Callable[[Values, Reader], QuerySet[Any, int]]] = {
    "label": _of_labels,
    "opened_since": _opened(is_end=False),
    "opened_until": _opened(is_end=True),
}
