"""Scheduled replies: `/api/v1/scheduled-replies/`, under the same rules as the composer's *Send later*."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from tickets.api.actions import EmptySerializer
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ReadOnlyViewSet
from tickets.api.conditional import only_if_unchanged
from tickets.api.documentation import BAD_INPUT, NO_LONGER_VISIBLE, NOT_FOUND, NOT_LOGGED_IN, REFUSED, UNFIT, read_only
from tickets.api.export import AnyAccept
from tickets.api.few_conversations import FewConversations
from tickets.api.fields import MomentField, PersonField, TextOrNull
from tickets.api.filters import ScheduledReplyFilters
from tickets.api.idempotency import KEY_PARAMETER, LimitedJSONParser, client_key
from tickets.api.message_serializers import TemplateUseSerializer
from tickets.api.paging import MAX_ID
from tickets.api.sending import (
    TEXT_AND_FILES,
    FilesField,
    QueuedSerializer,
    ReplyContent,
    queued_body,
    reply_error,
    special_part,
)
from tickets.api.serializers import ReadOnlySerializer
from tickets.models import ScheduledReply, ScheduledReplyFile, Scope
from tickets.rules.sending import Refusal
from tickets.rules.sent_as import sticker_in, template_in
from tickets.services.conversation import access
from tickets.services.outgoing import scheduled_replies
from tickets.services.outgoing.replies import ReplyError
from tickets.views.files import serve

NOTHING_GIVEN = "Give at least one of %s."
UNFIT_REFUSALS = TEXT_AND_FILES | {Refusal.TEMPLATE_REFUSED}


class ScheduledReplyFileSerializer(ReadOnlySerializer[ScheduledReplyFile]):
    """A file of a scheduled reply."""

    url = serializers.SerializerMethodField(help_text="Where to download the file with the same token.")

    class Meta:
        model = ScheduledReplyFile
        fields = ["id", "kind", "name", "content_type", "size", "url"]

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_url(self, file: ScheduledReplyFile) -> str:
        return reverse("api:scheduled-reply-file", args=[file.pk], request=self.context.get("request"))


class ScheduledReplySerializer(ReadOnlySerializer[ScheduledReply]):
    """A reply that is sent later, or could not be sent. Once it is sent, its text and files are those of messages."""

    conversation = serializers.IntegerField(source="conversation_id", help_text="Id of the conversation.")
    author = PersonField(help_text="User name of the author; null when they were deleted.")
    send_at = MomentField(help_text="The time that was chosen.")
    reply_to = TextOrNull(source="reply_to_mid", help_text="mid of the message that it replies to.")
    reason = TextOrNull(help_text="Why it was not sent.")
    files = ScheduledReplyFileSerializer(many=True)
    sticker_id = serializers.SerializerMethodField(help_text="Meta's id when the reply is a sticker.")
    template = serializers.SerializerMethodField(help_text="The template from which the reply is made.")

    @extend_schema_field({"type": "string", "nullable": True})
    def get_sticker_id(self, row: ScheduledReply) -> str | None:
        return sticker_in(row.sent_as) or None

    @extend_schema_field(TemplateUseSerializer(allow_null=True))
    def get_template(self, row: ScheduledReply) -> dict[str, Any] | None:
        use = template_in(row.sent_as)
        return TemplateUseSerializer(use).data if use else None

    class Meta:
        model = ScheduledReply
        fields = [
            "id",
            "conversation",
            "author",
            "text",
            "files",
            "sticker_id",
            "template",
            "reply_to",
            "send_at",
            "cancel_if_customer_writes",
            "state",
            "reason",
        ]


class ScheduleSerializer(ReplyContent):
    """A reply and its time. With files, the request is multipart/form-data."""

    send_at = serializers.DateTimeField(help_text="When it is sent: while the messaging window is open.")
    cancel_if_customer_writes = serializers.BooleanField(
        required=False, default=False, help_text="Cancel it when the customer writes before."
    )


class ScheduleWithFilesSerializer(ScheduleSerializer):
    """A scheduled reply with files."""

    files = FilesField(required=False, default=list, help_text="One part for each file, as of a reply.")


class RescheduleSerializer(serializers.Serializer[None]):
    """What to change; the rest stays as it is. The reply is scheduled again, also if it was not sent."""

    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    send_at = serializers.DateTimeField(required=False)
    cancel_if_customer_writes = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(NOTHING_GIVEN % ", ".join(self.fields))
        return attrs


@read_only(ScheduledReplySerializer, "scheduled replies")
class ScheduledReplyViewSet(FewConversations[ScheduledReply], ReadOnlyViewSet[ScheduledReply]):
    """Replies that are sent later, in the conversations that the user may see; those that were sent for 30 days."""

    queryset = ScheduledReply.objects.none()
    serializer_class = ScheduledReplySerializer
    filterset_class = ScheduledReplyFilters
    parser_classes = [LimitedJSONParser, MultiPartParser]
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[ScheduledReply, ScheduledReply]:
        rows = ScheduledReply.objects.select_related("author", "conversation").prefetch_related("files")
        if facts.sees_all:
            return rows
        return rows.filter(access.is_in_visible_conversation(self.request.user, facts))

    @extend_schema(
        summary="Schedule a reply",
        description="Stores a reply that is sent at `send_at`. At that time every rule is asked again; a reply that "
        "cannot be sent then gets the state `not_sent` and a reason. 409 and `window_closed` when the messaging window "
        "will be closed; the sentence says which time is the latest.",
        parameters=[KEY_PARAMETER],
        request={"application/json": ScheduleSerializer, "multipart/form-data": ScheduleWithFilesSerializer},
        responses={
            201: ScheduledReplySerializer,
            204: NO_LONGER_VISIBLE,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
            422: UNFIT,
        },
    )
    @needs(Scope.REPLY)
    def create(self, request: ApiRequest) -> Response:
        """Schedule a reply."""
        form = ScheduleWithFilesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        reply = form.validated_data
        try:
            conversation = access.get_conversation(request.user, reply["conversation"])
        except Http404 as error:
            raise NotFound(str(error)) from None
        try:
            row = scheduled_replies.schedule(
                request.user,
                conversation,
                reply["send_at"],
                text=reply["text"],
                files=reply["files"],
                reply_to_mid=reply["reply_to"] or "",
                client_key=client_key(request, reply["client_key"]),
                cancel_if_customer_writes=reply["cancel_if_customer_writes"],
                special=special_part(request.user, conversation, reply),
            )
        except ReplyError as refusal:
            raise reply_error(refusal, UNFIT_REFUSALS) from None
        return self.changed(row.pk, ScheduledReplySerializer, status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a scheduled reply",
        description="Fields that are not given stay as they are. Whoever changes the text is the author. A sticker "
        "or a template has no text that can be changed.",
        request=RescheduleSerializer,
        responses={
            200: ScheduledReplySerializer,
            204: NO_LONGER_VISIBLE,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
            422: UNFIT,
        },
    )
    @needs(Scope.REPLY)
    @only_if_unchanged
    def partial_update(self, request: ApiRequest, pk: str) -> Response:
        """Change a scheduled reply."""
        row = self.get_object()
        form = RescheduleSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            scheduled_replies.change(request.user, row, scheduled_replies.Changes(**form.validated_data))
        except ReplyError as refusal:
            raise reply_error(refusal) from None
        return self.changed(row.pk, ScheduledReplySerializer)

    @extend_schema(
        summary="Cancel a scheduled reply",
        responses={
            204: OpenApiResponse(description="Deleted. It is not sent."),
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @needs(Scope.REPLY)
    def destroy(self, request: ApiRequest, pk: str) -> Response:
        """Cancel a scheduled reply."""
        try:
            scheduled_replies.cancel(request.user, self.get_object())
        except ReplyError as refusal:
            raise reply_error(refusal) from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Send a scheduled reply now",
        description="Queues it as a reply of this user.",
        request=EmptySerializer,
        responses={200: QueuedSerializer, 401: NOT_LOGGED_IN, 404: NOT_FOUND, 409: REFUSED},
    )
    @action(detail=True, methods=["post"])
    @needs(Scope.REPLY)
    def send(self, request: ApiRequest, pk: str) -> Response:
        """Send a scheduled reply now."""
        try:
            queued = scheduled_replies.send_now(request.user, self.get_object())
        except ReplyError as refusal:
            raise reply_error(refusal) from None
        return Response(queued_body(queued, self.get_serializer_context()))


class ScheduledReplyFileView(APIView):
    """The content of a file of a scheduled reply."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        summary="The content of a file of a scheduled reply",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 401: NOT_LOGGED_IN, 404: NOT_FOUND},
    )
    @needs(Scope.READ)
    def get(self, request: ApiRequest, pk: int) -> HttpResponseBase:
        seen = access.conversations_for(request.user)
        rows = ScheduledReplyFile.objects.filter(reply__conversation__in=seen).exclude(file="")
        file = rows.filter(pk=pk).first() if pk <= MAX_ID else None
        if file is None:
            raise NotFound("There is no such file, or you may not see it.")
        return serve(request._request, file.file, file.content_type, name=file.name, inline=False)
