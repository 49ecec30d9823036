"""Divide a conversation into tickets: choose the ticket of a message, and keep the tickets' times and subjects.

The lock of a conversation also protects its tickets: the caller of each function holds it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Q, QuerySet

from channels_im.models import ImPreferences
from channels_im.models.channels import DEFAULT_INTERMISSION_MINUTES
from tickets.models import Conversation, Message, Ticket
from tickets.rules import threading
from tickets.services.conversation.new_message import NewMessage
from tickets.services.conversation.previews import SUBJECT_CHARS, preview_of, preview_of_new
from tickets.services.webhooks import events

Direction, Kind, State = Message.Direction, Message.Kind, Message.State

# Sent, or perhaps sent: a reply that is queued, failed or held has not reached the customer.
SENT_OR_SENDING = (State.SENDING, State.UNSURE, State.SENT, State.DELIVERED, State.READ)
COUNTED = Q(kind=Kind.MESSAGE) & (Q(direction=Direction.IN) | Q(state__in=SENT_OR_SENDING))
CUSTOMER = Q(kind=Kind.MESSAGE, direction=Direction.IN)
#: What agents did (assigned, closed …) stays with the ticket it was done to.
ACTION = Q(kind=Kind.EVENT, direction=Direction.OUT)
SHORTEST_INTERMISSION = timedelta(minutes=DEFAULT_INTERMISSION_MINUTES)
NEIGHBOUR_FIELDS = (
    *("sent_at", "direction", "ticket_id"),
    *("ticket__opened_at", "ticket__last_message_at", "ticket__closed_at", "ticket__subject_is_own"),
)


@dataclass(frozen=True)
class TicketRef:
    """The ticket a message joins, or None. `opened` says that it is new; an existing one comes with its times."""

    ticket_id: int | None
    opened: bool = False
    opened_at: datetime | None = None
    last_message_at: datetime | None = None
    closed_at: datetime | None = None
    subject_is_own: bool = False


TicketNeighbour = threading.Neighbour[TicketRef]


@dataclass(frozen=True)
class Placed:
    """The ticket of a new message; `left`, when known, is the message before it, which stands in another ticket."""

    ticket: TicketRef
    left: TicketNeighbour | None = None


def choose(conversation: Conversation, new: NewMessage) -> Placed:
    """Return the ticket of `new`; open one when the rules say so."""
    if new.is_from_customer and (current := current_ticket_if_certain(conversation, new.sent_at)):
        return Placed(current)
    before, after, intermission = _neighbours(conversation, new.sent_at)
    place = threading.place_customer if new.is_from_customer else threading.place_reply
    verdict = place(new.sent_at, before, after, intermission)
    if isinstance(verdict, threading.Join):
        return Placed(verdict.ticket, before if before and before.ticket != verdict.ticket else None)
    if new.kind != Kind.MESSAGE:
        return Placed(TicketRef(None))
    ticket = opened_by(conversation, new)
    ticket.save(force_insert=True)
    return Placed(TicketRef(ticket.pk, opened=True), before)


def opened_by(conversation: Conversation, new: NewMessage) -> Ticket:
    """Return the ticket that `new` opens, which is not stored yet."""
    return Ticket(
        conversation=conversation,
        subject=preview_of_new(new, SUBJECT_CHARS),
        department_id=conversation.department_id,
        assignee_id=conversation.assignee_id,
        opened_at=new.sent_at,
        last_message_at=new.sent_at,
        # A ticket from before the channel is over: nobody has to answer it.
        status=Ticket.Status.CLOSED if new.is_imported else Ticket.Status.OPEN,
        closed_at=new.sent_at if new.is_imported else None,
    )


def current_ticket_if_certain(conversation: Conversation, at: datetime) -> TicketRef | None:
    """Return the current ticket when the customer wrote there within the shortest possible intermission before `at`.

    Makes no query. Replies sent since then joined the same ticket, so the rule gives this one. None: apply the rule.
    """
    last, ticket = conversation.last_customer_message_at, conversation.current_ticket
    if last is None or ticket is None or not last <= at <= last + SHORTEST_INTERMISSION:
        return None
    if ticket.last_message_at < last:
        return None  # the customer's last message is in an older ticket
    return ref_to(ticket)


def ref_to(ticket: Ticket) -> TicketRef:
    """Return the existing ticket as `choose` names it."""
    return TicketRef(
        ticket.pk, False, ticket.opened_at, ticket.last_message_at, ticket.closed_at, ticket.subject_is_own
    )


def ticket_of_reply(conversation: Conversation, at: datetime, moved: Collection[int] = ()) -> int | None:
    """Return the id of the ticket that a reply sent at `at` joins; None when no message is before it.

    `moved` are the ids of the replies that are about to join it: they do not count, nor does what was stored after them
    and has the same time, for that stands behind them.
    """
    before = _before(conversation, at, moved)
    return before.ticket.ticket_id if before else None


def settle_late(conversation: Conversation, new: NewMessage, placed: Placed) -> None:
    """Let the answers go with a customer message that arrived late, after it was stored in another ticket than them."""
    if not new.is_from_customer or conversation.message_count == 0:
        return
    if not placed.ticket.opened and placed.left is None:
        return  # it joined the message before it, and so did the answers
    later = Message.objects.filter(conversation=conversation, sent_at__gt=new.sent_at)
    next_at = later.filter(CUSTOMER).aggregate(at=Min("sent_at"))["at"]
    between = later.exclude(CUSTOMER).exclude(ACTION)
    if next_at is not None:
        between = between.filter(sent_at__lt=next_at)
    following = {
        pk: ticket_id
        for pk, ticket_id in between.exclude(ticket=placed.ticket.ticket_id).values_list("pk", "ticket_id")
        if threading.follows(ticket_id, _by_id(placed.left))
    }
    if following:
        Message.objects.filter(pk__in=following).update(ticket=placed.ticket.ticket_id)
        events.messages_updated(conversation, list(following), "ticket")
        refresh_tickets(conversation, {*following.values(), placed.ticket.ticket_id})


def touch(conversation: Conversation, placed: TicketRef, new: NewMessage) -> bool:
    """Update the ticket that a message joined; return whether a customer message reopened it."""
    changed = changes_by(placed, new)
    if changed and placed.ticket_id is not None:
        Ticket.objects.filter(pk=placed.ticket_id).update(**changed)
        if conversation.current_ticket_id == placed.ticket_id and (ticket := conversation.current_ticket):
            for name, value in changed.items():
                setattr(ticket, name, value)
            conversation.is_open = ticket.status == Ticket.Status.OPEN  # the caller saves it
    return "status" in changed


def changes_by(placed: TicketRef, new: NewMessage) -> dict[str, Any]:
    """Return what `new` changes of the ticket that it joined; it is reopened when `status` is among that."""
    if new.kind != Kind.MESSAGE or placed.opened_at is None or placed.last_message_at is None:
        return {}
    changed: dict[str, Any] = {}
    if new.sent_at > placed.last_message_at:
        changed["last_message_at"] = new.sent_at
    if new.sent_at < placed.opened_at:
        changed["opened_at"] = new.sent_at
        if not placed.subject_is_own:
            changed["subject"] = preview_of_new(new, SUBJECT_CHARS)
    if new.is_imported:
        if placed.closed_at is not None and new.sent_at > placed.closed_at:
            changed["closed_at"] = new.sent_at
    elif new.direction == Direction.IN and threading.reopens(new.sent_at, placed.closed_at):
        changed |= {"status": Ticket.Status.OPEN, "closed_at": None}
    return changed


def make_current(conversation: Conversation, opened_id: int, opened_at: datetime, *, is_open: bool) -> bool:
    """Make a new ticket the current one if no ticket opened later; return whether it is. The caller saves."""
    current = conversation.current_ticket
    if current is not None and current.opened_at > opened_at:
        return False
    conversation.current_ticket_id, conversation.is_open = opened_id, is_open
    return True


def refresh_tickets(conversation: Conversation, ticket_ids: Iterable[int | None]) -> None:
    """Bring tickets up to date after a message of theirs was moved, changed or deleted.

    A ticket without messages is deleted.
    """
    changed_current = False
    for ticket in Ticket.objects.filter(pk__in=[pk for pk in ticket_ids if pk is not None]):
        own = ticket.messages.filter(kind=Kind.MESSAGE)
        times = own.aggregate(first=Min("sent_at"), last=Max("sent_at"))
        if times["first"] is None:
            if not ticket.messages.exists():
                changed_current = changed_current or conversation.current_ticket_id == ticket.pk
                ticket.delete()
            continue
        values = {"opened_at": times["first"], "last_message_at": times["last"]}
        if not ticket.subject_is_own:
            # Also when opened_at stays: another message of the same millisecond may be the first one now.
            first = own.order_by("sent_at", "pk").prefetch_related("attachments").first()
            values["subject"] = preview_of(first, SUBJECT_CHARS) if first else ""
        changes = {name: value for name, value in values.items() if getattr(ticket, name) != value}
        if changes:
            Ticket.objects.filter(pk=ticket.pk).update(**changes)
            changed_current = changed_current or "opened_at" in changes
    if changed_current:
        refresh_current_ticket(conversation)


def refresh_current_ticket(conversation: Conversation) -> None:
    """Make the ticket that opened last the current one, and compute again whether it is open."""
    ticket = conversation.tickets.order_by("-opened_at", "-id").first()
    conversation.current_ticket = ticket
    conversation.is_open = ticket is not None and ticket.status == Ticket.Status.OPEN
    conversation.save(update_fields=["current_ticket", "is_open"])


def _neighbours(
    conversation: Conversation, at: datetime
) -> tuple[TicketNeighbour | None, TicketNeighbour | None, timedelta]:
    """Return the messages before and after `at`, as the rules want them, and the intermission."""
    if not conversation.message_count:
        return None, None, SHORTEST_INTERMISSION
    before = _before(conversation, at)
    if before is not None and at - before.at <= SHORTEST_INTERMISSION:
        return before, None, SHORTEST_INTERMISSION  # within every possible intermission: nothing else matters
    later = _counted(conversation).filter(sent_at__gt=at)
    if before is not None:
        later = later.exclude(direction=Direction.OUT, ticket=before.ticket.ticket_id)
    after = _first_neighbour(later.order_by("sent_at", "id"))
    return before, after, _intermission(conversation)


def _before(conversation: Conversation, at: datetime, moved: Collection[int] = ()) -> TicketNeighbour | None:
    """Return the message before `at`: a new message stands behind those of its own time, moved ones by their ids."""
    earlier = _counted(conversation).filter(sent_at__lte=at)
    if moved:
        earlier = earlier.exclude(pk__in=moved).exclude(sent_at=at, pk__gt=min(moved))
    return _first_neighbour(earlier.order_by("-sent_at", "-id"))


def _counted(conversation: Conversation) -> QuerySet[Message, Message]:
    return Message.objects.filter(COUNTED, conversation=conversation, ticket__isnull=False)


def neighbours(pks: Iterable[int]) -> dict[int | None, TicketNeighbour]:
    """Return these messages, by id, as the rules want them; each has a ticket."""
    rows = Message.objects.filter(pk__in=list(pks)).values_list("pk", *NEIGHBOUR_FIELDS)
    return {pk: _neighbour(*values) for pk, *values in rows}


def _first_neighbour(rows: QuerySet[Message, Message]) -> TicketNeighbour | None:
    row = rows.values_list(*NEIGHBOUR_FIELDS).first()
    return None if row is None else _neighbour(*row)


def _neighbour(*values: Any) -> TicketNeighbour:
    at, direction, ticket_id, opened_at, last_message_at, closed_at, subject_is_own = values
    ticket = TicketRef(ticket_id, False, opened_at, last_message_at, closed_at, bool(subject_is_own))
    return threading.Neighbour(at, ticket, by_customer=direction == Direction.IN)


def _by_id(neighbour: TicketNeighbour | None) -> threading.Neighbour[int | None] | None:
    return threading.Neighbour(neighbour.at, neighbour.ticket.ticket_id) if neighbour else None


def _intermission(conversation: Conversation) -> timedelta:
    return intermissions([conversation.department_id])[conversation.department_id]


def intermissions(departments: Collection[int]) -> dict[int, timedelta]:
    """Return the threading intermission of each of these departments (ids)."""
    rows = ImPreferences.objects.filter(department_id__in=departments)
    minutes = dict(rows.values_list("department_id", "threading_intermission"))
    return {pk: timedelta(minutes=minutes.get(pk) or DEFAULT_INTERMISSION_MINUTES) for pk in departments}
