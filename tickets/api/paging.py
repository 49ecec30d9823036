"""Keyset paging: `{next, previous, results}`, exact and equally fast on every page."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import DateTimeField, Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tickets.api.errors import BadParameterError

BAD_CURSOR = (
    "This cursor is invalid or belongs to another ordering. Use the next or previous URL of a response unchanged, or "
    "start again without a cursor."
)
MAX_ID = 2**63 - 1
MOST_READ = 5000  # ids at once, of which a view keeps some


Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Cursor:
    """A position between two rows: just after the row with this value and id, or just before it when backward."""

    ordering: str
    backward: bool
    value: datetime | int | None
    pk: int

    def encode(self) -> str:
        """Return the cursor as URL-safe text."""
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        packed = json.dumps([self.ordering, self.backward, value, self.pk], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def decode(text: str, orderings: Sequence[str], model: type[Model]) -> Cursor:
    """Return the cursor in `text`. Raises BadParameterError unless `Cursor.encode` wrote it for one of `orderings`."""
    try:
        packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        ordering, backward, value, pk = json.loads(packed)
        if ordering not in orderings or not isinstance(backward, bool) or not _is_id(pk):
            raise ValueError
        if isinstance(model._meta.get_field(ordering.lstrip("-")), DateTimeField):
            value = None if value is None else _utc(value)
        elif not _is_id(value):
            raise ValueError
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadParameterError("cursor", BAD_CURSOR) from error
    return Cursor(ordering, backward, value, pk)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID


class OrderedView(APIView):
    """A view that KeysetPaging pages.

    `orderings` are names of model fields, with a minus for descending; the first is the default.
    """

    orderings: tuple[str, ...]

    def kept(self, ids: list[int]) -> list[int]:
        """Return those of these ids, read for a page, that belong to the list; a view that omits some orders by id."""
        return ids

    def by_id(self, queryset: QuerySet[Any, Any], ids: list[int]) -> Mapping[int, Any]:
        """Return the rows with these ids, which were just read from `queryset`."""
        return queryset.in_bulk(ids)


class KeysetPaging(BasePagination):
    """Page an OrderedView by (value of the ordering's field, id). A row without a value counts as the smallest."""

    page_size = 50
    max_page_size = 200

    rows: Sequence[Model]

    def paginate_queryset(  # type: ignore[override]  # pages rows of models only, no other sequences
        self, queryset: QuerySet[Row, Row], request: Request, view: APIView | None = None
    ) -> list[Row]:
        """Return the rows of the page that the request names. Raises BadParameterError."""
        if not isinstance(view, OrderedView):
            raise TypeError("KeysetPaging needs a view with orderings.")
        self.request = request
        size = self._page_size()
        orderings = view.orderings
        self.ordering = self._ordering(orderings)
        cursor = self._cursor(orderings, queryset.model)
        backward = cursor is not None and cursor.backward
        self.field = self.ordering.lstrip("-")
        self.nullable = queryset.model._meta.get_field(self.field).null

        descending = self.ordering.startswith("-") != backward
        # The ids first, the rows in a second query: with a join SQLite begins at the joined table and sorts all rows.
        ids = self._kept_ids(view, queryset, cursor, descending, size + 1)
        by_id = view.by_id(queryset, ids[:size])
        more, rows = len(ids) > size, [by_id[pk] for pk in ids[:size] if pk in by_id]
        if backward:
            rows.reverse()
        self.has_next = backward or more
        self.has_previous = more if backward else cursor is not None
        self.rows = rows
        return rows

    def get_paginated_response(self, data: list[Any]) -> Response:
        return Response({"next": self._next(), "previous": self._previous(), "results": data})

    # --- parameters ---------------------------------------------------------------------------------------------------
    def _page_size(self) -> int:
        text = self.request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= self.max_page_size):
            raise BadParameterError("page_size", f"page_size must be a whole number from 1 to {self.max_page_size}.")
        return int(text)

    def _ordering(self, orderings: Sequence[str]) -> str:
        ordering = self.request.query_params.get("ordering") or orderings[0]
        if ordering not in orderings:
            raise BadParameterError("ordering", f"ordering must be one of: {', '.join(orderings)}.")
        return ordering

    def _cursor(self, orderings: Sequence[str], model: type[Model]) -> Cursor | None:
        text = self.request.query_params.get("cursor")
        if not text:
            return None
        cursor = decode(text, orderings, model)
        if cursor.ordering != self.ordering:
            raise BadParameterError("cursor", BAD_CURSOR)
        return cursor

    def _kept_ids(
        self, view: OrderedView, queryset: QuerySet[Row, Row], cursor: Cursor | None, descending: bool, number: int
    ) -> list[int]:
        """Return the next `number` ids that the view keeps: it reads on until these are enough."""
        found: list[int] = []
        step = number
        while True:
            ids = self._ids(queryset, cursor, descending, step)
            found += view.kept(ids)
            if len(found) >= number or len(ids) < step:
                return found[:number]
            cursor, step = Cursor(self.ordering, False, ids[-1], ids[-1]), min(step * 10, MOST_READ)

    # --- the query ----------------------------------------------------------------------------------------------------
    def _ids(self, queryset: QuerySet[Row, Row], cursor: Cursor | None, descending: bool, number: int) -> list[int]:
        """Return the ids of the next `number` rows after the cursor, in the direction of reading.

        Rows without a value are read by a query of their own: no index has NULLS LAST, so that the database would sort
        all rows.
        """
        sign = "-" if descending else ""
        if self.field == "id" or not self.nullable:
            order = [f"{sign}pk"] if self.field == "id" else [f"{sign}{self.field}", f"{sign}pk"]
            ordered = self._after(queryset, cursor, descending).order_by(*order)
            return list(ordered.values_list("pk", flat=True)[:number])
        with_value = queryset.filter(**{f"{self.field}__isnull": False}).order_by(f"{sign}{self.field}", f"{sign}pk")
        without = queryset.filter(**{f"{self.field}__isnull": True}).order_by(f"{sign}pk")
        is_without = cursor is not None and cursor.value is None
        parts = [with_value, without] if descending else [without, with_value]
        if cursor is not None:
            in_second = is_without == descending  # the cursor is in the part that is read last
            parts = parts[1:] if in_second else parts
            parts[0] = self._after(parts[0], cursor, descending)
        ids: list[int] = []
        for part in parts:
            if len(ids) < number:
                ids += part.values_list("pk", flat=True)[: number - len(ids)]
        return ids

    def _after(self, queryset: QuerySet[Row, Row], cursor: Cursor | None, descending: bool) -> QuerySet[Row, Row]:
        """Return the rows after the cursor among those that have a value, or that have none, as the cursor's row."""
        if cursor is None:
            return queryset
        comparison = "lt" if descending else "gt"
        tie = Q(**{f"pk__{comparison}": cursor.pk})
        if self.field == "id" or cursor.value is None:
            return queryset.filter(tie)
        past = Q(**{f"{self.field}__{comparison}": cursor.value})
        tied = Q(**{self.field: cursor.value}) & tie
        # A range for the index, then the tie.
        return queryset.filter(Q(**{f"{self.field}__{comparison}e": cursor.value}) & (past | tied))

    # --- URLs ---------------------------------------------------------------------------------------------------------
    def _next(self) -> str | None:
        if not self.has_next:
            return None
        return self._url(self._cursor_at(self.rows[-1], backward=False) if self.rows else None)

    def _previous(self) -> str | None:
        if not self.has_previous:
            return None
        return self._url(self._cursor_at(self.rows[0], backward=True) if self.rows else None)

    def _cursor_at(self, row: Model, *, backward: bool) -> Cursor:
        return Cursor(self.ordering, backward, getattr(row, self.field), row.pk)

    def _url(self, cursor: Cursor | None) -> str:
        """Return this request's URL with another cursor; None, as after an empty page, is the first page."""
        query = [(name, value) for name, values in self.request.query_params.lists() for value in values]
        query = [pair for pair in query if pair[0] != "cursor"]
        if cursor is not None:
            query.append(("cursor", cursor.encode()))
        path = self.request.build_absolute_uri(self.request.path)
        return f"{path}?{urlencode(query)}" if query else path

    # --- OpenAPI ------------------------------------------------------------------------------------------------------
    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        if not isinstance(view, OrderedView):
            raise TypeError("KeysetPaging needs a view with orderings.")
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page begins. Use the URLs in `next` and `previous`.",
                "schema": {"type": "string"},
            },
            {
                "name": "ordering",
                "in": "query",
                "description": "The order of the rows. A minus means descending.",
                "schema": {"type": "string", "enum": list(view.orderings), "default": view.orderings[0]},
            },
            {
                "name": "page_size",
                "in": "query",
                "description": "Rows per page.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.max_page_size,
                    "default": self.page_size,
                },
            },
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        url = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**url, "example": "https://desk.example.com/api/v1/messages/?cursor=WyItc2VudF9hdCJd"},
                "previous": {**url, "example": None},
                "results": schema,
            },
        }
