"""What programs are told of: rows of the outbox of events, written in the transaction of the change they tell of.

Nothing is written, and next to nothing asked, while no subscription wants the event. What a row says of a message,
ticket or conversation is put together when it is first sent (tickets.api.payloads); `event_sending` sends it.
"""

import uuid
from typing import Any

from django.db.models import QuerySet

from desk.live.publish import cached_in_batch, write_at_end
from desk.models import User
from desk.queue import enqueue
from tickets.models import Conversation, EventDelivery, EventSubscription, EventType, Message

TASK = "tickets.tasks.send_events"
ENQUEUE_AT_MOST_EVERY_S = 0.3


def publish(
    event: EventType,
    conversation: Conversation,
    *,
    message: int | None = None,
    ticket: int | None = None,
    by: User | None = None,
    **facts: Any,
) -> None:
    """Let every program that wants `event` be told of it once this transaction is committed.

    `message` and `ticket` are ids. `by` is who did it, None for the customer and for Desk itself; `facts` are small
    JSON values that only this moment knows.
    """
    _write(event, conversation, [message], ticket, {"by": by.username if by else None, **facts})


def message_added(
    conversation: Conversation, message: Message, *, opened: int | None = None, reopened: int | None = None
) -> None:
    """Tell of a new message or note, and of the ticket (id) it opened or reopened.

    What Desk itself marks in a thread (assigned, closed …) is told by events of its own.
    """
    is_mark = message.kind == Message.Kind.EVENT and message.direction == Message.Direction.OUT
    if opened is not None:
        publish(EventType.TICKET_OPENED, conversation, ticket=opened, by=message.author)
    if reopened is not None:
        publish(EventType.TICKET_REOPENED, conversation, ticket=reopened, by=message.author)
    if not is_mark:
        publish(EventType.MESSAGE_CREATED, conversation, message=message.pk, by=message.author)


def wanted_ids(messages: QuerySet[Message, Message]) -> list[int]:
    """Return the ids of messages that are about to be changed; empty when nobody wants to be told of it."""
    return list(messages.values_list("pk", flat=True)) if _wanting(EventType.MESSAGE_UPDATED) else []


def messages_updated(conversation: Conversation, ids: list[int], *changed: str) -> None:
    """Tell that these fields of messages changed; the names are those of the API."""
    _write(EventType.MESSAGE_UPDATED, conversation, ids, None, {"by": None, "changed": list(changed)})


def forget(conversation_ids: list[int]) -> int:
    """Forget what was and is to be told of these conversations, as when a person is erased; return how many rows."""
    return EventDelivery.objects.filter(conversation_id__in=conversation_ids).delete()[0]


def _write(
    event: EventType,
    conversation: Conversation,
    messages: list[int | None] | list[int],
    ticket: int | None,
    facts: dict[str, Any],
) -> None:
    subscriptions = _wanting(event) if messages else []
    if not subscriptions:
        return
    rows = []
    for message in messages:
        event_id = uuid.uuid4()
        for subscription in subscriptions:
            row = EventDelivery(subscription_id=subscription, event_id=event_id, type=event, facts=facts)
            row.conversation_id, row.message_id, row.ticket_id = conversation.pk, message, ticket
            rows.append(row)
    write_at_end(rows, _insert)


def _insert(rows: list[EventDelivery]) -> None:
    """Write rows in their order. Of the same event told twice in one transaction the first stays.

    What was undone alone, in a savepoint of a gathering, tells of what is not there: it is dropped when it is its turn,
    or, where the next row got the same id, it is that one's event.
    """
    once: dict[tuple[object, ...], EventDelivery] = {}
    for row in rows:
        about = (row.conversation_id, row.message_id, row.ticket_id, str(row.facts))
        once.setdefault((row.subscription_id, row.type, *about), row)
    EventDelivery.objects.bulk_create(once.values())
    enqueue(TASK, at_most_every=ENQUEUE_AT_MOST_EVERY_S)


def _wanting(event: EventType) -> list[int]:
    """Return the active subscriptions (ids) that chose this event; asked once for everything that is gathered."""
    return [pk for pk, events in cached_in_batch("event subscriptions", _active) if event in events]


def _active() -> list[tuple[int, list[str]]]:
    return list(EventSubscription.objects.filter(is_active=True).values_list("pk", "events"))
