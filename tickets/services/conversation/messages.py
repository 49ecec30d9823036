"""Add messages to conversations. Everything that stores one goes through here.

Divides the thread into tickets and keeps the conversation's counters, times and preview up to date.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Min, Q, QuerySet

from channels_im.models import ImPreferences
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES
from desk.live import publish
from desk.models import User
from tickets.models import Attachment, Conversation, Message, Ticket
from tickets.rules import threading
from tickets.services.webhooks import events

Direction, Kind, Source, State = Message.Direction, Message.Kind, Message.Source, Message.State

# Sent, or perhaps sent: a reply that is queued, failed or held has not reached the customer.
SENT_OR_SENDING = (State.SENDING, State.UNSURE, State.SENT, State.DELIVERED, State.READ)
COUNTED = Q(kind=Kind.MESSAGE) & (Q(direction=Direction.IN) | Q(state__in=SENT_OR_SENDING))
ANSWERED = Q(kind=Kind.MESSAGE, direction=Direction.OUT) & ~Q(state__in=(State.FAILED, State.HELD))
SHORTEST_INTERMISSION = timedelta(minutes=DEFAULT_INTERMISSION_MINUTES)
PREVIEW_CHARS = 200
SUBJECT_CHARS = 80
WITHDRAWN = "Message withdrawn"
PREVIEW_OF_KIND: dict[str, str] = {
    Attachment.Kind.IMAGE: "📷 Photo",
    Attachment.Kind.DOCUMENT: "📄 Document",
    Attachment.Kind.VIDEO: "🎬 Video",
    Attachment.Kind.AUDIO: "🎵 Audio",
    Attachment.Kind.STICKER: "🙂 Sticker",
}


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A message that is not stored yet; the fields are those of Message. Times are aware."""

    direction: str
    source: str
    sent_at: datetime
    state: str
    kind: str = Kind.MESSAGE
    text: str = ""
    card: dict[str, Any] | None = None
    mid: str | None = None
    author: User | None = None
    reply_to_mid: str = ""
    client_key: str | None = None
    is_standby: bool = False
    received_at: datetime | None = None
    original_timestamp: str = ""
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    reason: str = ""
    waits_for_customer: bool = False
    attachments: tuple[Attachment, ...] = ()


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
    `card`, `mid`, `author`, `reply_to_mid`, `client_key`, `is_standby`, `received_at`, `original_timestamp`,
    `delivered_at`, `read_at`, `reason`, `waits_for_customer`. `attachments` are unsaved. A `mid` the Page has already,
    or a `client_key` the conversation has already, is not added again: the existing message is returned, with False.
    Customer messages are divided into tickets (tickets.rules.threading), replies and notes join the ticket of the
    message before them, events open no ticket.
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
            placed = _choose_ticket(conversation, new)
            message = _insert(conversation, page_id, placed.ticket_id, new)
    except IntegrityError:
        # A check before the insert would cost every message a query; the constraints find it too.
        known = _find_stored(conversation, page_id, new)
        if known is None:
            raise
        return known, False
    reopened = placed.ticket_id if _touch_ticket(conversation, placed, new) else None
    opened = placed.ticket_id if placed.opened else None
    _touch_conversation(conversation, new, opened)
    events.message_added(conversation, message, opened=opened, reopened=reopened)
    announce(conversation)
    return message, True


def announce(conversation: Conversation) -> None:
    """Announce to open pages that this conversation and its row in the list have changed."""
    publish.announce(
        "conversation",
        conversation=conversation.pk,
        channel=conversation.channel_id,
        assignee=conversation.assignee_id,
        department=conversation.department_id,
        transferred=conversation.transferred_at is not None,
    )


def show_as_newest(conversation: Conversation, message: Message) -> None:
    """Set the list's time and preview to those of this message; the caller saves them.

    A message with nothing to show, as after its erasure, keeps the preview.
    """
    conversation.last_message_at = message.sent_at
    conversation.preview_is_ours = message.direction == Direction.OUT
    conversation.preview = preview_of(message) or conversation.preview


def preview_of(message: Message) -> str:
    """Return what a list shows of a stored message."""
    if message.withdrawn_at:
        return WITHDRAWN
    return _preview_of(message, PREVIEW_CHARS) or _files_of(message.attachments.all(), PREVIEW_CHARS)


def ticket_of_reply(conversation: Conversation, at: datetime) -> int | None:
    """Return the id of the ticket that a reply sent at `at` joins; None in a conversation without messages."""
    verdict = threading.place_reply(at, *_neighbours(conversation, at))
    return verdict.ticket.ticket_id if isinstance(verdict, threading.Join) else None


