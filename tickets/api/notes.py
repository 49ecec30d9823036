"""Internal notes, with files and mentions, and the mentions of the user."""

from collections.abc import Iterable
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from desk.errors import Refused
from desk.models import Agent, Department
from tickets.api.actions import action_error
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.documentation import BAD_INPUT, NOT_FOUND, NOT_LOGGED_IN, REFUSED, UNFIT, read_only
from tickets.api.fields import DepartmentField, MomentField, PersonField
from tickets.api.idempotency import KEY_PARAMETER, ClientKeyField, LimitedJSONParser, client_key
from tickets.api.message_serializers import MessageSerializer
from tickets.api.paging import MAX_ID
from tickets.api.sending import FilesField
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import Mention, Message, Scope
from tickets.rules.mentions import AGENT, DEPARTMENT, MAX_TARGETS, Target
from tickets.services.conversation import access
from tickets.services.conversation.mentions import Wanted
from tickets.services.inbox import notes

NO_SUCH_NOTE = "There is no such note, or you may not see it."


class IdsField(serializers.ListField):
    """Ids of rows."""

    child = serializers.IntegerField(min_value=1, max_value=MAX_ID)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "default": list, "max_length": MAX_TARGETS, **kwargs})


class NoteTextSerializer(serializers.Serializer[None]):
    """The text of a note, and whom it mentions."""

    text = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="At most 20,000 characters.")
    mention_agents = IdsField(
        help_text="Ids of agents. A mention is @ and the name in the text; where the text lacks it, it is put before."
    )
    mention_departments = IdsField(help_text="Ids of departments: all their agents who may see the conversation.")
    give_access = IdsField(
        help_text="Ids of mentioned agents who may read the conversation until the ticket closes, if they may not see "
        "it. Without it they are not notified."
    )


class NoteSerializer(NoteTextSerializer):
    """An internal note. With files, the request is multipart/form-data."""

    conversation = serializers.IntegerField(min_value=0, max_value=MAX_ID, help_text="Id of the conversation.")
    client_key = ClientKeyField()


class NoteWithFilesSerializer(NoteSerializer):
    """An internal note with files."""

    text = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)
    files = FilesField(required=False, default=list, help_text="One part for each file, as in a reply.")


class NotesView(APIView):
    """Write internal notes; they are read among the messages (`kind=note`)."""

    parser_classes = [LimitedJSONParser, MultiPartParser]

    @extend_schema(
        summary="Write an internal note",
        description="Only colleagues see it, never the customer.",
        parameters=[KEY_PARAMETER],
        request={"application/json": NoteSerializer, "multipart/form-data": NoteWithFilesSerializer},
        responses={
            201: MessageSerializer,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
            422: UNFIT,
        },
    )
    @needs(Scope.REPLY)
    def post(self, request: ApiRequest) -> Response:
        form = NoteWithFilesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        note = form.validated_data
        key = client_key(request, note["client_key"])
        try:
            conversation = access.get_conversation(request.user, note["conversation"])
            # With a prefix, because a reply may have been sent with the same key.
            key = key and f"note {key}"
            message = notes.add_note(
                request.user, conversation, note["text"], key, files=note["files"], wanted=_wanted(note)
            )
        except Http404 as error:
            raise NotFound(str(error)) from None
        except Refused as error:
            raise action_error(error) from None
        return Response(MessageSerializer(message, context={"request": request}).data, status=status.HTTP_201_CREATED)


