"""Change how the conversations of a department come to its agents, as Setup → Assignment does."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from channels_im.setup.access import CHANGE_PREFERENCES, may
from desk import permission_words
from desk.errors import Refused
from desk.models import Agent, Department
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet, Row
from tickets.api.conditional import only_if_unchanged
from tickets.api.directory_serializers import AgentSerializer, DepartmentSerializer
from tickets.api.documentation import BAD_INPUT, NOT_ALLOWED, NOT_FOUND, NOT_LOGGED_IN
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.labels import refused
from tickets.models import AssignmentSettings, Scope
from tickets.models.assignment import LONGEST_AWAY_MINUTES
from tickets.rules.assigning import MOST_OPEN
from tickets.services.inbox import assignment_settings

NOTHING_GIVEN = "Give at least one of %s."
REFUSALS = {400: BAD_INPUT, 401: NOT_LOGGED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND}


class AssignmentForm(serializers.Serializer[None]):
    """What to change of the assignment of a department; the rest stays as it is."""

    on_reply = serializers.ChoiceField(
        AssignmentSettings.OnReplyChoice.choices, required=False, help_text="What a reply does."
    )
    mode = serializers.ChoiceField(AssignmentSettings.ModeChoice.choices, required=False)
    capacity = serializers.IntegerField(min_value=1, max_value=MOST_OPEN, required=False)
    last_agent_first = serializers.BooleanField(required=False)
    hand_back_minutes = serializers.IntegerField(
        min_value=1, max_value=LONGEST_AWAY_MINUTES, required=False, allow_null=True, help_text="null: never."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(NOTHING_GIVEN % ", ".join(self.fields))
        return attrs


class DepartmentForm(serializers.Serializer[None]):
    """What to change of a department."""

    assignment = AssignmentForm()


class AgentForm(serializers.Serializer[None]):
    """What to change of an agent."""

    capacity = serializers.IntegerField(
        min_value=0, max_value=MOST_OPEN, allow_null=True, help_text="0: none automatically; null: as their department."
    )


class _Actions(ApiViewSet[Row]):
    """What both view sets share."""

    parser_classes = (LimitedJSONParser,)

    def may_change(self) -> bool:
        """Return whether this is a change by somebody who may change the assignment in Setup."""
        return self.action == "partial_update" and may(self.request.user, CHANGE_PREFERENCES)

    def require_change(self) -> None:
        """Refuse, with 403, whoever may not change the assignment in Setup."""
        if not self.may_change():
            raise PermissionDenied(permission_words.sentence_for(CHANGE_PREFERENCES))


class DepartmentActions(_Actions[Department]):
    """Change the assignment of a department."""

    @extend_schema(
        summary="Change the assignment of a department",
        description="For users who may change the preferences in Setup. Fields of `assignment` that are not given stay "
        "as they are.",
        request=DepartmentForm,
        responses={200: DepartmentSerializer, **REFUSALS},
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change the assignment of a department."""
        self.require_change()
        department = self.get_object()
        form = DepartmentForm(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            assignment_settings.save(request.user, department, form.validated_data["assignment"])
        except ValidationError as error:
            raise serializers.ValidationError({"assignment": error.messages}) from None
        return Response(self.get_serializer(self.get_object()).data)


class AgentActions(_Actions[Agent]):
    """Change the own capacity of an agent."""

    @extend_schema(
        summary="Change the capacity of an agent",
        description="How many open conversations Desk assigns to them. For users who may change the preferences in "
        "Setup.",
        request=AgentForm,
        responses={200: AgentSerializer, **REFUSALS},
    )
    @needs(Scope.MANAGE)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change the capacity of an agent."""
        self.require_change()
        agent = self.get_object()
        form = AgentForm(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            assignment_settings.save_capacity(request.user, agent, form.validated_data["capacity"])
        except Refused as error:
            raise refused(error) from None
        return Response(self.get_serializer(self.get_object()).data)