def refresh_tickets(conversation: Conversation, ticket_ids: Iterable[int | None]) -> None:
    """Bring tickets up to date after a message was moved or deleted. A ticket without messages is deleted.

    The caller holds the conversation's lock.
    """
    for ticket in Ticket.objects.filter(pk__in=[pk for pk in ticket_ids if pk is not None]):
        newest = ticket.messages.filter(kind=Kind.MESSAGE).aggregate(at=Max("sent_at"))["at"]
        if newest is not None:
            Ticket.objects.filter(pk=ticket.pk).update(last_message_at=newest)
        elif not ticket.messages.exists():
            was_current = conversation.current_ticket_id == ticket.pk
            ticket.delete()
            if was_current:
                conversation.current_ticket = conversation.tickets.order_by("-opened_at", "-id").first()
                conversation.save(update_fields=["current_ticket"])


def refresh_waiting(conversation: Conversation) -> None:
    """Compute again since when the customer waits, after a reply failed, was cancelled or came late, and save it.

    The caller holds the conversation's lock.
    """
    messages = Message.objects.filter(conversation=conversation)
    answered_at = messages.filter(ANSWERED).aggregate(at=Max("sent_at"))["at"]
    unanswered = messages.filter(kind=Kind.MESSAGE, direction=Direction.IN)
    if answered_at is not None:
        unanswered = unanswered.filter(sent_at__gt=answered_at)
    conversation.waiting_since = unanswered.aggregate(at=Min("sent_at"))["at"]
    conversation.save(update_fields=["waiting_since"])


def _find_stored(conversation: Conversation, page_id: int, new: NewMessage) -> Message | None:
    if new.mid:
        message = Message.objects.filter(page_id=page_id, mid=new.mid).first()
        if message is not None:
            return message
    if new.client_key:
        return Message.objects.filter(conversation=conversation, client_key=new.client_key).first()
    return None


def _insert(conversation: Conversation, page_id: int, ticket_id: int | None, new: NewMessage) -> Message:
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
        reply_to_mid=new.reply_to_mid,
        client_key=new.client_key or None,
        is_standby=new.is_standby,
        sent_at=new.sent_at,
        original_timestamp=new.original_timestamp,
        state=new.state,
        reason=new.reason,
        waits_for_customer=new.waits_for_customer,
        delivered_at=new.delivered_at,
        read_at=new.read_at,
    )
    if new.received_at is not None:
        message.received_at = new.received_at
    message.save(force_insert=True)
    if new.attachments:
        for attachment in new.attachments:
            attachment.message = message
        Attachment.objects.bulk_create(new.attachments)
    return message


# --- Tickets ----------------------------------------------------------------------------------------------------------
# The lock of a conversation also protects its tickets.
TICKET_TIMES = ("ticket__opened_at", "ticket__last_message_at", "ticket__closed_at")


@dataclass(frozen=True)
class TicketRef:
    """The ticket a message joins, or None. `opened` says that it is new; an existing one comes with its times."""

    ticket_id: int | None
    opened: bool = False
    opened_at: datetime | None = None
    last_message_at: datetime | None = None
    closed_at: datetime | None = None


TicketNeighbour = threading.Neighbour[TicketRef]


def _choose_ticket(conversation: Conversation, new: NewMessage) -> TicketRef:
    """Return the ticket of `new`; open one when the rules say so."""
    is_customer = new.kind == Kind.MESSAGE and new.direction == Direction.IN
    if is_customer and (current := _current_ticket_if_certain(conversation, new.sent_at)):
        return current
    place = threading.place_customer if is_customer else threading.place_reply
    verdict = place(new.sent_at, *_neighbours(conversation, new.sent_at))
    if isinstance(verdict, threading.Join):
        return verdict.ticket
    if new.kind != Kind.MESSAGE:
        return TicketRef(None)
    ticket = Ticket.objects.create(
        conversation=conversation,
        subject=_preview_of(new, SUBJECT_CHARS) or _files_of(new.attachments, SUBJECT_CHARS),
        department_id=conversation.department_id,
        assignee_id=conversation.assignee_id,
        opened_at=new.sent_at,
        last_message_at=new.sent_at,
    )
    return TicketRef(ticket.pk, opened=True)


def _current_ticket_if_certain(conversation: Conversation, at: datetime) -> TicketRef | None:
    """Return the current ticket when the customer wrote within the shortest possible intermission before `at`.

    Makes no query. Replies sent since then joined the same ticket, so the rule gives this one. None: apply the rule.
    """
    last, ticket = conversation.last_customer_message_at, conversation.current_ticket
    if last is None or ticket is None or not last <= at <= last + SHORTEST_INTERMISSION:
        return None
    return TicketRef(ticket.pk, False, ticket.opened_at, ticket.last_message_at, ticket.closed_at)


