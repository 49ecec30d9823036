"""What a program is told of an event (docs/api.md): the shapes of the API, as they are when it is first sent."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tickets.models import Conversation, EventDelivery, EventType, Message, Ticket
from tickets.models.events import TEST_EVENT

from .fields import iso_milliseconds
from .serializers import ContactSerializer, ConversationSerializer, MessageSerializer, TicketSerializer

ABOUT_MESSAGES = {EventType.MESSAGE_CREATED, EventType.MESSAGE_UPDATED}
ABOUT_TICKETS = {EventType.TICKET_OPENED, EventType.TICKET_CLOSED, EventType.TICKET_REOPENED}
ABOUT_CONTACTS = {EventType.CONTACT_BLOCKED, EventType.CONTACT_UNBLOCKED}


def bodies(rows: Sequence[EventDelivery]) -> dict[int, bytes | None]:
    """Return the JSON to send by row id; None for an event about what is gone. A constant number of queries."""
    known = _Known(rows)
    return {row.pk: _body(row, known) for row in rows}


class _Known:
    """The rows of the API that these events are about, by id."""

    def __init__(self, rows: Sequence[EventDelivery]) -> None:
        conversations = Conversation.objects.select_related("contact__page", "department", "assignee")
        messages = Message.objects.select_related("page", "conversation__contact", "author")
        tickets = Ticket.objects.select_related("department", "assignee")
        self.conversations = conversations.defer("contact__page__page_token").in_bulk(
            _ids(row.conversation_id for row in rows)
        )
        self.messages = (
            messages.defer("page__page_token")
            .prefetch_related("attachments")
            .in_bulk(_ids(row.message_id for row in rows))
        )
        self.tickets = tickets.in_bulk(_ids(row.ticket_id for row in rows))


def _ids(ids: Iterable[int | None]) -> list[int]:
    return sorted({pk for pk in ids if pk is not None})


def _body(row: EventDelivery, known: _Known) -> bytes | None:
    data = _data(row, known)
    if data is None:
        return None
    event = {
        "id": str(row.event_id),
        "type": row.type,
        "created_at": iso_milliseconds(row.created_at),
        "data": {**data, **row.facts},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _data(row: EventDelivery, known: _Known) -> dict[str, Any] | None:
    if row.type == TEST_EVENT:
        return {}
    conversation = known.conversations.get(row.conversation_id or 0)
    if conversation is None:
        return None
    data: dict[str, Any] = {"conversation": ConversationSerializer(conversation).data}
    if row.type in ABOUT_MESSAGES:
        message = known.messages.get(row.message_id or 0)
        return message and {"message": MessageSerializer(message).data, **data}
    if row.type == EventType.MESSAGE_DELETED:
        return {"message": {"id": row.message_id}, **data}
    if row.type in ABOUT_TICKETS:
        ticket = known.tickets.get(row.ticket_id or 0)
        return ticket and {"ticket": TicketSerializer(ticket).data, **data}
    if row.type in ABOUT_CONTACTS:
        return {"contact": ContactSerializer(conversation.contact).data, **data}
    return data
