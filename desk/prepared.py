"""Queries that are asked often: built once for each shape of their values, then only executed.

Django takes milliseconds to build a query with many conditions; the database often answers it in a tenth of that. A
prepared query is built with stand-ins, which are found again among the parameters and replaced at each call.

Models are made by the queryset and the compiler (`django.db.models.sql`) that built the statement. Both are copied for
each call, which several threads may make at once.
"""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

MAX_STATEMENTS = 200  # of one query; more shapes than that are not worth keeping
NEAR = timedelta(days=400)  # a time in a query is at most this far from the value it was computed from

_FIRST_INT = 4_611_686_018_000_000_000
_FIRST_TIME = datetime(1, 1, 1, tzinfo=UTC) + NEAR

_LARGEST_INT = 2**63 - 1  # of a column

Value = int | datetime | Sequence[int]
Row = TypeVar("Row", bound=Model)


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
    queryset: QuerySet[Any, Any]
    compiler: SQLCompiler  # knows which columns make which models; its query is built


class _Statements:
    """The statements of one query, by the shape of its values."""

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._by_shape: dict[Any, _Statement | None] = {}

    def find(self, key: tuple[object, ...], values: dict[str, Value]) -> tuple[_Statement, list[Any]] | None:
        """Return the statement and its parameters; None for a query that finds nothing, whatever the database holds."""
        given = {name: _padded(value) for name, value in values.items()}
        shape = (connection.vendor, key, tuple((name, _shape(value)) for name, value in given.items()))
        if shape not in self._by_shape:
            if len(self._by_shape) >= MAX_STATEMENTS:
                self._by_shape.clear()
            self._by_shape[shape] = _compile(self._build, key, given)
        statement = self._by_shape[shape]
        if statement is None:
            return None
        places = statement.parameters
        return statement, [_filled(each, given) if isinstance(each, _Place) else each for each in places]


class Prepared:
    """A query of numbers and texts, which `build(**values)` returns as a `values_list`.

    Values are ids (int), sequences of ids, and aware times. `build` must put them into the query as they are; times may
    be shifted by less than NEAR. Whatever else decides about the query goes into `key`.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._statements = _Statements(build)

    def rows(self, key: tuple[object, ...] = (), **values: Value) -> list[tuple[Any, ...]]:
        """Return the rows as the database gives them (SQLite: times as texts).

        `key` is passed to `build` as its positional arguments.
        """
        found = self._statements.find(key, values)
        if found is None:
            return []
        statement, parameters = found
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, parameters)
            return cursor.fetchall()


class PreparedModels(Generic[Row]):
    """A query of models, which `build(**values)` returns, also with `select_related` and `prefetch_related`.

    For values and `key`, see Prepared. An id that no column can hold is one that no row has, as for Django.
    """

    def __init__(self, build: Callable[..., QuerySet[Row, Row]]) -> None:
        self._build, self._statements = build, _Statements(build)

    def rows(self, key: tuple[object, ...] = (), **values: Value) -> list[Row]:
        """Return new instances, as the query itself would. `key` is passed to `build` as its positional arguments."""
        if not all(map(_fits, values.values())):
            return list(self._build(*key, **values))
        found = self._statements.find(key, values)
        if found is None:
            return []
        statement, parameters = found
        compiler = copy(statement.compiler)
        compiler.as_sql = lambda *_options, **_more: (statement.sql, tuple(parameters))  # type: ignore[method-assign]
        queryset = statement.queryset.all()
        queryset.query.get_compiler = lambda *_database, **_more: compiler  # type: ignore[method-assign]
        return list(queryset)

    def by_id(self, ids: Collection[int]) -> dict[int, Row]:
        """Return the rows by id of a query that takes `ids`, as `in_bulk` does."""
        return {row.pk: row for row in self.rows(ids=[pk for pk in ids if _fits(pk)])}


def _padded(value: Value) -> int | datetime | tuple[int, ...]:
    """Return a sequence with its last id repeated up to a power of two: fewer shapes, and IN finds the same."""
    if isinstance(value, int | datetime):
        return value
    ids = tuple(value)
    return ids + ids[-1:] * ((1 << (len(ids) - 1).bit_length()) - len(ids)) if ids else ids


def _fits(value: Value) -> bool:
    """Return whether a column can hold this id, or all of these."""
    if isinstance(value, datetime):
        return True
    return all(abs(each) <= _LARGEST_INT for each in ((value,) if isinstance(value, int) else value))


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
    queryset = build(*key, **stand_ins)
    compiler = queryset.query.get_compiler(connection=connection)  # not that of this thread, but a proxy for each
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return None
    if str(_FIRST_INT)[:10] in sql:
        raise ValueError("A value stands in the text of the query, where it cannot be replaced.")
    places = tuple(_place_of(each, numbers, times) for each in parameters)
    return _Statement(sql, places, queryset, compiler)


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
