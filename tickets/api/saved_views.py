"""Saved views of the inbox: listing, creating, changing, ordering and deleting them."""

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from desk.errors import Refused
from desk.models import Department
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.conditional import only_if_unchanged
from tickets.api.documentation import (
    BAD_INPUT,
    NO_LONGER_VISIBLE,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_LOGGED_IN,
    REFUSED,
    read_only,
)
from tickets.api.fields import DepartmentField, NamedRowField
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.labels import refused
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import SavedView, Scope
from tickets.rules import filters as rules
from tickets.services.conversation import access
from tickets.services.inbox import field_filters, saved_views
from tickets.services.inbox.field_filters import KnownFields
from tickets.services.inbox.listing import DEFAULT_ORDER, ORDERS, VIEWS, ListQuery
from tickets.services.inbox.saved_views import Audience

ME, DEPARTMENT, EVERYBODY = "me", "department", "everybody"
AUDIENCES = [(name, name) for name in (ME, DEPARTMENT, EVERYBODY)]

BASE_CHOICES = [(name, name) for name in VIEWS]
ORDER_CHOICES = [(name, name) for name in ORDERS]


class SavedViewSerializer(ReadOnlySerializer[SavedView]):
    """A fixed view of the inbox narrowed by a filter, under a name."""

    audience = serializers.SerializerMethodField(help_text="Who sees it: me, department or everybody.")
    department = DepartmentField(allow_null=True, help_text="Name of the department that sees it.")
    base = serializers.SerializerMethodField(help_text="The fixed view that it narrows.")
    filter = serializers.SerializerMethodField(help_text="Fields with lists of their values.")
    order = serializers.SerializerMethodField(help_text="The order of its conversations in the inbox.")

    class Meta:
        model = SavedView
        fields = ["id", "name", "audience", "department", "base", "filter", "order", "position", "version"]

    @extend_schema_field({"type": "string", "enum": [ME, DEPARTMENT, EVERYBODY]})
    def get_audience(self, view: SavedView) -> str:
        if view.owner_id is not None:
            return ME
        return EVERYBODY if view.department_id is None else DEPARTMENT

    @extend_schema_field({"type": "string", "enum": list(VIEWS)})
    def get_base(self, view: SavedView) -> str:
        return ListQuery.of_saved(view).view.name

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}})
    def get_filter(self, view: SavedView) -> dict[str, list[str]]:
        return field_filters.with_names(ListQuery.of_saved(view).filter, self.context["view"].known_fields).to_json()

    @extend_schema_field({"type": "string", "enum": list(ORDERS)})
    def get_order(self, view: SavedView) -> str:
        return ListQuery.of_saved(view).order


class FilterField(serializers.DictField):
    """A filter: fields with a value or a list of values."""

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        try:
            return rules.parse(values).to_json()
        except rules.FilterError as error:
            raise serializers.ValidationError({error.field: [str(error)]}) from None


class SavedViewForm(serializers.Serializer[None]):
    """The fields of a view; those that are not given stay as they are."""

    name = serializers.CharField(max_length=saved_views.NAME_LIMIT)
    audience = serializers.ChoiceField(choices=AUDIENCES, required=False, help_text="Who sees it; by default me.")
    department = NamedRowField(
        slug_field="name",
        queryset=Department.objects.all(),
        required=False,
        help_text="Name of the department, with the audience “department”.",
    )
    base = serializers.ChoiceField(choices=BASE_CHOICES, required=False)
    filter = FilterField(required=False, help_text="Fields with a value or a list of values.")
    order = serializers.ChoiceField(choices=ORDER_CHOICES, required=False)
    position = serializers.IntegerField(
        min_value=0, max_value=saved_views.MOST, required=False, help_text="Its place among those of its audience."
    )
    version = serializers.IntegerField(
        min_value=1, required=False, help_text="The version that was read: 409 when somebody has changed it since."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs.get("audience") == DEPARTMENT) != ("department" in attrs):
            raise serializers.ValidationError(
                {"department": ["Give a department together with the audience “department”, and only then."]}
            )
        return attrs


@read_only(SavedViewSerializer, "saved views")
class SavedViewViewSet(ReadOnlyViewSet[SavedView]):
    """Saved views of the user, of the user's departments and of everybody."""

    queryset = SavedView.objects.none()
    serializer_class = SavedViewSerializer
    parser_classes = [LimitedJSONParser]
    orderings = ("id", "-id")

    @cached_property
    def known_fields(self) -> KnownFields:
        """The custom fields by which the user may filter."""
        return KnownFields.seen_by(access.facts_for(self.request.user))

    def rows(self, facts: access.UserFacts) -> QuerySet[SavedView, SavedView]:
        return saved_views.seen_by(self.request.user, facts, to_change=True)

    @extend_schema(
        summary="Create a view",
        description="For oneself, or for others with the permission to share views (leads: for their departments).",
        request=SavedViewForm,
        responses={
            201: SavedViewSerializer,
            204: NO_LONGER_VISIBLE,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
        },
    )
    @needs(Scope.MANAGE)
    def create(self, request: ApiRequest) -> Response:
        """Create a view."""
        form = SavedViewForm(data=request.data)
        form.is_valid(raise_exception=True)
        defaults = {"base": "all", "filter": {}, "order": DEFAULT_ORDER}
        return self._save(None, {**defaults, **form.validated_data}, status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a view",
        description="Fields that are not given stay as they are.",
        request=SavedViewForm(partial=True),
        responses={
            200: SavedViewSerializer,
            204: NO_LONGER_VISIBLE,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a view."""
        view = self.get_object()
        form = SavedViewForm(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        return self._save(view, form.validated_data, status.HTTP_200_OK)

    @extend_schema(
        summary="Delete a view",
        responses={
            204: OpenApiResponse(description="Deleted."),
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
        },
    )
    @needs(Scope.MANAGE)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Delete a view."""
        view = self.get_object()
        try:
            saved_views.delete(request.user, view)
        except Refused as error:
            raise _refused(error) from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _save(self, view: SavedView | None, values: dict[str, Any], code: int) -> Response:
        audience = self._audience(values.pop("audience", None), values.pop("department", None))
        position, version = values.pop("position", None), values.pop("version", None)
        if "filter" in values:
            values["filter"] = self._checked(values["filter"])
        try:
            saved = saved_views.save(self.request.user, view, values, audience, version)
            if position is not None:
                saved_views.move(self.request.user, saved, to=position)
        except Refused as error:
            raise _refused(error) from None
        return self.changed(saved.pk, self.get_serializer_class(), code)

    def _checked(self, values: dict[str, list[str]]) -> dict[str, list[str]]:
        try:
            return field_filters.checked(rules.parse(values), self.known_fields).to_json()
        except rules.FilterError as error:
            raise serializers.ValidationError({"filter": {error.field: [str(error)]}}) from None

    def _audience(self, name: str | None, department: Department | None) -> Audience | None:
        if name is None:
            return None
        if name == ME:
            return Audience(owner_id=self.request.user.pk)
        return Audience(department_id=department.pk) if department else saved_views.EVERYBODY


def _refused(error: Refused) -> Exception:
    return PermissionDenied(str(error)) if error.code == saved_views.NOT_ALLOWED else refused(error)
