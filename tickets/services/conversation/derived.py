"""Columns of a conversation that follow from its messages, computed by tickets.rules.conversation_state.

`messages.add_message` keeps them up to date without reading; the functions here compute them again after messages
changed, moved or were deleted. `manage.py verify_integrity` finds where they differ. The caller of each function holds
the conversation's lock.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Max, Q

from tickets.models import Contact, Conversation, Message
from tickets.rules.conversation_state import Line, LineKind, ListRow, list_row
from tickets.services.conversation import ticketing
from tickets.services.conversation.previews import preview_of

Direction, Kind, State = Message.Direction, Message.Kind, Message.State

UNSENT_STATES = (State.FAILED, State.HELD)
LINE_FIELDS = (
    *("sent_at", "pk", "kind", "direction", "state", "card__kind", "is_imported"),
    *("ticket_id", "ticket__opened_at", "ticket__closed_at", "answers_until", "card__ticket"),
)
FIRST_LINES, MORE_LINES = 50, 2000  # a reply of Desk or of the Page inbox is usually among the first
ABOUT_TICKETS = {LineKind.CLOSED, LineKind.REOPENED}
ACTIONS = {"closed": LineKind.CLOSED, "reopened": LineKind.REOPENED, "snooze_ended": LineKind.WOKEN}


def line_of(values: tuple[Any, ...]) -> Line:
    """Return the line of a thread from the values of LINE_FIELDS."""
    at, pk, kind, direction, state, card_kind, is_imported, *ticket_and_time, earlier = values
    line_kind = _line_kind(kind, direction, state, card_kind, is_imported is True)
    if line_kind in ABOUT_TICKETS and earlier is not None:
        ticket_and_time[0] = earlier
        line_kind = LineKind.CLOSED_EARLIER if line_kind is LineKind.CLOSED else line_kind
    return Line(at, pk, line_kind, *ticket_and_time)


def _line_kind(kind: str, direction: str, state: str, card_kind: str | None, is_imported: bool) -> LineKind:
    if kind == Kind.MESSAGE:
        if direction == Direction.IN:
            return LineKind.IMPORTED if is_imported else LineKind.CUSTOMER
        return LineKind.UNSENT if state in UNSENT_STATES else LineKind.REPLY
    if kind == Kind.EVENT:
        return LineKind.ORIGIN if direction == Direction.IN else ACTIONS.get(card_kind or "", LineKind.OTHER)
    return LineKind.OTHER


def read_row(conversation: Conversation) -> ListRow:
    """Return what the list shows of the conversation, from its messages."""
    return list_row(_newest_first(conversation))


def _newest_first(conversation: Conversation) -> Iterator[Line]:
    """Yield the lines of a conversation, newest first, read in growing pieces: usually the first decides the row."""
    rows = Message.objects.filter(conversation=conversation).order_by("-sent_at", "-pk")
    size, last = FIRST_LINES, None
    while True:
        older = rows if last is None else rows.filter(_before(*last), sent_at__lte=last[0])
        lines = [line_of(values) for values in older.values_list(*LINE_FIELDS)[:size]]
        yield from lines
        if len(lines) < size:
            return
        size, last = MORE_LINES, lines[-1].place


def _before(at: datetime, pk: int) -> Q:
    return Q(sent_at__lt=at) | Q(sent_at=at, pk__lt=pk)


def refresh_waiting(conversation: Conversation) -> None:
    """Compute again since when the customer waits, and save it."""
    conversation.waiting_since = read_row(conversation).waiting_since
    conversation.save(update_fields=["waiting_since"])


def refresh_row(conversation: Conversation) -> None:
    """Compute again what the list shows: the newest message, its time, and since when the customer waits; save it."""
    row = read_row(conversation)
    if row.newest is None:
        conversation.last_message_at, conversation.preview, conversation.preview_is_ours = None, "", False
    else:
        newest = Message.objects.prefetch_related("attachments").get(pk=row.newest.key)
        preview = preview_of(newest)
        if preview or not _is_erased(conversation):  # an erased message has nothing to show, the list says so
            conversation.preview = preview
        conversation.last_message_at, conversation.preview_is_ours = row.at, newest.direction == Direction.OUT
    conversation.waiting_since = row.waiting_since
    conversation.save(update_fields=["last_message_at", "preview", "preview_is_ours", "waiting_since"])


def _is_erased(conversation: Conversation) -> bool:
    return Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists()


def recount(conversation: Conversation) -> None:
    """Count the messages again, and find the customer's newest one; what is unread can only be too high."""
    own = Message.objects.filter(conversation=conversation, kind=Kind.MESSAGE)
    incoming = own.filter(direction=Direction.IN)
    conversation.message_count = own.count()
    conversation.unread_count = min(conversation.unread_count, max(incoming.count(), 1))
    conversation.last_customer_message_at = incoming.aggregate(at=Max("sent_at"))["at"]
    conversation.save(update_fields=["message_count", "unread_count", "last_customer_message_at"])


def forget_message(conversation: Conversation, message: Message) -> None:
    """Bring `conversation` up to date after `message`, one of its counted messages, was deleted.

    A ticket without any other message is deleted too.
    """
    conversation.message_count = max(conversation.message_count - 1, 0)
    conversation.save(update_fields=["message_count"])
    ticketing.refresh_tickets(conversation, {message.ticket_id})
    refresh_row(conversation)
