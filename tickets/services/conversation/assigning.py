"""Give a conversation to an agent, or take it from one: the change itself, and what a reply does.

Whoever assigns holds the conversation's lock. Automatic assignment is in inbox/automatic_assignment.py.
"""

from functools import partial

from django.db import transaction

from desk import audit_log
from desk.models import User
from desk.sentences import sentence
from tickets.models import AssignmentSettings, Conversation, EventType, Ticket
from tickets.rules.assigning import OnReply, Reason
from tickets.services import by_macro
from tickets.services.conversation import messages, notices
from tickets.services.conversation.thread_events import add_event
from tickets.services.webhooks import events

#: The job of the worker that assigns what nobody has; woken when a customer wrote in such a conversation.
JOB = "assignment"
WAKE_AT_MOST_EVERY_S = 0.3


def settings_of(department_id: int) -> AssignmentSettings:
    """Return how conversations of this department are assigned; the defaults when nothing was saved."""
    saved = AssignmentSettings.objects.filter(department=department_id).first()
    return saved or AssignmentSettings(department_id=department_id)


def change(conversation: Conversation, assignee: User | None, line: str, reason: Reason, by: User | None) -> None:
    """Assign a locked conversation and its open ticket to `assignee`, or to nobody.

    `line` says it in the thread, and what no agent did by hand also in the history. `by` None: Desk itself acts.
    """
    messages.announce(conversation)  # before the change: users who no longer see it must receive it too
    conversation.assignee = assignee
    conversation.save(update_fields=["assignee"])
    current = Ticket.objects.filter(pk=conversation.current_ticket_id or 0, status=Ticket.Status.OPEN)
    current.update(assignee=assignee)
    add_event(conversation, by, "assigned", line)
    events.publish(EventType.CONVERSATION_ASSIGNED, conversation, by=by, reason=reason.value)
    notices.assigned(conversation, by)
    if reason is not Reason.MANUAL:
        audit_log.record(by or audit_log.SYSTEM, conversation, audit_log.CHANGE, by_macro.with_origin(line))
    messages.announce(conversation)
    if assignee is not None:
        transaction.on_commit(partial(_take_from_deactivated, conversation.pk, assignee.pk), robust=True)


def _take_from_deactivated(pk: int, user_id: int) -> None:
    """Unassign a conversation whose assignee was deactivated while it was assigned.

    Deactivating hands over what it sees after its commit. Whoever commits later sees the other: here it is this one.
    """
    if User.objects.filter(pk=user_id, is_active=True).exists():
        return
    with transaction.atomic():
        locked = Conversation.objects.select_for_update(of=("self",)).select_related("contact", "channel")
        conversation = locked.filter(pk=pk, assignee=user_id, is_open=True).first()
        if conversation is None:
            return
        line = sentence("Unassigned automatically: %(user)s was deactivated", user=conversation.assignee)
        change(conversation, None, line, Reason.AWAY, None)


def after_reply(user: User, conversation: Conversation) -> None:
    """Assign a locked conversation that nobody has to `user`, who has replied in it, where its department wants that.

    An imported reply, or one that the Page sent elsewhere, does not come here.
    """
    if conversation.assignee_id is None and settings_of(conversation.department_id).on_reply == OnReply.ALWAYS:
        line = sentence("Assigned to %(user)s automatically: replied", user=user)
        change(conversation, user, line, Reason.REPLY, user)


def asks_after_reply(conversation: Conversation) -> bool:
    """Return whether the one who replied in this conversation is asked whether to assign it to them."""
    is_free = conversation.assignee_id is None and conversation.is_open
    return is_free and settings_of(conversation.department_id).on_reply == OnReply.ASK
