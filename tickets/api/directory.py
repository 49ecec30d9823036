"""Departments, agents, canned replies and contacts."""

from django.db.models import Model, Prefetch, Q, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.reverse import reverse as drf_reverse
from rest_framework.views import APIView

from channels_im.messenger import template_texts
from channels_im.models import ChannelAgent, MessageTemplate
from channels_im.setup.access import may
from desk.models import Agent, Department, User
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.contacts import ContactActions, ContactRowSerializer
from tickets.api.export import AnyAccept
from tickets.api.paging import MAX_ID
from tickets.models import CannedReply, CannedReplyFile, Contact, Scope
from tickets.services.conversation import access
from tickets.views.files import serve

from .documentation import NOT_FOUND, NOT_LOGGED_IN, read_only
from .fields import DepartmentField, TextOrNull
from .filters import AgentFilters, CannedReplyFilters, ContactFilters, TemplateFilters
from .serializers import ReadOnlySerializer


def may_list(user: User, facts: access.UserFacts, model: type[Model]) -> bool:
    """Return whether `user` may list these rows, which all agents share.

    They are for agents, users who see all conversations, and administrators who may view or change them in Setup.
    """
    if facts.sees_all or Agent.objects.filter(user=user).exists():
        return True
    app, name = model._meta.app_label, model._meta.model_name
    return may(user, f"{app}.view_{name}", f"{app}.change_{name}")


class DepartmentSerializer(ReadOnlySerializer[Department]):
    """A department, which receives conversations."""

    class Meta:
        model = Department
        fields = ["id", "name"]


class AgentSerializer(ReadOnlySerializer[Agent]):
    """A user who replies to customers."""

    username = serializers.CharField(source="user.username", help_text="The user name, as in `assignee` and `author`.")
    name = serializers.CharField(source="user", help_text="The name that the pages show.")
    departments = DepartmentField(many=True, help_text="Names of their departments.")
    channels = serializers.SerializerMethodField(help_text="Ids of the channels they are associated with.")

    class Meta:
        model = Agent
        fields = ["id", "username", "name", "presence", "departments", "channels"]

    def get_channels(self, agent: Agent) -> list[int]:
        return sorted(association.channel_id for association in agent.associations.all())


class CannedReplyFileSerializer(ReadOnlySerializer[CannedReplyFile]):
    """A file that a canned reply brings into a reply."""

    size = serializers.IntegerField(help_text="Bytes.")
    url = serializers.SerializerMethodField(help_text="Where the file is, for users who see the canned reply.")

    class Meta:
        model = CannedReplyFile
        fields = ["id", "name", "content_type", "size", "url"]

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_url(self, file: CannedReplyFile) -> str:
        return drf_reverse("api:canned-reply-file", args=[file.pk], request=self.context["request"])


class CannedReplySerializer(ReadOnlySerializer[CannedReply]):
    """A text for `/shortcut`, with the placeholders `{{name}}`, `{{first_name}}`, `{{agent}}` and `{{page}}`."""

    department = DepartmentField(allow_null=True, help_text="Name of the department; null: all departments.")
    files = CannedReplyFileSerializer(many=True)

    class Meta:
        model = CannedReply
        fields = ["id", "shortcut", "title", "text", "department", "files"]


@read_only(DepartmentSerializer, "departments")
class DepartmentViewSet(ReadOnlyViewSet[Department]):
    """All departments, for agents, users who see all conversations, and administrators who may view them."""

    queryset = Department.objects.none()
    serializer_class = DepartmentSerializer
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Department, Department]:
        return Department.objects.all() if may_list(self.request.user, facts, Department) else Department.objects.none()


@read_only(AgentSerializer, "agents")
class AgentViewSet(ReadOnlyViewSet[Agent]):
    """All agents who can log in, for agents, users who see all conversations, and administrators who may view them."""

    queryset = Agent.objects.none()
    serializer_class = AgentSerializer
    filterset_class = AgentFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Agent, Agent]:
        if not may_list(self.request.user, facts, Agent):
            return Agent.objects.none()
        associations = Prefetch("associations", ChannelAgent.objects.only("agent_id", "channel_id"))
        agents = Agent.objects.filter(user__is_active=True).select_related("user")
        return agents.prefetch_related("departments", associations)


@read_only(CannedReplySerializer, "canned replies")
class CannedReplyViewSet(ReadOnlyViewSet[CannedReply]):
    """Canned replies for all departments and for the user's own, and personal ones of the user.

    Users who see all conversations see those of every department.
    """

    queryset = CannedReply.objects.none()
    serializer_class = CannedReplySerializer
    filterset_class = CannedReplyFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[CannedReply, CannedReply]:
        return canned_replies_for(self.request.user, facts).select_related("department").prefetch_related("files")


def canned_replies_for(user: User, facts: access.UserFacts) -> QuerySet[CannedReply, CannedReply]:
    """Return the canned replies that the user may list."""
    if not may_list(user, facts, CannedReply):
        return CannedReply.objects.none()
    rows = CannedReply.objects.filter(Q(owner=None) | Q(owner=user.pk))
    if facts.sees_all or user.has_perm("tickets.view_cannedreply"):
        return rows
    return rows.filter(Q(department=None) | Q(department_id__in=facts.department_ids) | Q(owner=user.pk))


class CannedReplyFileView(APIView):
    """The content of a file of a canned reply."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        summary="The content of a file of a canned reply",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 401: NOT_LOGGED_IN, 404: NOT_FOUND},
    )
    @needs(Scope.READ)
    def get(self, request: ApiRequest, pk: int) -> HttpResponseBase:
        replies = canned_replies_for(request.user, access.facts_for(request.user))
        file = CannedReplyFile.objects.filter(reply__in=replies, pk=pk).first() if pk <= MAX_ID else None
        if file is None:
            raise NotFound("There is no such file, or you may not see it.")
        return serve(request._request, file.file, file.content_type, name=file.name, inline=False)


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
        channels = access.channels_for(self.request.user, facts)
        templates = MessageTemplate.objects.filter(page__in=channels.values("page"))
        return templates.select_related("page").defer("page__page_token")


@read_only(ContactRowSerializer, "contacts")
class ContactViewSet(ContactActions, ReadOnlyViewSet[Contact]):
    """The contacts of the conversations that the user may see."""

    queryset = Contact.objects.none()
    serializer_class = ContactRowSerializer
    filterset_class = ContactFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Contact, Contact]:
        contacts = Contact.objects.select_related("page").defer("page__page_token")
        if facts.sees_all:
            return contacts
        visible = access.conversations_for(self.request.user, facts)
        return contacts.filter(pk__in=visible.values("contact_id"))
