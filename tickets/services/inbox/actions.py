"""Act on a conversation besides replying: note, assign, transfer, close, reopen, block.

Each function makes the change, adds an event to the thread and announces it to open pages. Conversations of a deleted
channel are read-only: assigning, transferring and blocking are refused.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from desk import audit_log
from desk.errors import Refused
from desk.models import Department, User
from desk.text import is_blank
from tickets.models import Contact, Conversation, EventType, Message, Ticket
from tickets.rules.sending import Refusal, clean_text
from tickets.services.conversation import access, derived, messages
from tickets.services.conversation.new_message import NewMessage
from tickets.services.conversation.times import now_after, now_ms
from tickets.services.outgoing import replies
from tickets.services.page_actions import moderation
from tickets.services.webhooks import events

NOTE_LIMIT = 20_000  # characters


def add_note(user: User, conversation: Conversation, text: str, client_key: str | None = None) -> Message:
    """Add a note that only colleagues see. The same `client_key` again returns the same note. Raises Refused."""
    text = clean_text(text)
    if is_blank(text):
        raise Refused("The note is empty. Write something first.", Refusal.TEXT_BLANK)
    if len(text) > NOTE_LIMIT:
        sentence = f"The note has {len(text):,} characters; at most {NOTE_LIMIT:,} fit into one. Shorten it."
        raise Refused(sentence, Refusal.TEXT_TOO_LONG)
    with transaction.atomic():
        messages.lock(conversation)
        if Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists():
            raise Refused(
                "The data of this customer was erased. Notes about them are not possible.", Refusal.CONTACT_ERASED
            )
        message, _created = messages.add_message(
            conversation,
            direction=Message.Direction.OUT,
            kind=Message.Kind.NOTE,
            source=Message.Source.AGENT,
            author=user,
            text=text,
            sent_at=now_after(conversation.last_message_at),
            state=Message.State.SENT,
            client_key=replies.stored_key(client_key),
        )
    return message


def assign(user: User, conversation: Conversation, assignee: User | None) -> None:
    """Assign the conversation and its open ticket to `assignee`, or to nobody. Raises Refused."""
    if assignee is not None and not may_be_assigned(conversation, assignee):
        sentence = f"{assignee} is an agent neither of this channel nor of this department. Choose another colleague."
        raise Refused(sentence, Refusal.NOT_ASSOCIATED)
    with transaction.atomic():
        _lock_to_change(conversation, "assigned")
        before = conversation.assignee_id
        if before == (assignee.pk if assignee else None):
            return
        messages.announce(conversation)  # before the change: users who no longer see it must receive it too
        conversation.assignee = assignee
        conversation.save(update_fields=["assignee"])
        _current_ticket(conversation, Ticket.Status.OPEN).update(assignee=assignee)
        if assignee is None:
            sentence = f"{user} unassigned this conversation"
        elif assignee.pk == user.pk:
            sentence = f"{user} took this conversation"
        else:
            sentence = f"{user} assigned this conversation to {assignee}"
        _add_event(conversation, user, "assigned", sentence)
        events.publish(EventType.CONVERSATION_ASSIGNED, conversation, by=user)
        messages.announce(conversation)


def transfer(user: User, conversation: Conversation, department: Department, note: str = "") -> None:
    """Transfer the conversation to `department`, unassigned, with an optional note for them. Raises Refused."""
    if not is_blank(clean_text(note)) and len(clean_text(note)) > NOTE_LIMIT:
        sentence = f"The note is too long; at most {NOTE_LIMIT:,} characters fit into one. Shorten it."
        raise Refused(sentence, Refusal.TEXT_TOO_LONG)
    with transaction.atomic():
        _lock_to_change(conversation, "transferred")
        if conversation.department_id == department.pk:
            raise Refused(f"This conversation is in {department} already. Choose another department.")
        if not is_blank(clean_text(note)):
            add_note(user, conversation, note)
        messages.announce(conversation)  # as above
        before = conversation.department.name
        conversation.department, conversation.assignee = department, None
        conversation.transferred_at = now_ms()
        conversation.save(update_fields=["department", "assignee", "transferred_at"])
        _current_ticket(conversation, Ticket.Status.OPEN).update(department=department, assignee=None)
        _add_event(conversation, user, "transferred", f"{user} transferred this conversation to {department}")
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


def close(user: User, conversation: Conversation) -> None:
    """Close the current ticket and reset unread and waiting. Closing a closed one changes nothing."""
    with transaction.atomic():
        messages.lock(conversation)
        open_ticket = _current_ticket(conversation, Ticket.Status.OPEN)
        if not open_ticket.update(status=Ticket.Status.CLOSED, closed_at=now_after(conversation.last_message_at)):
            return
        conversation.waiting_since = None
        conversation.unread_count, conversation.is_open = 0, False
        conversation.save(update_fields=["waiting_since", "unread_count", "is_open"])
        _add_event(conversation, user, "closed", f"{user} closed ticket #{conversation.current_ticket_id}")
        events.publish(EventType.TICKET_CLOSED, conversation, ticket=conversation.current_ticket_id, by=user)
        messages.announce(conversation)


def reopen(user: User, conversation: Conversation) -> None:
    """Reopen the current ticket. Reopening an open one changes nothing."""
    with transaction.atomic():
        messages.lock(conversation)
        closed_ticket = _current_ticket(conversation, Ticket.Status.CLOSED)
        if not closed_ticket.update(status=Ticket.Status.OPEN, closed_at=None):
            return
        conversation.is_open = True
        conversation.save(update_fields=["is_open"])
        _add_event(conversation, user, "reopened", f"{user} reopened ticket #{conversation.current_ticket_id}")
        derived.refresh_waiting(conversation)
        events.publish(EventType.TICKET_REOPENED, conversation, ticket=conversation.current_ticket_id, by=user)
        messages.announce(conversation)


def block(user: User, conversation: Conversation) -> None:
    """Block the contact in Desk and at Meta: no reply is sent. Blocking twice changes nothing. Raises Refused."""
    _set_blocked(user, conversation, now_ms(), "blocked")


def unblock(user: User, conversation: Conversation) -> None:
    """Unblock the contact, in Desk and at Meta. Raises Refused."""
    _set_blocked(user, conversation, None, "unblocked")


def retry_block(conversation: Conversation) -> None:
    """Request again a block or unblock that Meta refused; without one, do nothing. Raises Refused."""
    with transaction.atomic():
        _lock_to_change(conversation, "blocked or unblocked")
        if moderation.retry(conversation.contact):
            messages.announce(conversation)


def _set_blocked(user: User, conversation: Conversation, blocked_at: datetime | None, word: str) -> None:
    with transaction.atomic():
        _lock_to_change(conversation, word)
        contacts = Contact.objects.filter(pk=conversation.contact_id, erased_at=None)
        contacts = contacts.filter(blocked_at__isnull=blocked_at is not None)
        if not contacts.update(blocked_at=blocked_at, blocked_by=user if blocked_at else None):
            return
        moderation.request(conversation.contact, blocked=blocked_at is not None)
        _add_event(conversation, user, word, f"{user} {word} this customer")
        audit_log.record(user, conversation.contact, audit_log.Action.BLOCKED, f"{word.capitalize()}.")
        events.publish(EventType.CONTACT_BLOCKED if blocked_at else EventType.CONTACT_UNBLOCKED, conversation, by=user)
        messages.announce(conversation)


def _lock_to_change(conversation: Conversation, word: str) -> None:
    """Lock the conversation. Raises Refused when its channel was deleted; `word` names the refused action."""
    messages.lock(conversation)
    conversation.channel.refresh_from_db(fields=["deleted_at"])
    if conversation.channel.is_deleted:
        sentence = f"This channel was deleted: its conversations can be read, but not {word}. Nothing was changed."
        raise Refused(sentence, Refusal.CHANNEL_DELETED)


def may_be_assigned(conversation: Conversation, user: User) -> bool:
    """Return whether the conversation may be assigned to `user`: active, and of its channel or department."""
    return user.is_active and may_take(access.facts_for(user), conversation.channel_id, conversation.department_id)


def may_take(facts: access.UserFacts, channel_id: int, department_id: int) -> bool:
    """Return whether conversations of this channel and department may be assigned to the user with these facts."""
    return facts.sees_all or channel_id in facts.channel_ids or department_id in facts.department_ids


def _current_ticket(conversation: Conversation, status: Ticket.Status) -> QuerySet[Ticket, Ticket]:
    """Return the current ticket of the conversation if it has this status."""
    return Ticket.objects.filter(pk=conversation.current_ticket_id or 0, status=status)


def _add_event(conversation: Conversation, user: User, kind: str, sentence: str) -> None:
    """Add the event to the thread of a conversation that the caller has locked."""
    event = NewMessage(
        direction=Message.Direction.OUT,
        kind=Message.Kind.EVENT,
        source=Message.Source.SYSTEM,
        author=user,
        card={"kind": kind, "title": sentence, "text": "", "url": ""},
        sent_at=now_after(conversation.last_message_at),
        state=Message.State.SENT,
    )
    messages.add_to_locked(conversation, event, savepoint=False)  # an event has no key that could exist already