class NoteView(APIView):
    """Change and delete one's own internal notes."""

    parser_classes = [LimitedJSONParser]

    @extend_schema(
        summary="Change an internal note",
        description="For who wrote it. Whom the text no longer mentions loses the access that this note gave.",
        request=NoteTextSerializer,
        responses={
            200: MessageSerializer,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
            422: UNFIT,
        },
    )
    @needs(Scope.REPLY)
    def patch(self, request: ApiRequest, pk: int) -> Response:
        form = NoteTextSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        note = self._note(request, pk)
        try:
            changed = notes.edit_note(request.user, note, form.validated_data["text"], _wanted(form.validated_data))
        except Refused as error:
            raise action_error(error) from None
        return Response(MessageSerializer(changed, context={"request": request}).data)

    @extend_schema(
        summary="Delete an internal note",
        description="For who wrote it. Its files and mentions are deleted; the thread says that there was a note.",
        responses={
            204: OpenApiResponse(description="Deleted."),
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.REPLY)
    def delete(self, request: ApiRequest, pk: int) -> Response:
        try:
            notes.delete_note(request.user, self._note(request, pk))
        except Refused as error:
            raise action_error(error) from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _note(self, request: ApiRequest, pk: int) -> Message:
        visible = access.conversations_for(request.user)
        rows = Message.objects.filter(kind=Message.Kind.NOTE, conversation__in=visible)
        note = (
            rows.select_related("conversation__contact", "page", "author").filter(pk=pk).first()
            if pk <= MAX_ID
            else None
        )
        if note is None:
            raise NotFound(NO_SUCH_NOTE)
        return note


def _wanted(form: dict[str, Any]) -> Wanted:
    agents = _users(form["mention_agents"], "mention_agents")
    departments = set(form["mention_departments"])
    found = set(Department.objects.filter(pk__in=departments).values_list("pk", flat=True))
    if found != departments:
        raise serializers.ValidationError({"mention_departments": ["There is no such department."]})
    given = _users(form["give_access"], "give_access")
    if not set(given) <= set(agents):
        raise serializers.ValidationError({"give_access": ["Access is for agents whom the note mentions."]})
    targets = [Target(AGENT, pk) for pk in agents] + [Target(DEPARTMENT, pk) for pk in sorted(departments)]
    return Wanted(tuple(targets), frozenset(given), told=None, adds_names=True)


def _users(agents: Iterable[int], field: str) -> list[int]:
    """Return the users of these agents, in their order. Raises ValidationError."""
    wanted = list(dict.fromkeys(agents))
    found = dict(Agent.objects.filter(pk__in=wanted, user__is_active=True).values_list("pk", "user_id"))
    if len(found) != len(wanted):
        raise serializers.ValidationError({field: ["There is no such agent, or they are deactivated."]})
    return [found[pk] for pk in wanted]


# --- The mentions of the user -----------------------------------------------------------------------------------------
class MentionSerializer(ReadOnlySerializer[Mention]):
    """A note that mentions the user, by name or with their department."""

    message = serializers.IntegerField(source="message_id", help_text="Id of the note.")
    conversation = serializers.IntegerField(source="conversation_id", help_text="Id of the conversation.")
    author = PersonField(source="message.author", help_text="User name of who wrote the note.")
    department = DepartmentField(allow_null=True, help_text="The department that was mentioned; null: the user was.")
    created_at = MomentField()
    seen_at = MomentField(allow_null=True, help_text="When the user opened the conversation.")

    class Meta:
        model = Mention
        fields = ["id", "message", "conversation", "author", "department", "created_at", "seen_at"]


class MentionFilters(django_filters.FilterSet):
    seen = django_filters.BooleanFilter(
        field_name="seen_at", lookup_expr="isnull", exclude=True, help_text="Whether the user has seen them."
    )

    class Meta:
        model = Mention
        fields: list[str] = []


@read_only(MentionSerializer, "mentions")
class MentionViewSet(ReadOnlyViewSet[Mention]):
    """The notes that mention the user, in conversations that they may see."""

    queryset = Mention.objects.none()
    serializer_class = MentionSerializer
    filterset_class = MentionFilters
    orderings = ("-id", "id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Mention, Mention]:
        own = Mention.objects.filter(reader=self.request.user).select_related("message__author", "department")
        if facts.sees_all:
            return own
        return own.filter(access.is_in_visible_conversation(self.request.user, facts))
