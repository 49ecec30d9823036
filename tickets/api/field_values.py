"""Custom fields in rows, in changes and in filters of the API."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Manager, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tickets.api.errors import BadParameterError
from tickets.models import FieldValue
from tickets.rules import filters as rules
from tickets.rules.custom_fields import Plain
from tickets.rules.field_filters import PREFIX
from tickets.services.conversation import custom_fields
from tickets.services.inbox import field_filters
from tickets.services.inbox.field_filters import KnownFields

MOST_FILTERS = 10
VALUES = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}],
    },
    "example": {"plan": "Gold", "seats": 12, "renews_on": "2026-03-01"},
}
CHANGES = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}],
        "nullable": True,
    },
    "example": {"plan": "Gold", "seats": None},
}
HELP = (
    "Values of custom fields by key: texts, names of choices, numbers, days as `2026-03-01`, true or false. Fields "
    "without a value are left out."
)
HELP_WRITE = "Values of custom fields by key; null or an empty text empties one. Fields that are not given stay."


@extend_schema_field(VALUES)
class FieldValues(serializers.Field[Any, Any, Any, Any]):
    """The custom fields of a row whose view has prefetched `values_with_fields`."""

    def __init__(self) -> None:
        super().__init__(source="field_values", read_only=True, help_text=HELP)

    def to_representation(self, value: Manager[FieldValue] | Iterable[FieldValue]) -> dict[str, Plain | None]:
        return custom_fields.in_api(value.all() if isinstance(value, Manager) else value)


@extend_schema_field(CHANGES)
class FieldChanges(serializers.DictField):
    """Values to write into custom fields. What each field takes is checked when it is written."""

    def __init__(self) -> None:
        super().__init__(required=False, help_text=HELP_WRITE)


class FieldFilters:
    """Adds `field_KEY=value`, `.has`, `.from`, `.to` and `.set` to a set of filters. What has no meaning is a 400.

    A parameter `field_KEY` that is given more than once has alternatives; a comma in it is one.
    """

    data: Any

    def filter_queryset(self, queryset: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        """Return the rows that fit all filters."""
        rows = super().filter_queryset(queryset)  # type: ignore[misc]  # of the FilterSet beside this class
        given = {name: [one for one in values if one] for name, values in self.data.lists() if name.startswith(PREFIX)}
        asked = {name: values for name, values in given.items() if values}
        if not asked:
            return rows
        if len(asked) > MOST_FILTERS:
            raise BadParameterError([*asked][-1][:60], f"Filter by at most {MOST_FILTERS} fields at once.")
        try:
            known = KnownFields(custom_fields.active())
            narrowed = field_filters.checked(rules.parse(asked), known, rows.model)
        except rules.FilterError as error:
            raise BadParameterError(str(error.field)[:60], str(error)) from None
        return field_filters.narrowed(rows, narrowed, known)
