"""Close, reopen, split, merge and relate tickets."""

from collections.abc import Callable

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from desk.errors import Refused
from desk.models import User
from tickets.api.actions import EmptySerializer, action_error, row_action
from tickets.api.authentication import needs
from tickets.api.base import ApiRequest, ApiViewSet
from tickets.api.documentation import BAD_INPUT, NOT_FOUND, NOT_LOGGED_IN, REFUSED
from tickets.api.labels import refused
from tickets.api.paging import MAX_ID
from tickets.api.serializers import TicketSerializer
from tickets.models import Conversation, Scope, Ticket, TicketChange
from tickets.services.inbox import actions, ticket_changes, ticket_links

NO_CHANGE = "This ticket was neither split nor merged, or that was undone."


class SplitSerializer(serializers.Serializer[None]):
    """Where the new ticket begins."""

    message = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        help_text="Id of a message of the ticket: it and the later ones become a new ticket.",
    )


class RelatedSerializer(serializers.Serializer[None]):
    """Another ticket."""

    ticket = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="Number of the other ticket.")


class TicketChangeActions(ApiViewSet[Ticket]):
    """Close and reopen a ticket, split it, merge it with the one before, undo that, and relate it to others."""

    @row_action(Scope.MANAGE, "Close a ticket, also one that is not the current one", EmptySerializer, TicketSerializer)
    def close(self, request: ApiRequest, pk: str) -> Response:
        return self._set_state(actions.close)

    @row_action(
        Scope.MANAGE, "Reopen a ticket, also one that is not the current one", EmptySerializer, TicketSerializer
    )
    def reopen(self, request: ApiRequest, pk: str) -> Response:
        return self._set_state(actions.reopen)

    @row_action(
        Scope.MANAGE, "Split a ticket at a message; the response is the new one", SplitSerializer, TicketSerializer
    )
    def split(self, request: ApiRequest, pk: str) -> Response:
        ticket = self.get_object()
        form = SplitSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        message = form.validated_data["message"]
        if not ticket.messages.filter(pk=message).exists():
            raise serializers.ValidationError({"message": ["There is no such message in this ticket."]})
        try:
            change = ticket_changes.split(request.user, ticket.conversation, message)
        except Refused as error:
            raise action_error(error) from None
        return self._ticket(change.later)

    @row_action(
        Scope.MANAGE,
        "Merge a ticket into the one before it in the conversation, which is the response",
        EmptySerializer,
        TicketSerializer,
    )
    def merge(self, request: ApiRequest, pk: str) -> Response:
        ticket = self.get_object()
        try:
            change = ticket_changes.merge(request.user, ticket.conversation, ticket.pk)
        except Refused as error:
            raise action_error(error) from None
        return self._ticket(change.earlier)

    @row_action(
        Scope.MANAGE,
        "Undo the last split or merge of a ticket; the response is the ticket with the messages that were moved",
        EmptySerializer,
        TicketSerializer,
    )
    def undo(self, request: ApiRequest, pk: str) -> Response:
        ticket = self.get_object()
        change = ticket_changes.last_change(ticket)
        try:
            if change is None:
                raise Refused(NO_CHANGE)
            ticket_changes.undo(request.user, ticket.conversation, change.pk)
        except Refused as error:
            raise action_error(error) from None
        return self._ticket(change.earlier if change.kind == TicketChange.Kind.SPLIT else change.later)

    @extend_schema(
        summary="List the tickets that are related to a ticket",
        description="The tickets that agents have linked with it and that the user may see; at most 50.",
        responses={200: TicketSerializer(many=True), 401: NOT_LOGGED_IN, 404: NOT_FOUND},
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    @needs(Scope.READ)
    def related(self, request: ApiRequest, pk: str) -> Response:
        """List the related tickets."""
        return self._related(self.get_object())

    @extend_schema(
        summary="Relate a ticket to another one",
        description="Both are related to each other. The response has all related tickets.",
        request=RelatedSerializer,
        responses={
            200: TicketSerializer(many=True),
            400: BAD_INPUT,
            401: NOT_LOGGED_IN,
            404: NOT_FOUND,
            409: REFUSED,
        },
    )
    @related.mapping.post
    @needs(Scope.MANAGE)
    def relate(self, request: ApiRequest, pk: str) -> Response:
        """Relate it to another ticket."""
        ticket = self.get_object()
        form = RelatedSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            ticket_links.link(request.user, ticket, form.validated_data["ticket"])
        except Refused as error:
            raise refused(error) from None
        return self._related(ticket)

    @row_action(
        Scope.MANAGE,
        "Remove the relation of a ticket to another one",
        RelatedSerializer,
        None,
        **{"204": OpenApiResponse(description="They are not related.")},
    )
    def unrelate(self, request: ApiRequest, pk: str) -> Response:
        ticket = self.get_object()
        form = RelatedSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            ticket_links.unlink(request.user, ticket, form.validated_data["ticket"])
        except Refused as error:
            raise refused(error) from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _set_state(self, act: Callable[[User, Conversation, int], None]) -> Response:
        ticket = self.get_object()
        self.require_work(ticket.conversation)
        try:
            act(self.request.user, ticket.conversation, ticket.pk)
        except Refused as error:
            raise action_error(error) from None
        return self._ticket(ticket.pk)

    def _related(self, ticket: Ticket) -> Response:
        rows = self.get_queryset().filter(pk__in=ticket_links.linked_to(ticket.pk).values("pk")).order_by("pk")
        return Response(TicketSerializer(rows, many=True, context=self.get_serializer_context()).data)

    def _ticket(self, number: int) -> Response:
        return self.changed(number, TicketSerializer)
