"""Publish webhook events: queue one row for each webhook, in the transaction of the change the event is about.

While no webhook has chosen an event, nothing is written and at most one query made. The body with the message, ticket
or conversation is rendered when the row is first sent (tickets.api.payloads); `delivery` sends it.
"""

import uuid
from typing import Any

from django.db.models import QuerySet

from desk import wake
from desk.live.publish import cached_in_batch, write_at_end
from desk.models import User
from tickets.models import Conversation, EventDelivery, EventSubscription, EventType, Message
from tickets.services import by_macro

JOB = "events"
WAKE_AT_MOST_EVERY_S = 0.3


def publish(
    event: EventType,
    conversation: Conversation,
    *,
    message: int | None = None,
    ticket: int | None = None,
    by: User | None = None,
    **facts: Any,
) -> None:
    """Queue `event` for every active webhook that has chosen it; it is sent after this transaction is committed.

    `message` and `ticket` are ids. `by` is the user who acted, None for the customer and for Desk itself; `facts` are
    small JSON values that cannot be read from the database later.
    """
    _write(event, conversation, [message], ticket, {"by": by.username if by else None, **facts})


def message_added(
    conversation: Conversation, message: Message, *, opened: int | None = None, reopened: int | None = None
) -> None:
    """Publish a new message or note, and the ticket (id) it opened or reopened.

    The events that Desk itself adds to a thread (assigned, closed …) are published under types of their own. What is
    imported from before the channel is no news, and not published.
    """
    if message.is_imported:
        return
    is_thread_event = message.kind == Message.Kind.EVENT and message.direction == Message.Direction.OUT
    if opened is not None:
        publish(EventType.TICKET_OPENED, conversation, ticket=opened, by=message.author)
    if reopened is not None:
        publish(EventType.TICKET_REOPENED, conversation, ticket=reopened, by=message.author)
    if not is_thread_event:
        publish(EventType.MESSAGE_CREATED, conversation, message=message.pk, by=message.author)


def ids_if_subscribed(messages: QuerySet[Message, Message]) -> list[int]:
    """Return the ids of messages that are about to change; empty when no webhook has chosen message updates."""
    return list(messages.values_list("pk", flat=True)) if _subscribed_to(EventType.MESSAGE_UPDATED) else []


def messages_updated(conversation: Conversation, ids: list[int], *changed: str) -> None:
    """Publish that these fields of messages changed; the names are those of the API."""
    _write(EventType.MESSAGE_UPDATED, conversation, ids, None, {"by": None, "changed": list(changed)})


def delete_for(conversation_ids: list[int]) -> int:
    """Delete sent and queued events of these conversations, as when a contact is erased; return how many rows."""
    return EventDelivery.objects.filter(conversation_id__in=conversation_ids).delete()[0]


def _write(
    event: EventType,
    conversation: Conversation,
    messages: list[int | None] | list[int],
    ticket: int | None,
    facts: dict[str, Any],
) -> None:
    subscriptions = _subscribed_to(event) if messages else []
    if not subscriptions:
        return
    rows = []
    facts = {**facts, **by_macro.facts()}
    for message in messages:
        event_id = uuid.uuid4()
        for subscription in subscriptions:
            row = EventDelivery(subscription_id=subscription, event_id=event_id, type=event, facts=facts)
            row.conversation_id, row.message_id, row.ticket_id = conversation.pk, message, ticket
            rows.append(row)
    write_at_end(rows, _insert)


def _insert(rows: list[EventDelivery]) -> None:
    """Insert rows in their order. Of the same event published twice in one transaction only the first is kept.

    In a batch, a change whose savepoint was rolled back may leave a row about a message that does not exist. Such a row
    is dropped when it is sent; where the next message got the same id, it is the event of that message.
    """
    unique: dict[tuple[object, ...], EventDelivery] = {}
    for row in rows:
        about = (row.conversation_id, row.message_id, row.ticket_id, str(row.facts))
        unique.setdefault((row.subscription_id, row.type, *about), row)
    EventDelivery.objects.bulk_create(unique.values())
    wake.wake(JOB, at_most_every=WAKE_AT_MOST_EVERY_S)


def _subscribed_to(event: EventType) -> list[int]:
    """Return the ids of the active webhooks that have chosen this event; one query for a whole batch."""
    subscriptions = cached_in_batch("event subscriptions", _active)  # English only: a key
    return [pk for pk, events in subscriptions if event in events]


def _active() -> list[tuple[int, list[str]]]:
    return list(EventSubscription.objects.filter(is_active=True).values_list("pk", "events"))
