"""The names of what a list can be filtered by, as a user may see them. Each is a prepared query."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from desk.models import Department
from desk.prepared import Prepared
from tickets.services.conversation import access
from tickets.services.conversation.access import UserFacts
from tickets.services.inbox import labels as label_service

Rows = list[tuple[Any, ...]]


def _prepared(rows_for: Callable[[UserFacts], QuerySet[Any, Any]]) -> Callable[[UserFacts], Rows]:
    """Return a function from the facts of a user to the rows that `rows_for` describes with a `values_list`."""

    def build(
        sees_all: bool,
        leads: bool,
        *,
        user: int,
        channels: Sequence[int],
        departments: Sequence[int],
        granted: Sequence[int],
    ) -> QuerySet[Any, Any]:
        return rows_for(
            UserFacts(user, sees_all, frozenset(channels), frozenset(departments), leads, frozenset(granted))
        )

    prepared = Prepared(build)

    def rows(facts: UserFacts) -> Rows:
        return prepared.rows(
            (facts.sees_all, facts.leads),
            user=facts.user_id or 0,
            channels=tuple(facts.channel_ids),
            departments=tuple(facts.department_ids),
            granted=tuple(facts.granted),
        )

    return rows


def _channels(facts: UserFacts) -> QuerySet[Any, Any]:
    seen = access.channels_for(AnonymousUser(), facts)
    return seen.order_by("name").values_list("pk", "name", "department__name", "deleted_at")


def _departments(_facts: UserFacts) -> QuerySet[Any, Any]:
    return Department.objects.order_by("name").values_list("pk", "name")


def _labels(facts: UserFacts) -> QuerySet[Any, Any]:
    return label_service.seen_by(facts).values_list("pk", "name")


#: Channels: id, name, name of the department, and whether it was deleted (false or true in the sense of Python).
channels = _prepared(_channels)
#: Departments: id and name.
departments = _prepared(_departments)
#: Labels: id and name.
labels = _prepared(_labels)
