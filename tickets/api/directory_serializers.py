"""Departments and agents in the responses of the API. Each serializer reads only what its view has fetched."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from desk.models import Agent, Department
from tickets.models import AssignmentSettings

from .fields import DepartmentField
from .serializers import ReadOnlySerializer


class AssignmentSerializer(ReadOnlySerializer[AssignmentSettings]):
    """How the conversations of a department come to its agents."""

    on_reply = serializers.ChoiceField(
        AssignmentSettings.OnReplyChoice.choices, help_text="What a reply in an unassigned conversation does."
    )
    mode = serializers.ChoiceField(
        AssignmentSettings.ModeChoice.choices, help_text="How Desk assigns unassigned conversations."
    )
    capacity = serializers.IntegerField(help_text="Open conversations of an agent without a `capacity` of their own.")
    last_agent_first = serializers.BooleanField(help_text="First to the agent who replied last.")
    hand_back_minutes = serializers.IntegerField(
        allow_null=True, help_text="Minutes after which the conversations of an agent who is away are unassigned."
    )

    class Meta:
        model = AssignmentSettings
        fields = ["on_reply", "mode", "capacity", "last_agent_first", "hand_back_minutes"]


class DepartmentSerializer(ReadOnlySerializer[Department]):
    """A department, which receives conversations."""

    assignment = serializers.SerializerMethodField(help_text="How its conversations come to its agents.")

    class Meta:
        model = Department
        fields = ["id", "name", "assignment"]

    @extend_schema_field(AssignmentSerializer)
    def get_assignment(self, department: Department) -> dict[str, Any]:
        saved = getattr(department, "assignment", None)
        return AssignmentSerializer(saved or AssignmentSettings(department=department)).data


class AgentSerializer(ReadOnlySerializer[Agent]):
    """A user who replies to customers."""

    username = serializers.CharField(source="user.username", help_text="The user name, as in `assignee` and `author`.")
    name = serializers.CharField(source="user", help_text="The name that the pages show.")
    departments = DepartmentField(many=True, help_text="Names of their departments.")
    channels = serializers.SerializerMethodField(help_text="Ids of the channels they are associated with.")
    capacity = serializers.SerializerMethodField(
        help_text="How many open conversations Desk assigns to them; null: as many as their department says."
    )

    class Meta:
        model = Agent
        fields = ["id", "username", "name", "presence", "departments", "channels", "capacity"]

    def get_capacity(self, agent: Agent) -> int | None:
        kept = getattr(agent, "availability", None)
        return kept.capacity if kept else None

    def get_channels(self, agent: Agent) -> list[int]:
        return sorted(association.channel_id for association in agent.associations.all())
