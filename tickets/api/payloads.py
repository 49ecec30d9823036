"""The JSON of webhook events (docs/api.md): rows in the shapes of the API, as they are when first sent."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import prefetch_related_objects

from tickets.models import Conversation, EventDelivery, EventType, Message, Ticket
from tickets.models.events import TEST_EVENT
from tickets.services.conversation import custom_fields

from .contacts import ContactRowSerializer
from .fields import iso_milliseconds
from .message_serializers import MessageSerializer
from .serializers import ContactSerializer, ConversationSerializer, TicketSerializer

MESSAGE_EVENTS = {EventType.MESSAGE_CREATED, EventType.MESSAGE_UPDATED}
TICKET_EVENTS = {
    EventType.TICKET_OPENED,
    EventType.TICKET_CLOSED,
    EventType.TICKET_REOPENED,
    EventType.TICKET_UPDATED,
    EventType.TICKET_SPLIT,
    EventType.TICKET_MERGED,
}
PERSON_EVENTS = {EventType.CONTACT_UPDATED, EventType.CONTACT_MERGED, EventType.CONTACT_SEPARATED}
CONTACT_EVENTS = {EventType.CONTACT_BLOCKED, EventType.CONTACT_UNBLOCKED}


def bodies(deliveries: Sequence[EventDelivery]) -> dict[int, bytes | None]:
    """Return the JSON to send by primary key; None for an event about a deleted row. A constant number of queries."""
    rows = _EventRows(deliveries)
    return {delivery.pk: _body(delivery, rows) for delivery in deliveries}


class _EventRows:
    """The rows that these events are about, by primary key."""

    def __init__(self, deliveries: Sequence[EventDelivery]) -> None:
        conversations = Conversation.objects.select_related(
            "contact__page", "contact__person", "department", "assignee", "current_ticket"
        ).prefetch_related("current_ticket__labels")
        if any(delivery.type in PERSON_EVENTS for delivery in deliveries):
            conversations = conversations.prefetch_related("contact__person__contacts")
        messages = Message.objects.select_related("page", "conversation__contact", "author")
        tickets = Ticket.objects.select_related("department", "assignee").prefetch_related(
            "labels", custom_fields.values_with_fields()
        )
        self.conversations = conversations.defer("contact__page__page_token").in_bulk(
            _distinct(delivery.conversation_id for delivery in deliveries)
        )
        with_fields = [
            self.conversations[delivery.conversation_id].contact
            for delivery in deliveries
            if delivery.type in PERSON_EVENTS and delivery.conversation_id in self.conversations
        ]
        prefetch_related_objects(with_fields, custom_fields.values_with_fields())
        self.messages = (
            messages.defer("page__page_token")
            .prefetch_related("attachments")
            .in_bulk(_distinct(delivery.message_id for delivery in deliveries))
        )
        self.tickets = tickets.in_bulk(_distinct(delivery.ticket_id for delivery in deliveries))


def _distinct(ids: Iterable[int | None]) -> list[int]:
    return sorted({pk for pk in ids if pk is not None})


def _body(delivery: EventDelivery, rows: _EventRows) -> bytes | None:
    data = _data(delivery, rows)
    if data is None:
        return None
    event = {
        "id": str(delivery.event_id),
        "type": delivery.type,
        "created_at": iso_milliseconds(delivery.created_at),
        "data": {**data, **_no_macro(delivery), **delivery.facts},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _no_macro(delivery: EventDelivery) -> dict[str, None]:
    """Return what a change says that no macro made; the facts of the others name theirs."""
    return {} if delivery.type == TEST_EVENT else {"macro": None}


def _data(delivery: EventDelivery, rows: _EventRows) -> dict[str, Any] | None:
    if delivery.type == TEST_EVENT:
        return {}
    conversation = rows.conversations.get(delivery.conversation_id or 0)
    if conversation is None:
        return None
    data: dict[str, Any] = {"conversation": ConversationSerializer(conversation).data}
    if delivery.type in MESSAGE_EVENTS:
        message = rows.messages.get(delivery.message_id or 0)
        return None if message is None else {"message": MessageSerializer(message).data, **data}
    if delivery.type == EventType.MESSAGE_DELETED:
        return {"message": {"id": delivery.message_id}, **data}
    if delivery.type in TICKET_EVENTS:
        ticket = rows.tickets.get(delivery.ticket_id or 0)
        return None if ticket is None else {"ticket": TicketSerializer(ticket).data, **data}
    if delivery.type in PERSON_EVENTS:
        return {"contact": ContactRowSerializer(conversation.contact).data, **data}
    if delivery.type in CONTACT_EVENTS:
        return {"contact": ContactSerializer(conversation.contact).data, **data}
    return data
