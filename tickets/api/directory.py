"""Who and what there is besides the conversations: departments, agents, canned replies and contacts."""

from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from rest_framework import serializers

from channels_im.models import ChannelAgent
from desk.models import Agent, Department
from tickets.api.contacts import ContactActions, ContactRowSerializer
from tickets.models import CannedReply, Contact
from tickets.services.conversation import access

from .documentation import read_only
from .fields import DepartmentField
from .filters import AgentFilters, CannedReplyFilters, ContactFilters
from .serializers import Shape
from .views import ReadOnlyViewSet


def works_here(user: Any, facts: access.UserFacts) -> bool:
    """Departments and colleagues are shown to whoever is an agent, an administrator, or sees all conversations."""
    return facts.sees_all or user.is_staff or Agent.objects.filter(user=user).exists()


class DepartmentSerializer(Shape):
    """Where conversations land."""

    class Meta:
        model = Department
        fields = ["id", "name"]


class AgentSerializer(Shape):
    """Somebody who answers."""

    username = serializers.CharField(source="user.username", help_text="As `assignee` and `author` name them.")
    name = serializers.CharField(source="user", help_text="As the pages show it.")
    departments = DepartmentField(many=True, help_text="Names of their departments.")
    channels = serializers.SerializerMethodField(help_text="Ids of the channels they are associated with.")

    class Meta:
        model = Agent
        fields = ["id", "username", "name", "presence", "departments", "channels"]

    def get_channels(self, agent: Agent) -> list[int]:
        return sorted(association.channel_id for association in agent.associations.all())


class CannedReplySerializer(Shape):
    """A text for `/shortcut`. `{{name}}`, `{{first_name}}`, `{{agent}}` and `{{page}}` stand for what they say."""

    department = DepartmentField(allow_null=True, help_text="Name of the department; null: for every one.")

    class Meta:
        model = CannedReply
        fields = ["id", "shortcut", "title", "text", "department"]


@read_only(DepartmentSerializer, "departments")
class DepartmentViewSet(ReadOnlyViewSet):
    """All departments, for whoever works here."""

    queryset = Department.objects.none()
    serializer_class = DepartmentSerializer
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Department, Department]:
        return Department.objects.all() if works_here(self.request.user, facts) else Department.objects.none()


@read_only(AgentSerializer, "agents")
class AgentViewSet(ReadOnlyViewSet):
    """All agents who can log in, for whoever works here."""

    queryset = Agent.objects.none()
    serializer_class = AgentSerializer
    filterset_class = AgentFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Agent, Agent]:
        if not works_here(self.request.user, facts):
            return Agent.objects.none()
        associations = Prefetch("associations", ChannelAgent.objects.only("agent_id", "channel_id"))
        agents = Agent.objects.filter(user__is_active=True).select_related("user")
        return agents.prefetch_related("departments", associations)


@read_only(CannedReplySerializer, "canned replies")
class CannedReplyViewSet(ReadOnlyViewSet):
    """Canned replies for every department and for one's own; who sees all conversations sees all of them."""

    queryset = CannedReply.objects.none()
    serializer_class = CannedReplySerializer
    filterset_class = CannedReplyFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[CannedReply, CannedReply]:
        user = self.request.user
        if not works_here(user, facts):
            return CannedReply.objects.none()
        rows = CannedReply.objects.select_related("department")
        if facts.sees_all or user.has_perm("tickets.view_cannedreply"):
            return rows
        return rows.filter(Q(department=None) | Q(department_id__in=facts.department_ids))


@read_only(ContactRowSerializer, "contacts")
class ContactViewSet(ContactActions, ReadOnlyViewSet):
    """The customers of the conversations one may see."""

    queryset = Contact.objects.none()
    serializer_class = ContactRowSerializer
    filterset_class = ContactFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Contact, Contact]:
        contacts = Contact.objects.select_related("page").defer("page__page_token")
        if facts.sees_all:
            return contacts
        seen = access.conversations_for(self.request.user, facts)
        return contacts.filter(pk__in=seen.values("contact_id"))
