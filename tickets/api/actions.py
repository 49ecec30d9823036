"""Actions on conversations, messages and notes, through the services of the pages. They return the new state."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from desk.errors import Refused
from desk.models import Department, User
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet
from tickets.api.documentation import BAD_INPUT, NO_LONGER_VISIBLE, NOT_FOUND, NOT_LOGGED_IN, REFUSED, UNFIT
from tickets.api.errors import ActionError
from tickets.api.fields import NamedRowField
from tickets.api.idempotency import LimitedJSONParser
from tickets.api.message_serializers import MessageSerializer
from tickets.api.paging import MAX_ID
from tickets.api.serializers import ConversationSerializer
from tickets.models import Conversation, Message, Scope, ThreadControlRequest
from tickets.rules.sending import Refusal
from tickets.services.conversation import access, mentions
from tickets.services.inbox import actions, read_marks, snoozes
from tickets.services.inbox.cursors import write_cursor
from tickets.services.outgoing import undelivered
from tickets.services.outgoing.collision import AnsweredMeanwhileError, author_in_words
from tickets.services.outgoing.replies import ReplyError
from tickets.services.page_actions import reactions, thread_control

UNFIT_REFUSALS = {Refusal.TEXT_BLANK, Refusal.TEXT_TOO_LONG, Refusal.FILE_REFUSED}

Handler = TypeVar("Handler", bound=Callable[..., Response])


def action_error(error: Refused) -> ActionError:
    """Return the API's error for a refusal of a service: 422 when the text or a file can never be stored, else 409."""
    is_unfit = error.code in UNFIT_REFUSALS
    return ActionError(
        status.HTTP_422_UNPROCESSABLE_ENTITY if is_unfit else status.HTTP_409_CONFLICT,
        str(error),
        error.code or Refusal.NOT_POSSIBLE,
    )


class EmptySerializer(serializers.Serializer[None]):
    """No fields: an empty body, or `{}`."""


class UserField(NamedRowField[User]):
    """An active user by the user name."""

    def __init__(self, **kwargs: Any) -> None:
        active_users = User.objects.filter(is_active=True)
        super().__init__(**{"slug_field": "username", "queryset": active_users, **kwargs})


class AssignSerializer(serializers.Serializer[None]):
    """The user to assign to."""

    assignee = UserField(allow_null=True, help_text="User name; null: nobody.")