def _neighbours(
    conversation: Conversation, at: datetime
) -> tuple[TicketNeighbour | None, TicketNeighbour | None, timedelta]:
    """Return the messages before and after `at`, and the intermission."""
    if not conversation.message_count:
        return None, None, SHORTEST_INTERMISSION
    counted = Message.objects.filter(COUNTED, conversation=conversation, ticket__isnull=False)
    before = _first_neighbour(counted.filter(sent_at__lte=at).order_by("-sent_at", "-id"))
    if before is not None and at - before.at <= SHORTEST_INTERMISSION:
        return before, None, SHORTEST_INTERMISSION  # within every possible intermission: nothing else matters
    after = _first_neighbour(counted.filter(sent_at__gt=at).order_by("sent_at", "id"))
    return before, after, _intermission(conversation)


def _first_neighbour(rows: QuerySet[Message, Message]) -> TicketNeighbour | None:
    row = rows.values_list("sent_at", "ticket_id", *TICKET_TIMES).first()
    if row is None:
        return None
    at, ticket_id, opened_at, last_message_at, closed_at = row
    return threading.Neighbour(at, TicketRef(ticket_id, False, opened_at, last_message_at, closed_at))


def _intermission(conversation: Conversation) -> timedelta:
    minutes = (
        ImPreferences.objects.filter(department_id=conversation.department_id)
        .values_list("threading_intermission", flat=True)
        .first()
    )
    return timedelta(minutes=minutes or DEFAULT_INTERMISSION_MINUTES)


def _touch_ticket(conversation: Conversation, placed: TicketRef, new: NewMessage) -> bool:
    """Update the times of the ticket a message joined; return whether a customer message reopened it."""
    if new.kind != Kind.MESSAGE or placed.opened_at is None or placed.last_message_at is None:
        return False
    changed: dict[str, Any] = {}
    if new.sent_at > placed.last_message_at:
        changed["last_message_at"] = new.sent_at
    if new.sent_at < placed.opened_at:
        changed["opened_at"] = new.sent_at
    if new.direction == Direction.IN and threading.reopens(new.sent_at, placed.closed_at):
        changed |= {"status": Ticket.Status.OPEN, "closed_at": None}
    if changed and placed.ticket_id is not None:
        Ticket.objects.filter(pk=placed.ticket_id).update(**changed)
        if conversation.current_ticket_id == placed.ticket_id and (ticket := conversation.current_ticket):
            for name, value in changed.items():
                setattr(ticket, name, value)
    return "status" in changed


# --- The conversation's counters --------------------------------------------------------------------------------------
def _touch_conversation(conversation: Conversation, new: NewMessage, opened_id: int | None) -> None:
    """Bring counters, times and preview up to date after `new`; `opened_id` is the ticket it opened."""
    if new.kind == Kind.NOTE:
        return
    last_at = conversation.last_message_at
    is_newest = last_at is None or new.sent_at >= last_at
    if new.kind == Kind.EVENT:
        if last_at is None:  # a customer came through a link and has not written yet: the list shows that
            _show_as_newest(conversation, new)
            conversation.save(update_fields=["last_message_at", "preview", "preview_is_ours"])
        return
    conversation.message_count += 1
    changed = ["message_count", "unread_count", "waiting_since", "last_customer_message_at"]
    if new.direction == Direction.IN:
        conversation.unread_count += 1
        conversation.last_customer_message_at = max(new.sent_at, conversation.last_customer_message_at or new.sent_at)
    if is_newest:
        _show_as_newest(conversation, new)
        changed += ["last_message_at", "preview", "preview_is_ours"]
    if opened_id is not None and (is_newest or conversation.current_ticket_id is None):
        conversation.current_ticket_id = opened_id
        changed.append("current_ticket")
    if is_newest and new.direction == Direction.IN:
        conversation.waiting_since = conversation.waiting_since or new.sent_at
    elif is_newest and new.state not in (State.FAILED, State.HELD):
        conversation.waiting_since = None
    else:
        refresh_waiting(conversation)
    conversation.save(update_fields=changed)


def _show_as_newest(conversation: Conversation, new: NewMessage) -> None:
    conversation.last_message_at = new.sent_at
    conversation.preview = _preview_of(new, PREVIEW_CHARS) or _files_of(new.attachments, PREVIEW_CHARS)
    conversation.preview_is_ours = new.direction == Direction.OUT


def _preview_of(message: NewMessage | Message, limit: int) -> str:
    """Return the text of a message, else its card's title, as one line."""
    return one_line(message.text or (message.card or {}).get("title") or "", limit)


def _files_of(attachments: Iterable[Attachment], limit: int) -> str:
    return one_line(", ".join(PREVIEW_OF_KIND[attachment.kind] for attachment in attachments), limit)


def one_line(text: str, limit: int) -> str:
    """Return `text` as one line of at most `limit` characters."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
