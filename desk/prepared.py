"""Queries that are asked often: built once for each shape of their values, then only executed.

Django takes milliseconds to build a query with many conditions; the database often answers it in a tenth of that. A
prepared query is built with stand-ins, which are found again among the parameters and replaced at each call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

MAX_STATEMENTS = 200  # of one query; more shapes than that are not worth keeping
NEAR = timedelta(days=400)  # a time in a query is at most this far from the value it was computed from

_FIRST_INT = 4_611_686_018_000_000_000
_FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC) + NEAR

Value = int | datetime | Sequence[int]


@dataclass(frozen=True)
class _Place:
    """Where a parameter comes from: a value by name, an element of it by index, or a time shifted by `shift`."""

    name: str
    index: int | None = None
    shift: timedelta = timedelta(0)
    kind: type = int


@dataclass(frozen=True)
class _Statement:
    sql: str
    parameters: tuple[Any, ...]  # those that are a _Place are replaced


class Prepared:
    """A query of numbers, which `build(**values)` returns as a `values_list`.

    Values are ids (int), sequences of ids, and aware times. `build` must put them into the query as they are; times may
    be shifted by less than NEAR. Whatever else decides about the query goes into `key`.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._statements: dict[Any, _Statement | None] = {}

    def rows(self, key: tuple[object, ...] = (), **values: Value) -> list[tuple[Any, ...]]:
        """Return the rows as the database gives them (SQLite: times as texts).

        `key` is passed to `build` as its positional arguments.
        """
        given = {name: _padded(value) for name, value in values.items()}
        shape = (connection.vendor, key, tuple((name, _shape(value)) for name, value in given.items()))
        if shape not in self._statements:
            if len(self._statements) >= MAX_STATEMENTS:
                self._statements.clear()
            self._statements[shape] = _compile(self._build, key, given)
        statement = self._statements[shape]
        if statement is None:
            return []
        parameters = [_filled(each, given) if isinstance(each, _Place) else each for each in statement.parameters]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, parameters)
            return cursor.fetchall()


def _padded(value: Value) -> int | datetime | tuple[int, ...]:
    """Return a sequence with its last id repeated up to a power of two: fewer shapes, and IN finds the same."""
    if isinstance(value, int | datetime):
        return value
    ids = tuple(value)
    return ids + ids[-1:] * ((1 << (len(ids) - 1).bit_length()) - len(ids)) if ids else ids


def _shape(value: int | datetime | tuple[int, ...]) -> object:
    return len(value) if isinstance(value, tuple) else type(value)


def _compile(
    build: Callable[..., QuerySet[Any, Any]], key: tuple[object, ...], given: dict[str, Any]
) -> _Statement | None:
    """Build the query with stand-ins, and find the places of the values among its parameters.

    Return None for a query that finds nothing, whatever the database holds.
    """
    numbers: dict[int, _Place] = {}
    times: dict[datetime, _Place] = {}

    def number(place: _Place) -> int:
        stand_in = _FIRST_INT + len(numbers)
        numbers[stand_in] = place
        return stand_in

    stand_ins: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, datetime):
            stand_ins[name] = _FIRST_TIME + len(times) * 3 * NEAR
            times[stand_ins[name]] = _Place(name)
        elif isinstance(value, tuple):
            stand_ins[name] = tuple(number(_Place(name, index)) for index in range(len(value)))
        else:
            stand_ins[name] = number(_Place(name))
    try:
        sql, parameters = build(*key, **stand_ins).query.sql_with_params()
    except EmptyResultSet:
        return None
    if str(_FIRST_INT)[:10] in sql:
        raise ValueError("A value stands in the text of the query, where it cannot be replaced.")
    return _Statement(sql, tuple(_place_of(each, numbers, times) for each in parameters))


def _place_of(parameter: Any, numbers: dict[int, _Place], times: dict[datetime, _Place]) -> Any:
    """Return the place of a parameter that is a stand-in, else the parameter."""
    if isinstance(parameter, int) and not isinstance(parameter, bool) and parameter in numbers:
        place = numbers[int(parameter)]
        return _Place(place.name, place.index, kind=type(parameter))  # PostgreSQL's parameters have types of their own
    moment = _time_of(parameter)
    for stand_in, place in times.items():
        if moment is not None and abs(moment - stand_in) < NEAR:
            return _Place(place.name, shift=moment - stand_in, kind=datetime)
    return parameter


def _time_of(parameter: Any) -> datetime | None:
    """Return the time in a parameter: SQLite's are texts without a zone, in UTC."""
    if isinstance(parameter, str):
        try:
            parameter = datetime.fromisoformat(parameter)
        except ValueError:
            return None
    if not isinstance(parameter, datetime):
        return None
    return parameter if parameter.tzinfo else parameter.replace(tzinfo=UTC)


def _filled(place: _Place, given: dict[str, Any]) -> Any:
    value = given[place.name]
    if place.kind is datetime:
        return connection.ops.adapt_datetimefield_value(value + place.shift)
    return place.kind(value if place.index is None else value[place.index])
