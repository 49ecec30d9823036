"""Departments, agents, templates and contacts."""

from django.db.models import Exists, Model, OuterRef, Prefetch, QuerySet
from rest_framework import serializers

from channels_im.messenger import template_texts
from channels_im.models import ChannelAgent, MessageTemplate
from channels_im.setup.access import may
from desk import row_by_row
from desk.models import Agent, Department, User
from tickets.api.assignment import AgentActions, DepartmentActions
from tickets.api.base import ReadOnlyViewSet
from tickets.api.contacts import ContactActions, ContactRowSerializer
from tickets.api.directory_serializers import AgentSerializer, DepartmentSerializer
from tickets.models import Contact
from tickets.services.conversation import access, custom_fields
from tickets.services.inbox import search

from .documentation import read_only
from .few_conversations import FewConversations
from .fields import TextOrNull
from .filters import AgentFilters, ContactFilters, TemplateFilters
from .serializers import ReadOnlySerializer


def may_list(user: User, facts: access.UserFacts, model: type[Model]) -> bool:
    """Return whether `user` may list these rows, which all agents share.

    They are for agents, users who see all conversations, and administrators who may view or change them in Setup.
    """
    if facts.sees_all or Agent.objects.filter(user=user).exists():
        return True
    app, name = model._meta.app_label, model._meta.model_name
    return may(user, f"{app}.view_{name}", f"{app}.change_{name}")


@read_only(DepartmentSerializer, "departments")
class DepartmentViewSet(DepartmentActions, ReadOnlyViewSet[Department]):
    """All departments, for agents, users who see all conversations, and administrators who may view them."""

    queryset = Department.objects.none()
    serializer_class = DepartmentSerializer
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Department, Department]:
        if not (may_list(self.request.user, facts, Department) or self.may_change()):
            return Department.objects.none()
        return Department.objects.select_related("assignment")


@read_only(AgentSerializer, "agents")
class AgentViewSet(AgentActions, ReadOnlyViewSet[Agent]):
    """All agents who can log in, for agents, users who see all conversations, and administrators who may view them."""

    queryset = Agent.objects.none()
    serializer_class = AgentSerializer
    filterset_class = AgentFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Agent, Agent]:
        if not (may_list(self.request.user, facts, Agent) or self.may_change()):
            return Agent.objects.none()
        associations = Prefetch("associations", ChannelAgent.objects.only("agent_id", "channel_id"))
        agents = Agent.objects.filter(user__is_active=True).select_related("user", "availability")
        return agents.prefetch_related("departments", associations)


class TemplateSerializer(ReadOnlySerializer[MessageTemplate]):
    """A template of a Page for utility messages, which may be sent outside the messaging window."""

    page_id = serializers.CharField(source="page.page_id", help_text="Meta's id of the Page.")
    placeholders = serializers.SerializerMethodField(help_text="Names of the placeholders, in the order of `values`.")
    reason = TextOrNull(help_text="Why Facebook rejected it.")
    buttons = serializers.ListField(child=serializers.CharField(), help_text="Titles of its buttons.")

    class Meta:
        model = MessageTemplate
        fields = ["id", "page_id", "name", "language", "category", "body", "placeholders", "buttons", "state", "reason"]

    def get_placeholders(self, template: MessageTemplate) -> list[str]:
        return template_texts.placeholders(template.body)


@read_only(TemplateSerializer, "templates")
class TemplateViewSet(ReadOnlyViewSet[MessageTemplate]):
    """The message templates of the Pages whose channels the user sees; only `approved` ones can be sent."""

    queryset = MessageTemplate.objects.none()
    serializer_class = TemplateSerializer
    filterset_class = TemplateFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[MessageTemplate, MessageTemplate]:
        channels = access.channels_for(self.request.user, facts.own)
        templates = MessageTemplate.objects.filter(page__in=channels.values("page"))
        return templates.select_related("page").defer("page__page_token")


@read_only(ContactRowSerializer, "contacts")
class ContactViewSet(FewConversations[Contact], ContactActions, ReadOnlyViewSet[Contact]):
    """The contacts of the conversations that the user may see."""

    queryset = Contact.objects.none()
    serializer_class = ContactRowSerializer
    filterset_class = ContactFilters
    orderings = ("id", "-id")
    by_conversation, of_conversation = "pk", "contact"

    def kept(self, ids: list[int]) -> list[int]:
        query = self.request.query_params.get("name", "")
        return search.with_name(ids, query) if query.strip() else ids

    def rows(self, facts: access.UserFacts) -> QuerySet[Contact, Contact]:
        visible = access.conversations_for(self.request.user, facts)
        shown = Contact.objects.only("person").filter(Exists(visible.filter(contact_id=OuterRef("pk"))))
        # The person in a query of its own: few have one, and with a join PostgreSQL may read all persons for each row.
        contacts = Contact.objects.select_related("page").defer("page__page_token")
        contacts = contacts.prefetch_related(Prefetch("person__contacts", shown), custom_fields.values_with_fields())
        if facts.sees_all:
            return contacts
        return contacts.filter(row_by_row.some(visible.filter(contact_id=OuterRef("pk"))))
