"""Add messages to conversations. Everything that stores one goes through here.

Divides the thread into tickets and keeps the conversation's counters, times and preview up to date.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from desk.live import publish
from tickets.models import Attachment, Conversation, Message, Ticket
from tickets.services.conversation import derived, notices, ticketing
from tickets.services.conversation.new_message import NewMessage
from tickets.services.conversation.previews import preview_of_new
from tickets.services.conversation.ticketing import TicketRef
from tickets.services.webhooks import events

Direction, Kind = Message.Direction, Message.Kind

#: What a message changes of its conversation: always, and when it is the newest.
COUNTED = ("message_count", "unread_count", "waiting_since", "last_customer_message_at", "is_open")
SHOWN = ("last_message_at", "preview", "preview_is_ours")
#: The kind of the line that says that a snooze ended at its time.
SNOOZE_ENDED = notices.SNOOZE_ENDED
#: The kind of the line that says that a scheduled reply was not sent; `notifies` is the id of who is told, or null.
SCHEDULED_NOT_SENT = notices.SCHEDULED_NOT_SENT


def add_message(
    conversation: Conversation,
    *,
    direction: str,
    source: str,
    sent_at: datetime,
    state: str,
    attachments: Iterable[Attachment] = (),
    **fields: Any,
) -> tuple[Message, bool]:
    """Add a message, note or event to `conversation`; return it and whether it is new.

    Locks the conversation's row and brings `conversation` up to date. `fields` are those of NewMessage: `kind`, `text`,
    `card`, `sent_as`, `mentions`, `mid`, `author`, `reply_to_mid`, `client_key`, `is_standby`, `received_at`,
    `recovered_at`, `is_imported`, `answers_until`, `original_timestamp`, `delivered_at`, `read_at`, `reason`,
    `waits_for_customer`.
    `attachments` are unsaved. A `mid` the Page has already, or a `client_key` the conversation has already, is not
    added again: the existing message is returned, with False. Customer messages are divided into tickets
    (tickets.rules.threading), replies and notes join the ticket of the message before them, events open no ticket.
    """
    new = NewMessage(
        direction=direction, source=source, sent_at=sent_at, state=state, attachments=tuple(attachments), **fields
    )
    with transaction.atomic():
        lock(conversation)
        return add_to_locked(conversation, new)


def lock(conversation: Conversation) -> None:
    """Lock the row until the end of the transaction and reload it into `conversation`."""
    fresh = Conversation.objects.select_for_update().get(pk=conversation.pk)
    for field in Conversation._meta.concrete_fields:
        setattr(conversation, field.attname, getattr(fresh, field.attname))
    if Conversation.current_ticket.is_cached(conversation):
        Conversation.current_ticket.field.delete_cached_value(conversation)  # read before the lock was held


def load_current_tickets(conversations: Iterable[Conversation]) -> None:
    """Load the current tickets of locked conversations, all with one query."""
    by_ticket = {row.current_ticket_id: row for row in conversations if row.current_ticket_id is not None}
    for pk, ticket in Ticket.objects.in_bulk(by_ticket).items() if by_ticket else ():
        by_ticket[pk].current_ticket = ticket


def add_to_locked(conversation: Conversation, new: NewMessage, *, savepoint: bool = True) -> tuple[Message, bool]:
    """Do what `add_message` does, in a transaction that already holds the conversation's lock.

    Without `savepoint` a message that is stored already breaks the transaction: the caller rolls it back and repeats.
    """
    page_id = conversation.contact.page_id
    try:
        with transaction.atomic(savepoint=savepoint):
            placed = ticketing.choose(conversation, new)
            message = _insert(conversation, page_id, placed.ticket.ticket_id, new)
    except IntegrityError:
        # A check before the insert would cost every message a query; the constraints find it too.
        known = _find_stored(conversation, page_id, new)
        if known is None:
            raise
        return known, False
    ticket = placed.ticket
    reopened = ticket.ticket_id if ticketing.touch(conversation, ticket, new) else None
    opened = ticket.ticket_id if ticket.opened else None
    ticketing.settle_late(conversation, new, placed)
    _touch_conversation(conversation, new, ticket)
    events.message_added(conversation, message, opened=opened, reopened=reopened)
    notices.message_added(conversation, message)
    announce(conversation, new.arrived_at)
    return message, True


def announce(conversation: Conversation, arrived_at: datetime | None = None) -> None:
    """Announce to open pages that this conversation and its row in the list have changed.

    `arrived_at` is when the webhook of a new message came.
    """
    publish.announce(
        "conversation",
        arrived_at,
        conversation=conversation.pk,
        channel=conversation.channel_id,
        assignee=conversation.assignee_id,
        department=conversation.department_id,
        transferred=conversation.transferred_at is not None,
    )


def _find_stored(conversation: Conversation, page_id: int, new: NewMessage) -> Message | None:
    if new.mid:
        message = Message.objects.filter(page_id=page_id, mid=new.mid).first()
        if message is not None:
            return message
    if new.client_key:
        return Message.objects.filter(conversation=conversation, client_key=new.client_key).first()
    return None


def _insert(conversation: Conversation, page_id: int, ticket_id: int | None, new: NewMessage) -> Message:
    message = row_of(conversation, page_id, ticket_id, new)
    message.save(force_insert=True)
    if new.attachments:
        for attachment in new.attachments:
            attachment.message = message
        Attachment.objects.bulk_create(new.attachments)
    return message


def row_of(conversation: Conversation, page_id: int, ticket_id: int | None, new: NewMessage) -> Message:
    """Return the row of a message, which is not stored yet."""
    message = Message(
        conversation=conversation,
        ticket_id=ticket_id,
        page_id=page_id,
        mid=new.mid or None,
        direction=new.direction,
        kind=new.kind,
        source=new.source,
        author=new.author,
        text=new.text,
        card=new.card,
        sent_as=new.sent_as,
        mentions=new.mentions,
        reply_to_mid=new.reply_to_mid,
        client_key=new.client_key or None,
        is_standby=new.is_standby,
        sent_at=new.sent_at,
        recovered_at=new.recovered_at,
        is_imported=new.is_imported or None,
        answers_until=new.answers_until,
        original_timestamp=new.original_timestamp,
        state=new.state,
        reason=new.reason,
        waits_for_customer=new.waits_for_customer,
        delivered_at=new.delivered_at,
        read_at=new.read_at,
    )
    if new.received_at is not None:
        message.received_at = new.received_at
    return message


# --- The conversation's counters --------------------------------------------------------------------------------------
def _touch_conversation(conversation: Conversation, new: NewMessage, placed: TicketRef) -> None:
    """Bring counters, times and preview up to date after `new`, which joined the ticket `placed`.

    The newest message changes them without a query, as `rules.conversation_state` would compute them; any other one
    makes them be computed.
    """
    last_at = conversation.last_message_at
    is_newest = last_at is None or new.sent_at >= last_at
    if new.kind == Kind.EVENT and new.direction == Direction.IN and is_newest and not conversation.message_count:
        _show_as_newest(conversation, new)  # they came through a link and have not written yet
        conversation.save(update_fields=SHOWN)
    if new.kind == Kind.EVENT and is_newest and (new.card or {}).get("kind") == SNOOZE_ENDED:
        conversation.last_message_at = new.sent_at  # to the top of the list
        conversation.save(update_fields=["last_message_at"])
    if new.kind != Kind.MESSAGE:
        return
    is_newest = is_newest or not conversation.message_count
    _count(conversation, new)
    changed = [*COUNTED]
    if is_newest:
        _show_as_newest(conversation, new)
        changed += SHOWN
    if placed.opened and placed.ticket_id:
        is_open = not new.is_imported
        if ticketing.make_current(conversation, placed.ticket_id, new.sent_at, is_open=is_open):
            changed.append("current_ticket")
    if is_newest and not is_settled(new, placed):
        _set_waiting(conversation, new)
    elif new.state not in derived.UNSENT_STATES:
        row = derived.read_row(conversation)
        conversation.waiting_since = row.waiting_since
        if not is_newest and row.woken_at and row.newest and row.newest.at == new.sent_at:
            _show_as_newest(conversation, new)  # of a time before the snooze ended, and after all other messages
            conversation.last_message_at = row.at
            changed += SHOWN
    conversation.save(update_fields=changed)


def count_newest(conversation: Conversation, new: NewMessage) -> None:
    """Count the newest message of a conversation and show it, without saving; not for one that is settled."""
    _count(conversation, new)
    _show_as_newest(conversation, new)
    _set_waiting(conversation, new)


def _count(conversation: Conversation, new: NewMessage) -> None:
    conversation.message_count += 1
    if new.direction == Direction.IN:
        conversation.unread_count += 0 if new.is_imported else 1
        conversation.last_customer_message_at = max(new.sent_at, conversation.last_customer_message_at or new.sent_at)


def _set_waiting(conversation: Conversation, new: NewMessage) -> None:
    if new.direction == Direction.IN:
        conversation.waiting_since = conversation.waiting_since or new.sent_at
    elif new.state not in derived.UNSENT_STATES:
        conversation.waiting_since = None


def is_settled(new: NewMessage, placed: TicketRef) -> bool:
    """Return whether `new` changes nothing for who waits, although it is the newest.

    It is of a time that a closing or another reply has settled, or from before the channel.
    """
    if new.is_imported:
        return True
    if new.direction == Direction.IN:
        return placed.closed_at is not None and new.sent_at <= placed.closed_at
    return new.answers_until is not None and new.answers_until < new.sent_at


def _show_as_newest(conversation: Conversation, new: NewMessage) -> None:
    conversation.last_message_at = new.sent_at
    conversation.preview = preview_of_new(new)
    conversation.preview_is_ours = new.direction == Direction.OUT
