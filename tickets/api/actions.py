"""Work on a conversation, a message or a note, through the services of the pages; the answer is the fresh state."""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from desk.errors import Refused
from desk.models import Department, User
from tickets.api.documentation import BAD_INPUT, NOT_FOUND, NOT_LOGGED_IN, REFUSED, UNFIT
from tickets.api.errors import ActionError
from tickets.api.idempotency import KEY_PARAMETER, ClientKeyField, LimitedJSONParser, client_key
from tickets.api.paging import BIGGEST_ID
from tickets.api.serializers import ConversationSerializer, MessageSerializer
from tickets.models import Conversation, Message
from tickets.rules.sending import Refusal
from tickets.services.conversation import access
from tickets.services.inbox import actions, listing
from tickets.services.outgoing import undelivered
from tickets.services.outgoing.collision import AnsweredMeanwhileError, author_in_words
from tickets.services.outgoing.replies import ReplyError
from tickets.services.page_actions import reactions

ABOUT_THE_TEXT = {Refusal.TEXT_BLANK, Refusal.TEXT_TOO_LONG}
NOT_YOURS_NOW = OpenApiResponse(description="Done, and this user may not see the conversation any more.")


def refused(error: Refused) -> ActionError:
    """What the API answers to a refusal of a service: 422 when the text cannot be kept at all, else 409."""
    at_fault = error.code in ABOUT_THE_TEXT
    return ActionError(
        status.HTTP_422_UNPROCESSABLE_ENTITY if at_fault else status.HTTP_409_CONFLICT,
        str(error),
        error.code or Refusal.NOT_POSSIBLE,
    )


class NothingSerializer(serializers.Serializer):
    """No field: an empty body, or `{}`."""


class UserField(serializers.SlugRelatedField):
    """Somebody by the user name, to be given a conversation."""

    def __init__(self, **kwargs: Any) -> None:
        people = User.objects.filter(is_active=True)
        super().__init__(**{"slug_field": "username", "queryset": people, **kwargs})


class AssignSerializer(serializers.Serializer):
    assignee = UserField(allow_null=True, help_text="User name; null: nobody.")


class TransferSerializer(serializers.Serializer):
    """To a department, or to an agent of this channel or department; with a note for them if one is given."""

    department = serializers.SlugRelatedField(
        slug_field="name", queryset=Department.objects.all(), required=False, help_text="Name of the department."
    )
    assignee = UserField(required=False, help_text="User name of an agent, instead of a department.")
    note = serializers.CharField(
        required=False, default="", allow_blank=True, trim_whitespace=False, help_text="At most 20,000 characters."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("department" in attrs) == ("assignee" in attrs):
            raise serializers.ValidationError("Name either the department or the assignee to transfer it to.")
        return attrs


class ReadSerializer(serializers.Serializer):
    upto = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=BIGGEST_ID,
        help_text="Id of the newest message that was seen: what came after it stays unread. Without it: everything.",
    )


def described(summary: str, form: type[serializers.Serializer], answer: Any, **responses: Any) -> Callable:
    """Describe a POST and make it an action of its row."""
    known = {200: answer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 404: NOT_FOUND, 409: REFUSED, **responses}
    wanted = None if form is NothingSerializer else form
    of_row = action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    # In this order: `action` would forget a description that was there before it.
    return lambda method: extend_schema(summary=summary, description=f"{summary}.", request=wanted, responses=known)(
        of_row(method)
    )


def on_conversation(summary: str, form: type[serializers.Serializer] = NothingSerializer, **responses: Any) -> Callable:
    responses = {"204": NOT_YOURS_NOW, **responses}
    return described(summary, form, ConversationSerializer, **responses)


class ConversationActions:
    """The POSTs of the conversation view set. The answer is the conversation, or 204 when it is not shown any more."""

    parser_classes = [LimitedJSONParser]

    @on_conversation("Assign a conversation to somebody, or to nobody", AssignSerializer)
    def assign(self, request: Request, pk: str) -> Response:
        return self._do(
            request, lambda row, form: actions.assign(request.user, row, form["assignee"]), AssignSerializer
        )

    @on_conversation("Take a conversation")
    def take(self, request: Request, pk: str) -> Response:
        return self._do(request, lambda row, form: actions.assign(request.user, row, request.user))

    @on_conversation("Transfer a conversation", TransferSerializer, **{"422": UNFIT})
    def transfer(self, request: Request, pk: str) -> Response:
        return self._do(request, self._transfer, TransferSerializer)

    @on_conversation("Close the current ticket")
    def close(self, request: Request, pk: str) -> Response:
        return self._do(request, lambda row, form: actions.close(request.user, row))

    @on_conversation("Reopen the current ticket")
    def reopen(self, request: Request, pk: str) -> Response:
        return self._do(request, lambda row, form: actions.reopen(request.user, row))

    @on_conversation("Block the person")
    def block(self, request: Request, pk: str) -> Response:
        return self._do(request, lambda row, form: actions.block(request.user, row))

    @on_conversation("Take the block of the person back")
    def unblock(self, request: Request, pk: str) -> Response:
        return self._do(request, lambda row, form: actions.unblock(request.user, row))

    @on_conversation("Mark a conversation as read", ReadSerializer)
    def read(self, request: Request, pk: str) -> Response:
        return self._do(request, self._read, ReadSerializer)

    @on_conversation("Put a conversation back among the unread ones")
    def unread(self, request: Request, pk: str) -> Response:
        return self._do(request, lambda row, form: listing.mark_unread(row))

    def _transfer(self, row: Conversation, form: dict[str, Any]) -> None:
        user = self.request.user
        if "department" in form:
            actions.transfer(user, row, form["department"], form["note"])
        else:
            actions.assign_with_note(user, row, form["assignee"], form["note"])

    def _read(self, row: Conversation, form: dict[str, Any]) -> None:
        upto = form.get("upto")
        cursor = ""
        if upto is not None:
            seen = row.messages.filter(pk=upto).values_list("sent_at", "pk").first()
            if seen is None:
                raise serializers.ValidationError({"upto": ["There is no such message in this conversation."]})
            cursor = listing.write_cursor(*seen)
        listing.mark_read(row, cursor)

    def _do(
        self,
        request: Request,
        act: Callable[[Conversation, dict[str, Any]], Any],
        form_class: type[serializers.Serializer] = NothingSerializer,
    ) -> Response:
        row = self.get_object()
        form = form_class(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            act(row, form.validated_data)
        except Refused as error:
            raise refused(error) from None
        fresh = self.get_queryset().filter(pk=row.pk).first()
        if fresh is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(ConversationSerializer(fresh, context=self.get_serializer_context()).data)


class ResendSerializer(serializers.Serializer):
    seen = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=BIGGEST_ID,
        help_text="Id of the newest answer that was seen. When somebody else answered after the reply was written and "
        "after this, the answer is 409 with the code answered_meanwhile, and nothing is sent.",
    )


