"""Conditions that the database asks of one row after the other, in the order of a list.

With EXISTS PostgreSQL may instead read the other table first, and compare all of it with all rows of the list.
"""

from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db.models import BooleanField, Case, Model, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull

Row = TypeVar("Row", bound=Model)


def some(rows: QuerySet[Any, Any]) -> IsNull:
    """Return the condition that `rows`, which refers to the outer row, finds something."""
    return IsNull(Subquery(rows.order_by().values("pk")[:1]), False)


def none_of(*conditions: Any) -> Case:
    """Return the condition that none of these is true. The database expects that half of all rows fulfil it."""
    found = [When(condition, then=Value(False)) for condition in conditions]
    return Case(*found, default=Value(True), output_field=BooleanField())


def holds(condition: Any) -> Case:
    """Return `condition` without an index of its own: the database expects that half of all rows have it."""
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())


def in_no_order(field: str) -> Coalesce:
    """Return the column to sort a few rows by. The database would else read an index in that order, to find them."""
    return Coalesce(field, field)


def first(rows: QuerySet[Row, Row], condition: Any, size: int, most: int) -> tuple[list[Row], Row | None]:
    """Return the first `size` of the ordered `rows` for which the condition is true; of at most `most` that are read.

    One statement, which ends when it has found enough. Second is the last row that it read when `most` ended it. Both
    have the fields of `rows.only(…)`.
    """
    looked_at = rows.annotate(belongs=holds(condition))[:most]  # as a value: a condition that nothing fulfils is no SQL
    try:
        inner, values = looked_at.query.sql_with_params()
    except EmptyResultSet:
        return [], None
    # The numbers say whether `most` was reached. Neither they nor a condition outside the limit change the order.
    numbered = f"SELECT looked_at.*, ROW_NUMBER() OVER () AS place FROM ({inner}) looked_at"  # noqa: S608 - Django's
    statement = f"SELECT * FROM ({numbered}) numbered WHERE belongs OR place = %s LIMIT %s"  # noqa: S608
    read: list[Any] = list(rows.model._default_manager.raw(statement, [*values, most, size]))
    found = [row for row in read if row.belongs]
    is_cut = len(found) < size and bool(read) and read[-1].place == most
    return found, read[-1] if is_cut else None
