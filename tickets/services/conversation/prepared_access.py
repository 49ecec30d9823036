"""Prepared queries (desk/prepared.py) that depend on what a user may see."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet

from desk.prepared import Prepared, Value
from tickets.services.conversation.access import UserFacts


class PreparedForFacts:
    """A prepared query, which `build(facts, **values)` returns as a `values_list`."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._prepared = Prepared(self._query)

    def rows(self, facts: UserFacts, key: tuple[object, ...] = (), **values: Value) -> list[tuple[Any, ...]]:
        """Return the rows for a user with these facts; `key` and `values` as in `Prepared.rows`."""
        return self._prepared.rows(
            (facts.user_id is None, facts.sees_all, facts.leads, key),
            user_id=facts.user_id or 0,
            channel_ids=tuple(facts.channel_ids),
            department_ids=tuple(facts.department_ids),
            granted=tuple(facts.granted),
            **values,
        )

    def _query(
        self,
        is_nobody: bool,
        sees_all: bool,
        leads: bool,
        _key: object,
        *,
        user_id: int,
        channel_ids: Sequence[int],
        department_ids: Sequence[int],
        granted: Sequence[int],
        **values: Any,
    ) -> QuerySet[Any, Any]:
        facts = UserFacts(
            None if is_nobody else user_id,
            sees_all,
            frozenset(channel_ids),
            frozenset(department_ids),
            leads,
            frozenset(granted),
        )
        return self._build(facts, **values)
