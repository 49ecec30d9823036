"""The resources of the API: lists, rows and actions, limited to what the user may see (conversation.access)."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import APIRootView
from rest_framework.views import APIView

from channels_im.models import Channel, HistoryImport
from channels_im.setup.access import SEE_CHANNELS, may
from desk.prepared import PreparedModels
from tickets.api.actions import ConversationActions, MessageActions
from tickets.api.export import ConversationExport
from tickets.api.labels import TicketActions
from tickets.api.macros import ConversationMacros
from tickets.api.sending import ReplyActions
from tickets.api.ticket_changes import TicketChangeActions
from tickets.models import Conversation, Message, Scope, Ticket
from tickets.rules.field_filters import PREFIX
from tickets.services.conversation import access, custom_fields

from .authentication import needs
from .base import ReadOnlyViewSet
from .channel_serializers import ChannelSerializer
from .documentation import read_only
from .few_conversations import FewConversations
from .filters import ChannelFilters, ConversationFilters, MessageFilters, TicketFilters
from .message_serializers import MessageSerializer
from .serializers import ConversationSerializer, TicketSerializer


@read_only(ChannelSerializer, "channels")
class ChannelViewSet(ReadOnlyViewSet[Channel]):
    """Channels of the conversations that the user may see, also deleted ones.

    Administrators with a permission for channels see all of them.
    """

    queryset = Channel.objects.none()
    serializer_class = ChannelSerializer
    filterset_class = ChannelFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Channel, Channel]:
        user = self.request.user
        channels = Channel.objects.all() if may(user, *SEE_CHANNELS) else access.channels_for(user, facts)
        return (
            channels.select_related("page__facebook_account", "department")
            .defer("page__page_token", "page__facebook_account__user_token")
            .prefetch_related(Prefetch("history_imports", HistoryImport.objects.defer("handled", "cursor")))
        )


@read_only(ConversationSerializer, "conversations")
class ConversationViewSet(
    FewConversations[Conversation],
    ConversationActions,
    ConversationMacros,
    ConversationExport,
    ReadOnlyViewSet[Conversation],
):
    """Conversations of the user's channels, assigned to the user, or transferred to a department of the user."""

    queryset = Conversation.objects.none()
    serializer_class = ConversationSerializer
    filterset_class = ConversationFilters
    orderings = ("-last_message_at", "last_message_at", "id", "-id")
    by_conversation, has_department = "pk", True
    of_others = ("opened_since", "opened_until")

    def rows(self, facts: access.UserFacts) -> QuerySet[Conversation, Conversation]:
        return _related_conversations(access.conversations_for(self.request.user, facts))

    def by_id(self, queryset: QuerySet[Conversation, Any], ids: list[int]) -> dict[int, Conversation]:
        return _conversations.by_id(ids)


def _related_conversations(rows: QuerySet[Conversation, Conversation]) -> QuerySet[Conversation, Conversation]:
    return (
        rows.select_related("contact__page", "department", "assignee", "current_ticket")
        .prefetch_related("current_ticket__labels")
        .defer("contact__page__page_token")
    )


_conversations = PreparedModels[Conversation](
    lambda *, ids: _related_conversations(Conversation.objects.filter(pk__in=ids))
)


@read_only(TicketSerializer, "tickets")
class TicketViewSet(FewConversations[Ticket], TicketActions, TicketChangeActions, ReadOnlyViewSet[Ticket]):
    """Tickets of the conversations that the user may see."""

    queryset = Ticket.objects.none()
    serializer_class = TicketSerializer
    filterset_class = TicketFilters
    orderings = ("-id", "id", "-opened_at", "opened_at", "-last_message_at", "last_message_at")
    of_others = ("department", "assignee", PREFIX)

    def rows(self, facts: access.UserFacts) -> QuerySet[Ticket, Ticket]:
        tickets = _related_tickets(Ticket.objects.all())
        if facts.sees_all:
            return tickets
        return tickets.filter(access.is_in_visible_conversation(self.request.user, facts))

    def by_id(self, queryset: QuerySet[Ticket, Any], ids: list[int]) -> dict[int, Ticket]:
        return _tickets.by_id(ids)


def _related_tickets(rows: QuerySet[Ticket, Ticket]) -> QuerySet[Ticket, Ticket]:
    related = rows.select_related("department", "assignee")
    return related.prefetch_related("labels", custom_fields.values_with_fields())


_tickets = PreparedModels[Ticket](lambda *, ids: _related_tickets(Ticket.objects.filter(pk__in=ids)))


@read_only(MessageSerializer, "messages")
class MessageViewSet(FewConversations[Message], ReplyActions, MessageActions, ReadOnlyViewSet[Message]):
    """Messages, internal notes and events of the conversations that the user may see."""

    queryset = Message.objects.none()
    serializer_class = MessageSerializer
    filterset_class = MessageFilters
    orderings = ("-sent_at", "sent_at", "-id", "id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Message, Message]:
        messages = _related_messages(Message.objects.all())
        if facts.sees_all:
            return messages
        return messages.filter(access.is_in_visible_conversation(self.request.user, facts))

    def by_id(self, queryset: QuerySet[Message, Any], ids: list[int]) -> dict[int, Message]:
        return _messages.by_id(ids)


def _related_messages(rows: QuerySet[Message, Message]) -> QuerySet[Message, Message]:
    related = rows.select_related("page", "conversation__contact", "author").defer("page__page_token")
    return related.prefetch_related("attachments")


_messages = PreparedModels[Message](lambda *, ids: _related_messages(Message.objects.filter(pk__in=ids)))


class RootView(APIRootView):
    """The addresses of the resources."""

    schema = None

    @needs(Scope.READ)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class UnknownURLView(APIView):
    """Answer 404 in JSON at any other URL below /api/v1/, whatever the scopes of the token."""

    schema = None
    permission_classes = [IsAuthenticated]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this URL. /api/schema/ lists all URLs.")