class ReactSerializer(serializers.Serializer):
    emoji = serializers.CharField(allow_blank=True, max_length=40, help_text="One emoji; empty: none any more.")


class MessageActions:
    """The POSTs on a message: what an agent may do with a reply that did not simply go out, and the Page's reaction."""

    @described("Send a failed reply again", ResendSerializer, MessageSerializer)
    def retry(self, request: Request, pk: str) -> Response:
        return self._send(request, undelivered.retry)

    @described("Send a held reply", ResendSerializer, MessageSerializer)
    def release(self, request: Request, pk: str) -> Response:
        return self._send(request, undelivered.release)

    @described("Send an unsure reply again, which did not arrive", ResendSerializer, MessageSerializer)
    def resend(self, request: Request, pk: str) -> Response:
        return self._send(request, undelivered.resend)

    @described("Say that an unsure reply did arrive", NothingSerializer, MessageSerializer)
    def arrived(self, request: Request, pk: str) -> Response:
        return self._settle(request, undelivered.mark_arrived)

    @described(
        "Cancel a reply that has not gone out",
        NothingSerializer,
        None,
        **{"204": OpenApiResponse(description="The reply is gone; nothing is sent.")},
    )
    def cancel(self, request: Request, pk: str) -> Response:
        self._settle(request, undelivered.cancel, answer=False)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @described("React to a message of the customer", ReactSerializer, MessageSerializer)
    def react(self, request: Request, pk: str) -> Response:
        form = ReactSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        emoji = form.validated_data["emoji"]
        return self._settle(request, lambda user, row: reactions.react(user, row, emoji))

    def _send(self, request: Request, act: Callable[[User, Message, int | None], Any]) -> Response:
        form = ResendSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return self._settle(request, lambda user, row: act(user, row, form.validated_data["seen"]))

    def _settle(self, request: Request, act: Callable[[User, Message], Any], *, answer: bool = True) -> Response:
        row = self.get_object()
        try:
            act(request.user, row)
        except ReplyError as error:
            raise ActionError(status.HTTP_409_CONFLICT, error.verdict.sentence, error.verdict.code) from None
        except AnsweredMeanwhileError as error:
            raise _answered(error.message) from None
        if not answer:
            return Response()
        fresh = self.get_queryset().get(pk=row.pk)
        return Response(MessageSerializer(fresh, context=self.get_serializer_context()).data)


def _answered(answer: Message) -> ActionError:
    sentence = (
        f"{author_in_words(answer)} answered on {answer.sent_at:%-d %B %Y at %H:%M} UTC, after this reply was written. "
        f"It was not sent: read that answer, then send this one with seen={answer.pk} if it still fits."
    )
    return ActionError(status.HTTP_409_CONFLICT, sentence, Refusal.ANSWERED_MEANWHILE, message=answer.pk)


class NoteSerializer(serializers.Serializer):
    conversation = serializers.IntegerField(min_value=0, max_value=BIGGEST_ID, help_text="Id of the conversation.")
    text = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="At most 20,000 characters.")
    client_key = ClientKeyField()


class NotesView(APIView):
    """Internal notes are read among the messages (`kind=note`) and written here."""

    parser_classes = [LimitedJSONParser]

    @extend_schema(
        summary="Write an internal note",
        description="Only colleagues see it; the customer never does.",
        parameters=[KEY_PARAMETER],
        request=NoteSerializer,
        responses={201: MessageSerializer, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 404: NOT_FOUND, 422: UNFIT},
    )
    def post(self, request: Request) -> Response:
        form = NoteSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        note = form.validated_data
        key = client_key(request, note["client_key"])
        try:
            conversation = access.get_conversation(request.user, note["conversation"])
            # With a mark of its own: a reply may have been sent with the same key.
            message = actions.add_note(request.user, conversation, note["text"], key and f"note {key}")
        except Http404 as error:
            raise NotFound(str(error)) from None
        except Refused as error:
            raise refused(error) from None
        return Response(MessageSerializer(message, context={"request": request}).data, status=status.HTTP_201_CREATED)
