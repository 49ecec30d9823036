"""The list of custom fields."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tickets.api.base import ReadOnlyViewSet
from tickets.api.documentation import read_only
from tickets.api.fields import DepartmentField
from tickets.api.filters import FlagFilter
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import CustomField
from tickets.rules.custom_fields import plain
from tickets.services.conversation import access
from tickets.services.inbox import field_setup


class DefinitionSerializer(ReadOnlySerializer[CustomField]):
    """A custom field of contacts or tickets."""

    department = DepartmentField(
        allow_null=True, help_text="Only for tickets of this department; null: of all departments."
    )
    choices = serializers.SerializerMethodField(help_text="Names of the choices, in their order.")
    minimum = serializers.SerializerMethodField(help_text="Smallest number.")
    maximum = serializers.SerializerMethodField(help_text="Largest number.")
    archived = serializers.SerializerMethodField(help_text="Whether it is out of use; its values are not shown.")

    class Meta:
        model = CustomField
        fields = [
            "id",
            "key",
            "name",
            "of",
            "kind",
            "description",
            "department",
            "choices",
            "minimum",
            "maximum",
            "position",
            "archived",
        ]

    def get_choices(self, field: CustomField) -> list[str]:
        return [choice["name"] for choice in field.choices]

    @extend_schema_field({"type": "number", "nullable": True})
    def get_minimum(self, field: CustomField) -> Any:
        return None if field.minimum is None else float(plain(field.minimum))

    @extend_schema_field({"type": "number", "nullable": True})
    def get_maximum(self, field: CustomField) -> Any:
        return None if field.maximum is None else float(plain(field.maximum))

    def get_archived(self, field: CustomField) -> bool:
        return field.archived_at is not None


class DefinitionFilters(django_filters.FilterSet):
    of = django_filters.ChoiceFilter(choices=CustomField.Of.choices, help_text="What the field is for.")
    kind = django_filters.ChoiceFilter(choices=CustomField.Kind.choices, help_text="What the field holds.")
    key = django_filters.CharFilter(help_text="Its key.")
    archived = FlagFilter(field_name="archived_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = CustomField
        fields: list[str] = []


@read_only(DefinitionSerializer, "custom fields")
class DefinitionViewSet(ReadOnlyViewSet[CustomField]):
    """Custom fields of contacts, and of tickets of every department and of the user's own. Archived ones too."""

    queryset = CustomField.objects.none()
    serializer_class = DefinitionSerializer
    filterset_class = DefinitionFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[CustomField, CustomField]:
        return field_setup.listed_for(self.request.user, facts).select_related("department")