class TransferSerializer(serializers.Serializer[None]):
    """A department, or an agent of this channel or department, with an optional internal note for them."""

    department = NamedRowField(
        slug_field="name", queryset=Department.objects.all(), required=False, help_text="Name of the department."
    )
    assignee = UserField(required=False, help_text="User name of an agent, instead of a department.")
    note = serializers.CharField(
        required=False, default="", allow_blank=True, trim_whitespace=False, help_text="At most 20,000 characters."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("department" in attrs) == ("assignee" in attrs):
            raise serializers.ValidationError("Give either a department or an assignee to transfer it to.")
        return attrs


class SnoozeSerializer(serializers.Serializer[None]):
    """A time, or until the customer writes. Their message ends the snooze in any case."""

    until = serializers.DateTimeField(required=False, help_text="When it wakes: within a year.")
    until_reply = serializers.BooleanField(required=False, default=False, help_text="Until the customer writes.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("until" in attrs) == attrs["until_reply"]:
            raise serializers.ValidationError("Give either a time (until) or until_reply.")
        return attrs


class ReadSerializer(serializers.Serializer[None]):
    """The newest message that was read."""

    upto = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_ID,
        help_text="Id of the newest message that was seen; later ones stay unread. Without it, all are marked as read.",
    )


def row_action(
    scope: Scope,
    summary: str,
    form: type[serializers.Serializer[None]],
    response: type[serializers.BaseSerializer[Any]] | None,
    **responses: OpenApiResponse,
) -> Callable[[Handler], Handler]:
    """Describe a POST and make it an action of one row, for tokens with the `scope`.

    `form` is the request's serializer, `response` that of status 200, and `responses` adds others by status.
    """
    all_responses: dict[int | str, Any] = {200: response, 400: BAD_INPUT, 401: NOT_LOGGED_IN, 404: NOT_FOUND}
    all_responses |= {409: REFUSED} | ({} if response is None else {204: NO_LONGER_VISIBLE}) | responses
    describe = extend_schema(
        summary=summary,
        description=f"{summary}.",
        request=None if form is EmptySerializer else form,
        responses=all_responses,
    )

    def decorate(method: Handler) -> Handler:
        # In this order, because `action` loses an earlier description.
        options: dict[str, Any] = {
            "filterset_class": None,
            "pagination_class": None,
            "parser_classes": [LimitedJSONParser],
        }
        action(detail=True, methods=["post"], **options)(method)
        return describe(needs(scope)(method))

    return decorate


def conversation_action(
    summary: str, form: type[serializers.Serializer[None]] = EmptySerializer, **responses: OpenApiResponse
) -> Callable[[Handler], Handler]:
    """Describe a POST that returns the conversation, and make it an action of one conversation."""
    return row_action(Scope.MANAGE, summary, form, ConversationSerializer, **responses)


class ConversationActions(ApiViewSet[Conversation]):
    """The POSTs of the conversation view set.

    They return the conversation, or 204 when the user may no longer see it.
    """

    parser_classes = [LimitedJSONParser]

    @conversation_action("Assign a conversation to a user, or to nobody", AssignSerializer)
    def assign(self, request: ApiRequest, pk: str) -> Response:
        return self._run(
            request, lambda row, form: actions.assign(request.user, row, form["assignee"]), AssignSerializer
        )

    @conversation_action("Assign a conversation to yourself")
    def take(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: actions.assign(request.user, row, request.user))

    @conversation_action("Transfer a conversation", TransferSerializer, **{"422": UNFIT})
    def transfer(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, self._transfer, TransferSerializer)

    @conversation_action("Close the current ticket")
    def close(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: actions.close(request.user, row))

    @conversation_action("Reopen the current ticket")
    def reopen(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: actions.reopen(request.user, row))

    @conversation_action("Snooze a conversation", SnoozeSerializer)
    def snooze(self, request: ApiRequest, pk: str) -> Response:
        return self._run(
            request, lambda row, form: snoozes.snooze(request.user, row, form.get("until")), SnoozeSerializer
        )

    @conversation_action("End the snooze of a conversation")
    def wake(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: snoozes.wake(request.user, row))

    @conversation_action("Block the contact")
    def block(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: actions.block(request.user, row))

    @conversation_action("Unblock the contact")
    def unblock(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: actions.unblock(request.user, row))

    @conversation_action("Take control of a conversation from another app")
    def take_control(self, request: ApiRequest, pk: str) -> Response:
        take = ThreadControlRequest.Action.TAKE
        return self._run(request, lambda row, form: thread_control.request(request.user, row, take))

    @conversation_action("Ask the app that controls a conversation for control")
    def request_control(self, request: ApiRequest, pk: str) -> Response:
        ask = ThreadControlRequest.Action.REQUEST
        return self._run(request, lambda row, form: thread_control.request(request.user, row, ask))

    @conversation_action("Mark a conversation as read", ReadSerializer)
    def read(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, self._read, ReadSerializer)

    @conversation_action("Mark a conversation as unread")
    def unread(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, lambda row, form: read_marks.mark_unread(row))

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
            cursor = write_cursor(*seen)
        mentions.mark_seen(self.request.user, row)
        if access.may_work_in(self.facts, row):
            read_marks.mark_read(row, cursor)

    def _run(
        self,
        request: ApiRequest,
        act: Callable[[Conversation, dict[str, Any]], object],
        form_class: type[serializers.Serializer[None]] = EmptySerializer,
    ) -> Response:
        row = self.get_object()
        if self.action != "read":
            self.require_work(row)
        form = form_class(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            act(row, form.validated_data)
        except Refused as error:
            raise action_error(error) from None
        return self.changed(row.pk, ConversationSerializer)


class ResendSerializer(serializers.Serializer[None]):
    """The newest reply that was seen before sending again."""

    seen = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=MAX_ID,
        help_text="Id of the newest reply that was seen. If somebody else replied after this one was written and after "
        "that reply, the response is 409 with the code answered_meanwhile, and nothing is sent.",
    )


class ReactSerializer(serializers.Serializer[None]):
    """A reaction of the Page."""

    emoji = serializers.CharField(allow_blank=True, max_length=40, help_text="One emoji; empty: remove the reaction.")


class MessageActions(ApiViewSet[Message]):
    """The POSTs on one message: actions on a reply that was not sent normally, and the Page's reaction."""

    @row_action(Scope.REPLY, "Send a failed reply again", ResendSerializer, MessageSerializer)
    def retry(self, request: ApiRequest, pk: str) -> Response:
        return self._send(request, undelivered.retry)

    @row_action(
        Scope.REPLY, "Send a failed reply that is too long for Facebook as two", ResendSerializer, MessageSerializer
    )
    def send_as_two(self, request: ApiRequest, pk: str) -> Response:
        return self._send(request, undelivered.send_as_two)

    @row_action(Scope.REPLY, "Send a held reply", ResendSerializer, MessageSerializer)
    def release(self, request: ApiRequest, pk: str) -> Response:
        return self._send(request, undelivered.release)

    @row_action(
        Scope.REPLY, "Send an unsure reply again, because it did not arrive", ResendSerializer, MessageSerializer
    )
    def resend(self, request: ApiRequest, pk: str) -> Response:
        return self._send(request, undelivered.resend)

    @row_action(Scope.REPLY, "Confirm that an unsure reply arrived", EmptySerializer, MessageSerializer)
    def arrived(self, request: ApiRequest, pk: str) -> Response:
        return self._run(request, undelivered.mark_arrived)

    @row_action(
        Scope.REPLY,
        "Cancel a reply that has not been sent",
        EmptySerializer,
        None,
        **{"204": OpenApiResponse(description="The reply is deleted; nothing is sent.")},
    )
    def cancel(self, request: ApiRequest, pk: str) -> Response:
        self._act(request, undelivered.cancel)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @row_action(Scope.REPLY, "React to a message of the customer", ReactSerializer, MessageSerializer)
    def react(self, request: ApiRequest, pk: str) -> Response:
        form = ReactSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        emoji = form.validated_data["emoji"]
        return self._run(request, lambda user, row: reactions.react(user, row, emoji))

    def _send(self, request: ApiRequest, act: Callable[[User, Message, int | None], object]) -> Response:
        form = ResendSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return self._run(request, lambda user, row: act(user, row, form.validated_data["seen"]))

    def _run(self, request: ApiRequest, act: Callable[[User, Message], object]) -> Response:
        return self.changed(self._act(request, act).pk, MessageSerializer)

    def _act(self, request: ApiRequest, act: Callable[[User, Message], object]) -> Message:
        row = self.get_object()
        self.require_work(row.conversation)
        try:
            act(request.user, row)
        except ReplyError as error:
            raise ActionError(status.HTTP_409_CONFLICT, error.verdict.sentence, error.verdict.code) from None
        except AnsweredMeanwhileError as error:
            raise _answered_meanwhile(error.message) from None
        return row


def _answered_meanwhile(reply: Message) -> ActionError:
    sentence = (
        f"{author_in_words(reply)} replied on {reply.sent_at:%-d %B %Y at %H:%M} UTC, after this reply was written. "
        f"It was not sent. Read that reply, then send this one with seen={reply.pk} if it still fits."
    )
    return ActionError(status.HTTP_409_CONFLICT, sentence, Refusal.ANSWERED_MEANWHILE, message=reply.pk)
