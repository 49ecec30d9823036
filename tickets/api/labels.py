"""Labels, and what agents say about a ticket: its labels, priority, subject and custom fields."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from channels_im.setup.access import may
from desk import permission_words
from desk.errors import Refused
from desk.models import Department
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet, ReadOnlyViewSet
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
from tickets.api.errors import ActionError
from tickets.api.field_values import FieldChanges
from tickets.api.fields import DepartmentField, NamedRowField
from tickets.api.filters import LabelFilters
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.paging import MAX_ID
from tickets.api.serializers import ReadOnlySerializer, TicketSerializer
from tickets.models import Label, Scope, Ticket
from tickets.rules.sending import Refusal
from tickets.services.conversation import access
from tickets.services.inbox import field_values, labels, ticket_facts

ADD, CHANGE, DELETE = "tickets.add_label", "tickets.change_label", "tickets.delete_label"
NOTHING_GIVEN = "Give at least one of %s."


def refused(error: Refused) -> Exception:
    """Return the API's error for a refusal: 400 under the name of the field, else 409."""
    if error.field:
        return serializers.ValidationError({error.field: [str(error)]})
    return ActionError(status.HTTP_409_CONFLICT, str(error), error.code or Refusal.NOT_POSSIBLE)


# --- Labels -----------------------------------------------------------------------------------------------------------
class LabelSerializer(ReadOnlySerializer[Label]):
    """A word on tickets."""

    department = DepartmentField(allow_null=True, help_text="Name of the department; null: all departments.")
    tickets = serializers.IntegerField(
        source="ticket_count", help_text="How many tickets have it; 10,001: more than 10,000."
    )

    class Meta:
        model = Label
        fields = ["id", "name", "color", "description", "department", "tickets"]


class LabelForm(serializers.Serializer[None]):
    """The fields of a label; those that are not given stay as they are."""

    name = serializers.CharField(max_length=40, help_text="Unique without regard to case where it is offered.")
    color = serializers.ChoiceField(choices=Label.Color.choices, required=False)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    department = NamedRowField(
        slug_field="name",
        queryset=Department.objects.all(),
        required=False,
        allow_null=True,
        help_text="Name of the department; null: all departments.",
    )


@read_only(LabelSerializer, "labels")
class LabelViewSet(ReadOnlyViewSet[Label]):
    """Labels of every department and of the user's own. Users who see all conversations see those of every one."""

    queryset = Label.objects.none()
    serializer_class = LabelSerializer
    filterset_class = LabelFilters
    parser_classes = [LimitedJSONParser]
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Label, Label]:
        return labels.with_counts(labels.listed_for(self.request.user, facts)).select_related("department")

    @extend_schema(
        summary="Create a label",
        description="For users who may add labels in Setup.",
        request=LabelForm,
        responses={201: LabelSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED},
    )
    @needs(Scope.MANAGE)
    def create(self, request: ApiRequest) -> Response:
        """Create a label."""
        self._check(ADD)
        return self._save(None, LabelForm(data=request.data), status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a label",
        description="For users who may change labels in Setup. Fields that are not given stay as they are.",
        request=LabelForm(partial=True),
        responses={200: LabelSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND},
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a label."""
        label = self.get_object()
        self._check(CHANGE)
        return self._save(label, LabelForm(data=request.data, partial=True), status.HTTP_200_OK)

    @extend_schema(
        summary="Delete a label",
        description="It is removed from its tickets. For users who may delete labels in Setup.",
        responses={
            204: OpenApiResponse(description="Deleted."),
            401: NOT_LOGGED_IN,
            403: NOT_ALLOWED,
            404: NOT_FOUND,
        },
    )
    @needs(Scope.MANAGE)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Delete a label."""
        label = self.get_object()
        self._check(DELETE)
        labels.delete(request.user, label)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _check(self, permission: str) -> None:
        if not may(self.request.user, permission):
            raise PermissionDenied(permission_words.sentence_for(permission))

    def _save(self, label: Label | None, form: LabelForm, code: int) -> Response:
        form.is_valid(raise_exception=True)
        try:
            saved = labels.save(self.request.user, label, form.validated_data)
        except Refused as error:
            raise refused(error) from None
        row = labels.with_counts(Label.objects.filter(pk=saved.pk)).select_related("department").get()
        return Response(LabelSerializer(row).data, status=code)


# --- Tickets ----------------------------------------------------------------------------------------------------------
class TicketForm(serializers.Serializer[None]):
    """What to change of a ticket; the rest stays as it is."""

    priority = serializers.ChoiceField(choices=Ticket.Priority.choices, required=False)
    subject = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=1000,
        help_text=f"1 to {ticket_facts.SUBJECT_LIMIT} characters, in one line.",
    )
    labels = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        required=False,
        max_length=100,
        help_text="Ids of all labels that the ticket has afterwards.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": FieldChanges()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(NOTHING_GIVEN % ", ".join(self.fields))
        return attrs


class TicketActions(ApiViewSet[Ticket]):
    """Change the labels, priority, subject and custom fields of a ticket."""

    parser_classes = [LimitedJSONParser]

    @extend_schema(
        summary="Change the labels, priority, subject and custom fields of a ticket",
        description="Fields that are not given stay as they are. All of them are changed, or none.",
        request=TicketForm,
        responses={
            200: TicketSerializer,
            204: NO_LONGER_VISIBLE,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change the labels, priority, subject and custom fields of a ticket."""
        ticket = self.get_object()
        self.require_work(ticket.conversation)
        form = TicketForm(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            with transaction.atomic():
                facts = dict(form.validated_data)
                if given := facts.pop("fields", {}):
                    field_values.change_ticket(request.user, ticket.conversation, given, ticket.pk)
                if facts:
                    changes = ticket_facts.Changes(**facts)
                    ticket_facts.change(request.user, ticket.conversation, changes, ticket.pk)
        except Refused as error:
            raise refused(error) from None
        return self.changed(ticket.pk, TicketSerializer)
