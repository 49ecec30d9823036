"""The resources of the API: lists, single rows and actions, limited to what the user may see (conversation.access)."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from channels_im.models import Channel
from tickets.api.actions import ConversationActions, MessageActions
from tickets.api.export import ConversationExport
from tickets.api.sending import ReplyActions
from tickets.models import Conversation, Message, Ticket
from tickets.services.conversation import access

from .documentation import read_only
from .filters import ChannelFilters, ConversationFilters, MessageFilters, TicketFilters
from .paging import KeysetPaging
from .serializers import ChannelSerializer, ConversationSerializer, MessageSerializer, TicketSerializer


class ReadOnlyViewSet(viewsets.ReadOnlyModelViewSet):
    """`orderings` are those of KeysetPaging; `rows` says what the user may see, with all that the serializer reads."""

    pagination_class = KeysetPaging
    orderings: tuple[str, ...]

    def rows(self, facts: access.UserFacts) -> QuerySet:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet:
        return self.rows(access.facts_for(self.request.user))

    def get_object(self) -> Any:
        try:
            return super().get_object()
        except (Http404, OverflowError):  # an id beyond what the database can hold is no row either
            raise NotFound("There is no such row, or you may not see it.") from None


@read_only(ChannelSerializer, "channels")
class ChannelViewSet(ReadOnlyViewSet):
    """Channels of the conversations one may see; administrators see every channel. Deleted ones stay listed."""

    queryset = Channel.objects.none()
    serializer_class = ChannelSerializer
    filterset_class = ChannelFilters
    orderings = ("id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Channel, Channel]:
        user = self.request.user
        channels = Channel.objects.all() if user.is_staff else access.channels_for(user, facts)
        return channels.select_related("page__facebook_account", "department").defer(
            "page__page_token", "page__facebook_account__user_token"
        )


@read_only(ConversationSerializer, "conversations")
class ConversationViewSet(ConversationActions, ConversationExport, ReadOnlyViewSet):
    """Conversations of channels one is associated with, assigned to one, or transferred to one's department."""

    queryset = Conversation.objects.none()
    serializer_class = ConversationSerializer
    filterset_class = ConversationFilters
    orderings = ("-last_message_at", "last_message_at", "id", "-id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Conversation, Conversation]:
        return (
            access.conversations_for(self.request.user, facts)
            .select_related("contact__page", "department", "assignee")
            .defer("contact__page__page_token")
        )


@read_only(TicketSerializer, "tickets")
class TicketViewSet(ReadOnlyViewSet):
    """Tickets of the conversations one may see."""

    queryset = Ticket.objects.none()
    serializer_class = TicketSerializer
    filterset_class = TicketFilters
    orderings = ("-id", "id", "-opened_at", "opened_at")

    def rows(self, facts: access.UserFacts) -> QuerySet[Ticket, Ticket]:
        tickets = Ticket.objects.select_related("department", "assignee")
        if facts.sees_all:
            return tickets
        return tickets.filter(conversation__in=access.conversations_for(self.request.user, facts))


@read_only(MessageSerializer, "messages")
class MessageViewSet(ReplyActions, MessageActions, ReadOnlyViewSet):
    """Messages, internal notes and events of the conversations one may see."""

    queryset = Message.objects.none()
    serializer_class = MessageSerializer
    filterset_class = MessageFilters
    orderings = ("-sent_at", "sent_at", "-id", "id")

    def rows(self, facts: access.UserFacts) -> QuerySet[Message, Message]:
        messages = (
            Message.objects.select_related("page", "conversation__contact", "author")
            .defer("page__page_token")
            .prefetch_related("attachments")
        )
        if facts.sees_all:
            return messages
        return messages.filter(conversation__in=access.conversations_for(self.request.user, facts))


class NothingHere(APIView):
    """Any other address: a refusal in JSON, as everywhere in the API."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address. /api/schema/ lists what there is.")
