"""Serializer fields of the API: times, users, and values that may be null."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Model
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from desk.models import Department, User

Row = TypeVar("Row", bound=Model)


class NamedRowField(serializers.SlugRelatedField[Row]):
    """A row by a name that is unique (`slug_field`). A name that PostgreSQL cannot hold is that of no row."""

    def to_internal_value(self, data: Any) -> Row:
        if isinstance(data, str) and "\0" in data:
            self.fail("does_not_exist", slug_name=self.slug_field, value=data)
        return super().to_internal_value(data)


def iso_milliseconds(moment: datetime) -> str:
    """Return an aware time as ISO 8601 in UTC with exactly three decimals: `2026-03-01T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentField(serializers.DateTimeField):
    """A time as `iso_milliseconds` writes it."""

    def to_representation(self, value: datetime) -> str:
        return iso_milliseconds(value)


class TextOrNull(serializers.CharField):
    """A text that is null in the API when it is empty in the database."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, **kwargs})

    def get_attribute(self, instance: Any) -> str | None:
        return super().get_attribute(instance) or None


class ChoiceOrNull(serializers.ChoiceField):
    """A choice that is null in the API when it is empty in the database."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, **kwargs})

    def get_attribute(self, instance: Any) -> str | None:
        return super().get_attribute(instance) or None


class DepartmentField(serializers.SlugRelatedField[Department]):
    """A department by its name, which is unique."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"slug_field": "name", "read_only": True, **kwargs})


class PersonField(serializers.SlugRelatedField[User]):
    """A user of Desk by the user name, which is unique; null for nobody."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"slug_field": "username", "read_only": True, "allow_null": True, **kwargs})
