"""Send a reply: `POST /api/v1/messages/`, under the same rules as the composer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from desk.models import User
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet
from tickets.api.errors import ActionError
from tickets.api.idempotency import KEY_PARAMETER, ClientKeyField, LimitedJSONParser, client_key
from tickets.models import Conversation, Message, Scope
from tickets.rules import sent_as
from tickets.rules.sending import Refusal
from tickets.services.conversation import access
from tickets.services.outgoing import stickers, template_replies
from tickets.services.outgoing.replies import ReplyError, SpecialPart, queue_reply, require

from .documentation import BAD_INPUT, NOT_FOUND, NOT_LOGGED_IN, UNFIT, ProblemSerializer, RefusalSerializer
from .message_serializers import MessageSerializer, TemplateUseSerializer
from .paging import MAX_ID

# Refusals of the reply itself, whatever the state of the conversation.
TEXT_AND_FILES = frozenset({Refusal.TEXT_BLANK, Refusal.TEXT_TOO_LONG, Refusal.FILE_REFUSED})
REPLY_REFUSALS = TEXT_AND_FILES | {Refusal.TEMPLATE_REFUSED, Refusal.NOT_POSSIBLE}


class ReplyContent(serializers.Serializer[None]):
    """What is sent, now or later: a text, a sticker or a template, and what it replies to."""

    conversation = serializers.IntegerField(min_value=0, max_value=MAX_ID, help_text="Id of the conversation.")
    text = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="At most 1600 characters. A longer text is refused, never split.",
    )
    reply_to = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=Message._meta.get_field("reply_to_mid").max_length,
        help_text="mid of the message that it replies to.",
    )
    client_key = ClientKeyField()
    sticker_id = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=sent_as.MAX_STICKER_ID,
        help_text="Meta's id of a sticker, in place of text and files. Facebook accepts stickers only in the first 24 "
        "hours after the customer's last message.",
    )
    template = TemplateUseSerializer(
        required=False,
        allow_null=True,
        default=None,
        help_text="An approved template of the Page, in place of text and files; also outside the messaging window.",
    )


class ReplySerializer(ReplyContent):
    """A reply. With files, the request is multipart/form-data; the text is sent first, then the files in order."""

    hold = serializers.BooleanField(
        required=False,
        default=False,
        help_text="If only the messaging window forbids the reply, hold it and send it when the customer writes.",
    )


@extend_schema_field({"type": "array", "items": {"type": "string", "format": "binary"}})
class FilesField(serializers.ListField):
    """Uploaded files; the rules of `queue_reply` check them."""

    child = serializers.FileField(allow_empty_file=True, use_url=False)

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        try:
            return [self.child.run_validation(file) for file in data]
        except serializers.ValidationError:
            raise serializers.ValidationError(
                "Send files as multipart/form-data, each in a part named files with a file name."
            ) from None


class ReplyWithFilesSerializer(ReplySerializer):
    """A reply with files."""

    files = FilesField(
        required=False,
        default=list,
        help_text="One part for each file. The limits are those of the composer: pdf, mp4, mpeg, quicktime, mp3, "
        "vorbis, amr and mpeg audio 20 MB, jpg and png 8 MB.",
    )


class QueuedSerializer(serializers.Serializer[None]):
    """The messages of a reply: one for the text and one for each file, in the order in which they are sent."""

    results = MessageSerializer(many=True)


def reply_error(refusal: ReplyError, unfit: Collection[str] = TEXT_AND_FILES) -> ActionError:
    """Return the API's error: 422 for the codes of what can never be sent, else 409."""
    verdict = refusal.verdict
    is_unfit = verdict.code in unfit
    code = status.HTTP_422_UNPROCESSABLE_ENTITY if is_unfit else status.HTTP_409_CONFLICT
    return ActionError(code, verdict.sentence, verdict.code)


def special_part(user: User, conversation: Conversation, reply: dict[str, Any]) -> SpecialPart | None:
    """Return the sticker or template that the reply consists of; None for text and files."""
    sticker_id, template = reply["sticker_id"], reply["template"]
    if not sticker_id and not template:
        return None
    is_alone = not (reply["text"] or reply["files"] or (sticker_id and template))
    require(is_alone, "A sticker or a template is sent alone, without text and files.")
    if sticker_id:
        return stickers.part_of(user, sticker_id)
    return template_replies.part_of(conversation, template["name"], template["language"], template["values"])


def queued_body(queued: Sequence[Message], context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the messages of a reply as their author reads them, also when they lost access to it meanwhile."""
    rows = Message.objects.select_related("page", "conversation__contact", "author").defer("page__page_token")
    by_id = rows.prefetch_related("attachments").in_bulk([message.pk for message in queued])
    ordered = [by_id[message.pk] for message in queued if message.pk in by_id]
    return {"results": MessageSerializer(ordered, many=True, context=dict(context)).data}


class ReplyActions(ApiViewSet[Message]):
    """The POST of the message view set."""

    parser_classes = [LimitedJSONParser, MultiPartParser]

    @extend_schema(
        summary="Send a reply",
        description=(
            "Queues a reply to the customer. The response has the new messages in state `queued`, or `held` if you "
            "requested it. Read them again, or receive webhook events, to see them sent, delivered and read. A reply "
            "that a rule forbids is answered 409 when the conversation cannot take a reply now, and 422 when its text "
            "or a file can never be sent."
        ),
        parameters=[KEY_PARAMETER],
        request={"application/json": ReplySerializer, "multipart/form-data": ReplyWithFilesSerializer},
        responses={
            201: QueuedSerializer,
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: OpenApiResponse(
                RefusalSerializer,
                description="The conversation cannot take a reply now.",
                examples=[
                    OpenApiExample(
                        "Window closed",
                        {
                            "detail": "The messaging window closed on 8 March 2026 at 09:30 UTC. You can reply again "
                            "when the customer writes.",
                            "code": Refusal.WINDOW_CLOSED.value,
                        },
                    )
                ],
            ),
            413: OpenApiResponse(ProblemSerializer, description="The request is too big."),
            422: UNFIT,
        },
        examples=[
            OpenApiExample("A text", {"conversation": 12, "text": "Good morning! It is on its way."}, request_only=True)
        ],
    )
    @needs(Scope.REPLY)
    def create(self, request: ApiRequest) -> Response:
        """Queue a reply."""
        form = ReplyWithFilesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        reply = form.validated_data
        try:
            conversation = access.get_conversation(request.user, reply["conversation"])
        except Http404 as error:
            raise NotFound(str(error)) from None
        try:
            queued = queue_reply(
                request.user,
                conversation,
                text=reply["text"],
                files=reply["files"],
                reply_to_mid=reply["reply_to"] or "",
                client_key=client_key(request, reply["client_key"]),
                hold=reply["hold"],
                special=special_part(request.user, conversation, reply),
            )
        except ReplyError as refusal:
            raise reply_error(refusal, REPLY_REFUSALS) from None
        return Response(queued_body(queued, self.get_serializer_context()), status=status.HTTP_201_CREATED)
