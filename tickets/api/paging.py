"""Keyset paging: `{next, previous, results}`, exact and equally fast on every page."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import DateTimeField, F, Model, Q, QuerySet
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
        if cursor is not None:
            queryset = queryset.filter(self._beyond(cursor, descending))
        rows = list(queryset.order_by(*self._order_by(descending))[: size + 1])
        more, rows = len(rows) > size, rows[:size]
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

    # --- the query ----------------------------------------------------------------------------------------------------
    def _order_by(self, descending: bool) -> list[Any]:
        pk = "-pk" if descending else "pk"
        if self.field == "id":
            return [pk]
        if not self.nullable:  # without NULLS FIRST or LAST, so that the index fits
            return [f"-{self.field}" if descending else self.field, pk]
        field = F(self.field)
        return [field.desc(nulls_last=True) if descending else field.asc(nulls_first=True), pk]

    def _beyond(self, cursor: Cursor, descending: bool) -> Q:
        """Return the condition for the rows after the cursor, in the direction of reading."""
        comparison = "lt" if descending else "gt"
        tie = Q(**{f"pk__{comparison}": cursor.pk})
        if self.field == "id":
            return tie
        if cursor.value is None:
            is_null = Q(**{f"{self.field}__isnull": True})
            return is_null & tie if descending else ~is_null | tie
        past = Q(**{f"{self.field}__{comparison}": cursor.value})
        tied = Q(**{self.field: cursor.value}) & tie
        if self.nullable:
            return past | tied | Q(**{f"{self.field}__isnull": True}) if descending else past | tied
        return Q(**{f"{self.field}__{comparison}e": cursor.value}) & (
            past | tied
        )  # a range for the index, then the tie

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
