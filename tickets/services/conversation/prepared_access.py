"""Prepared queries (desk/prepared.py) that depend on what a user may see."""

from collections.abc import Callable, Sequence
from typing import Any, Generic

from django.db.models import QuerySet

from desk.prepared import Prepared, PreparedModels, Row, Value
from tickets.services.conversation.access import UserFacts


class _ForFacts:
    """A query for a user with certain facts, which `build(facts, **values)` returns."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build

    @staticmethod
    def _key(facts: UserFacts, key: tuple[object, ...]) -> tuple[object, ...]:
        return facts.user_id is None, facts.sees_all, facts.leads, key

    @staticmethod
    def _values(facts: UserFacts) -> dict[str, Value]:
        return {
            "user_id": facts.user_id or 0,
            "channel_ids": tuple(facts.channel_ids),
            "department_ids": tuple(facts.department_ids),
            "granted": tuple(facts.granted),
        }

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


class PreparedForFacts(_ForFacts):
    """A prepared query, which `build(facts, **values)` returns as a `values_list`."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        super().__init__(build)
        self._prepared = Prepared(self._query)

    def rows(self, facts: UserFacts, key: tuple[object, ...] = (), **values: Value) -> list[tuple[Any, ...]]:
        """Return the rows for a user with these facts; `key` and `values` as in `Prepared.rows`."""
        return self._prepared.rows(self._key(facts, key), **self._values(facts), **values)


class ModelsForFacts(_ForFacts, Generic[Row]):
    """A prepared query of models, which `build(facts, **values)` returns."""

    def __init__(self, build: Callable[..., QuerySet[Row, Row]]) -> None:
        super().__init__(build)
        self._prepared = PreparedModels[Row](self._query)

    def rows(self, facts: UserFacts, **values: Value) -> list[Row]:
        """Return the rows for a user with these facts; `values` as in `PreparedModels.rows`."""
        return self._prepared.rows(self._key(facts, ()), **self._values(facts), **values)
