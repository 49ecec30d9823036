"""Conditions that the database asks of one row after the other, in the order of a list.

With EXISTS PostgreSQL may instead read the other table first, and compare all of it with all rows of the list.
"""

from typing import Any

from django.db.models import BooleanField, Case, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull


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
