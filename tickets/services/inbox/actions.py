"""Act on a conversation besides replying: assign, transfer, close, reopen, block.

Each function makes the change, adds an event to the thread and announces it to open pages. Conversations of a deleted
channel are read-only: assigning, transferring and blocking are refused.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from desk import audit_log
from desk.errors import Refused
from desk.models import Department, User
from desk.sentences import sentence
from desk.text import is_blank
from tickets.models import Contact, Conversation, EventType, Ticket
from tickets.rules.assigning import Reason
from tickets.rules.sending import Refusal, clean_text
from tickets.services.conversation import access, assigning, derived, mentions, messages, snoozing, ticketing
from tickets.services.conversation.thread_events import add_event
from tickets.services.conversation.times import now_after, now_ms
from tickets.services.inbox import ticket_facts
from tickets.services.inbox.notes import NOTE_LIMIT, add_note
from tickets.services.page_actions import moderation
from tickets.services.webhooks import events

NOT_ASSIGNED = sentence("This channel was deleted: its conversations can be read, but not assigned.")
NOT_TRANSFERRED = sentence("This channel was deleted: its conversations can be read, but not transferred.")
NOT_BLOCKED = sentence("This channel was deleted: its conversations can be read, but not blocked.")
NOT_UNBLOCKED = sentence("This channel was deleted: its conversations can be read, but not unblocked.")
NEITHER_BLOCKED_NOR_UNBLOCKED = sentence(
    "This channel was deleted: its conversations can be read, but not blocked or unblocked."
)
NOTHING_CHANGED = sentence("Nothing was changed.")


def assign(user: User, conversation: Conversation, assignee: User | None) -> None:
    """Assign the conversation and its open ticket to `assignee`, or to nobody. Raises Refused."""
    with transaction.atomic():
        _lock_to_change(conversation, NOT_ASSIGNED)
        if assignee is not None and not may_be_assigned(conversation, assignee):
            refusal = sentence(
                "%(colleague)s is an agent neither of this channel nor of this department. Choose another colleague.",
                colleague=assignee,
            )
            raise Refused(refusal, Refusal.NOT_ASSOCIATED)
        before = conversation.assignee_id
        if before == (assignee.pk if assignee else None):
            return
        if assignee is not None and assignee.pk != user.pk:
            snoozing.end(conversation, "agent", user)  # the colleague shall see it
        if assignee is None:
            line = sentence("%(user)s unassigned this conversation", user=user)
        elif assignee.pk == user.pk:
            line = sentence("%(user)s took this conversation", user=user)
        else:
            line = sentence("%(user)s assigned this conversation to %(colleague)s", user=user, colleague=assignee)
        assigning.change(conversation, assignee, line, Reason.MANUAL, user)


def take_after_reply(user: User, conversation: Conversation) -> None:
    """Assign the conversation to `user`, who has replied in it. Raises Refused when a colleague has it meanwhile."""
    with transaction.atomic():
        _lock_to_change(conversation, NOT_ASSIGNED)
        if conversation.assignee_id == user.pk:
            return
        if conversation.assignee is not None:
            raise Refused(
                sentence("%(colleague)s has this conversation meanwhile.", colleague=conversation.assignee),
                Refusal.NOT_POSSIBLE,
            )
        if not may_be_assigned(conversation, user):
            raise Refused(sentence("You may not take this conversation any more."), Refusal.NOT_ASSOCIATED)
        line = sentence("Assigned to %(user)s: replied", user=user)
        assigning.change(conversation, user, line, Reason.REPLY, user)


def transfer(user: User, conversation: Conversation, department: Department, note: str = "") -> None:
    """Transfer the conversation to `department`, unassigned, with an optional note for them. Raises Refused."""
    if not is_blank(clean_text(note)) and len(clean_text(note)) > NOTE_LIMIT:
        too_long = sentence(
            "The note is too long; at most %(most)s characters fit into one. Shorten it.", most=f"{NOTE_LIMIT:,}"
        )
        raise Refused(too_long, Refusal.TEXT_TOO_LONG)
    with transaction.atomic():
        _lock_to_change(conversation, NOT_TRANSFERRED)
        if conversation.department_id == department.pk:
            raise Refused(
                sentence(
                    "This conversation is in %(department)s already. Choose another department.", department=department
                )
            )
        if not is_blank(clean_text(note)):
            add_note(user, conversation, note)
        messages.announce(conversation)  # before the change: users who no longer see it must receive it too
        snoozing.end(conversation, "agent", user)
        before = conversation.department.name
        conversation.department, conversation.assignee = department, None
        conversation.transferred_at = now_ms()
        conversation.save(update_fields=["department", "assignee", "transferred_at"])
        _current_ticket(conversation, Ticket.Status.OPEN).update(department=department, assignee=None)
        line = sentence("%(user)s transferred this conversation to %(department)s", user=user, department=department)
        add_event(conversation, user, "transferred", line)
        events.publish(
            EventType.CONVERSATION_TRANSFERRED,
            conversation,
            by=user,
            from_department=before,
            to_department=department.name,
        )
        messages.announce(conversation)


def assign_with_note(user: User, conversation: Conversation, colleague: User, note: str = "") -> None:
    """Assign the conversation to `colleague`, with an optional note for them: both or neither. Raises Refused."""
    with transaction.atomic():
        assign(user, conversation, colleague)
        if not is_blank(clean_text(note)):
            add_note(user, conversation, note)


def close(user: User, conversation: Conversation, ticket: int | None = None) -> None:
    """Close the current ticket and reset unread and waiting. Closing a closed one changes nothing.

    It ends the access that mentions gave. `ticket` is the id of the one that is meant. When that is an earlier one,
    only its own messages are read and wait no more. Raises Refused when it was merged into another one.
    """
    with transaction.atomic():
        messages.lock(conversation)
        if ticket is not None and ticket != conversation.current_ticket_id:
            return _close_earlier(user, conversation, _earlier(conversation, ticket))
        open_ticket = _current_ticket(conversation, Ticket.Status.OPEN)
        if not open_ticket.update(status=Ticket.Status.CLOSED, closed_at=now_after(conversation.last_message_at)):
            return
        conversation.waiting_since = None
        conversation.unread_count, conversation.is_open = 0, False
        conversation.save(update_fields=["waiting_since", "unread_count", "is_open"])
        snoozing.end(conversation, "agent", user)
        mentions.end_access(conversation)
        line = sentence("%(user)s closed ticket #%(number)s", user=user, number=conversation.current_ticket_id)
        add_event(conversation, user, "closed", line)
        events.publish(EventType.TICKET_CLOSED, conversation, ticket=conversation.current_ticket_id, by=user)
        messages.announce(conversation)


def reopen(user: User, conversation: Conversation, ticket: int | None = None) -> None:
    """Reopen the current ticket, or `ticket`, as in `close`. Reopening an open one changes nothing.

    An earlier ticket is open then, but the conversation only if its current one is.
    """
    with transaction.atomic():
        messages.lock(conversation)
        if ticket is not None and ticket != conversation.current_ticket_id:
            return _reopen_earlier(user, conversation, _earlier(conversation, ticket))
        closed_ticket = _current_ticket(conversation, Ticket.Status.CLOSED)
        if not closed_ticket.update(status=Ticket.Status.OPEN, closed_at=None):
            return
        conversation.is_open = True
        conversation.save(update_fields=["is_open"])
        line = sentence("%(user)s reopened ticket #%(number)s", user=user, number=conversation.current_ticket_id)
        add_event(conversation, user, "reopened", line)
        derived.refresh_waiting(conversation)
        events.publish(EventType.TICKET_REOPENED, conversation, ticket=conversation.current_ticket_id, by=user)
        messages.announce(conversation)


def block(user: User, conversation: Conversation) -> None:
    """Block the contact in Desk and at Meta: no reply is sent. Blocking twice changes nothing. Raises Refused."""
    _set_blocked(user, conversation, now_ms())


def unblock(user: User, conversation: Conversation) -> None:
    """Unblock the contact, in Desk and at Meta. Raises Refused."""
    _set_blocked(user, conversation, None)


def retry_block(conversation: Conversation) -> None:
    """Request again a block or unblock that Meta refused; without one, do nothing. Raises Refused."""
    with transaction.atomic():
        _lock_to_change(conversation, NEITHER_BLOCKED_NOR_UNBLOCKED)
        if moderation.retry(conversation.contact):
            messages.announce(conversation)


def _set_blocked(user: User, conversation: Conversation, blocked_at: datetime | None) -> None:
    with transaction.atomic():
        _lock_to_change(conversation, NOT_BLOCKED if blocked_at else NOT_UNBLOCKED)
        contacts = Contact.objects.filter(pk=conversation.contact_id, erased_at=None)
        contacts = contacts.filter(blocked_at__isnull=blocked_at is not None)
        if not contacts.update(blocked_at=blocked_at, blocked_by=user if blocked_at else None):
            return
        moderation.request(conversation.contact, blocked=blocked_at is not None)
        if blocked_at:
            kind, line, entry = "blocked", sentence("%(user)s blocked this customer", user=user), sentence("Blocked.")
        else:
            kind, line = "unblocked", sentence("%(user)s unblocked this customer", user=user)
            entry = sentence("Unblocked.")
        add_event(conversation, user, kind, line)
        audit_log.record(user, conversation.contact, audit_log.Action.BLOCKED, entry)
        events.publish(EventType.CONTACT_BLOCKED if blocked_at else EventType.CONTACT_UNBLOCKED, conversation, by=user)
        messages.announce(conversation)


def _lock_to_change(conversation: Conversation, refusal: str) -> None:
    """Lock the conversation. Raises Refused when its channel was deleted; `refusal` says what is not possible then."""
    messages.lock(conversation)
    conversation.channel.refresh_from_db(fields=["deleted_at"])
    if conversation.channel.is_deleted:
        raise Refused(f"{refusal} {NOTHING_CHANGED}", Refusal.CHANNEL_DELETED)


def may_be_assigned(conversation: Conversation, user: User) -> bool:
    """Return whether the conversation may be assigned to `user`: active, and of its channel or department."""
    return user.is_active and may_take(access.facts_for(user), conversation.channel_id, conversation.department_id)


def may_take(facts: access.UserFacts, channel_id: int, department_id: int) -> bool:
    """Return whether conversations of this channel and department may be assigned to the user with these facts."""
    return facts.sees_all or channel_id in facts.channel_ids or department_id in facts.department_ids


def _earlier(conversation: Conversation, number: int) -> Ticket:
    ticket = Ticket.objects.filter(pk=number, conversation=conversation).first()
    if ticket is None:
        raise Refused(ticket_facts.MERGED, Refusal.NOT_POSSIBLE)
    return ticket


def _close_earlier(user: User, conversation: Conversation, ticket: Ticket) -> None:
    if ticket.status == Ticket.Status.CLOSED:
        return
    ticket.status, ticket.closed_at = Ticket.Status.CLOSED, now_after(conversation.last_message_at)
    ticket.save(update_fields=["status", "closed_at"])
    _mark_read_in(conversation, ticket)
    mentions.end_access(conversation, ticket=ticket)
    line = sentence("%(user)s closed ticket #%(number)s", user=user, number=ticket.pk)
    add_event(conversation, user, "closed", line, earlier_ticket=ticket.pk)
    derived.refresh_waiting(conversation)
    events.publish(EventType.TICKET_CLOSED, conversation, ticket=ticket.pk, by=user)
    messages.announce(conversation)


def _reopen_earlier(user: User, conversation: Conversation, ticket: Ticket) -> None:
    if ticket.status == Ticket.Status.OPEN:
        return
    ticket.status, ticket.closed_at = Ticket.Status.OPEN, None
    ticket.save(update_fields=["status", "closed_at"])
    line = sentence("%(user)s reopened ticket #%(number)s", user=user, number=ticket.pk)
    add_event(conversation, user, "reopened", line, earlier_ticket=ticket.pk)
    derived.refresh_waiting(conversation)
    events.publish(EventType.TICKET_REOPENED, conversation, ticket=ticket.pk, by=user)
    messages.announce(conversation)


def _mark_read_in(conversation: Conversation, ticket: Ticket) -> None:
    """Take the messages of this ticket from the unread ones, which are the newest of the customer."""
    incoming = conversation.messages.filter(ticketing.CUSTOMER).order_by("-sent_at", "-pk")
    unread = list(incoming.values_list("ticket", flat=True)[: conversation.unread_count])
    conversation.unread_count -= unread.count(ticket.pk)
    conversation.save(update_fields=["unread_count"])


def _current_ticket(conversation: Conversation, status: Ticket.Status) -> QuerySet[Ticket, Ticket]:
    """Return the current ticket of the conversation if it has this status."""
    return Ticket.objects.filter(pk=conversation.current_ticket_id or 0, status=status)
