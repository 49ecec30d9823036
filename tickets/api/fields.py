"""Field types of the API: times, people and values that may be absent."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def iso_milliseconds(moment: datetime) -> str:
    """An aware time as ISO 8601 in UTC with exactly three decimals: `2026-03-01T09:30:00.000Z` (design, API v1)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentField(serializers.DateTimeField):
    """A time as `iso_milliseconds` writes it, or null."""

    def to_representation(self, value: datetime | None) -> str | None:
        return None if value is None else iso_milliseconds(value)


class TextOrNull(serializers.CharField):
    """A text of which the database keeps the absence as an empty one: given out as null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, **kwargs})

    def to_representation(self, value: str) -> str | None:
        return super().to_representation(value) or None


class ChoiceOrNull(serializers.ChoiceField):
    """A choice of which the database keeps the absence as an empty text: given out as null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, **kwargs})

    def to_representation(self, value: str) -> str | None:
        return super().to_representation(value) or None


class DepartmentField(serializers.SlugRelatedField):
    """A department by its name, which is unique."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"slug_field": "name", "read_only": True, **kwargs})


class PersonField(serializers.SlugRelatedField):
    """Somebody who can log in to Desk by the user name, which is unique; null for nobody."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"slug_field": "username", "read_only": True, "allow_null": True, **kwargs})
