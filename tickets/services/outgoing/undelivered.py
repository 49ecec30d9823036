"""What an agent may do with a reply that did not simply go out: one that failed, is held or unsure, or still waits.

And in which conversations there is one, for the marks of the list.
"""

from collections.abc import Collection
from enum import StrEnum

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from desk.models import User
from desk.queue import enqueue
from tickets.models import Conversation, EventType, Message
from tickets.rules.sending import Action, Refusal, Verdict
from tickets.rules.window import policy
from tickets.services.conversation import access, messages
from tickets.services.outgoing import collision, delivery_status, held_replies, requeue
from tickets.services.outgoing.replies import ReplyError, may_send, require, window_of
from tickets.services.webhooks import events

State = Message.State


class Mark(StrEnum):
    """What the list says of a conversation with replies that did not go out; the first that fits."""

    FAILED = "failed"
    UNSURE = "unsure"
    HELD = "held"
    WAITS = "waits"  # it goes out by itself when the customer writes


def marks_of(conversation_ids: Collection[int]) -> dict[int, Mark]:
    """Return the marks by conversation (id), of those that have one; one query, from the rows themselves.

    A failed reply, or an unsure one that Desk asks nobody about any more, is worth a mark until something was said
    after it; a held one as long as it is held.
    """
    said = Message.objects.filter(
        Q(sent_at__gt=OuterRef("sent_at")) | Q(sent_at=OuterRef("sent_at"), pk__gt=OuterRef("pk")),
        conversation=OuterRef("conversation"),
        sent_at__gte=OuterRef("sent_at"),  # for the index: OR alone uses none
        direction=Message.Direction.OUT,
        kind=Message.Kind.MESSAGE,
    ).exclude(state__in=(State.FAILED, State.HELD))
    waiting = Message.objects.filter(
        Q(state=State.HELD) | ~Exists(said),
        conversation__in=conversation_ids,
        state__in=(State.FAILED, State.UNSURE, State.HELD),
    ).exclude(state=State.UNSURE, retry_after__isnull=False)
    found: dict[int, set[Mark]] = {}
    for conversation_id, state, waits in waiting.values_list("conversation_id", "state", "waits_for_customer"):
        mark = Mark.WAITS if state == State.HELD and waits else Mark(state)
        found.setdefault(conversation_id, set()).add(mark)
    return {conversation_id: next(mark for mark in Mark if mark in marks) for conversation_id, marks in found.items()}


def retry(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue a failed reply again. Raises ReplyError when it may not be sent now, or is not a failed one any more.

    Raises AnsweredMeanwhileError when somebody else answered after it was written: with the id of that answer as
    `seen` it goes out all the same. `release` and `resend` do the same.
    """
    return _queue_again(user, message, State.FAILED, "This message is not waiting to be retried any more.", seen)


def release(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue a held reply. Raises ReplyError when the reason still stands, or it is not held any more."""
    return _queue_again(user, message, State.HELD, "This message is not held any more.", seen)


def hold_until_customer_writes(user: User, message: Message) -> Message:
    """Let a held reply go out by itself when the customer writes. Raises ReplyError when it lacks something else."""
    _require_access(user, message)
    verdict = may_send(user, message.conversation)
    if not verdict.allowed and not verdict.waits_for_customer:
        raise ReplyError(verdict)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        is_shut = policy(window_of(conversation), author_is_human=True) is None
        require(is_shut, "The customer has written meanwhile: you can send it now.")
        held = Message.objects.filter(pk=message.pk, direction=Message.Direction.OUT, state=State.HELD)
        require(held.update(waits_for_customer=True, reason=verdict.sentence), "This message is not held any more.")
        held_replies.refresh(conversation)
        events.messages_updated(conversation, [message.pk], "reason")
        messages.announce(conversation)
    message.refresh_from_db()
    return message


def resend(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue an unsure reply again: the agent has looked, and it did not arrive.

    Raises ReplyError while Desk still finds out by itself, and for an error after which Meta says such messages were
    delivered (1/1357046): those are never sent again.
    """
    require(
        not delivery_status.is_never_resent(message),
        "Facebook says that such messages were delivered, so it is not sent again. Write a new message instead.",
    )
    require(
        message.state != State.UNSURE or message.retry_after is None,
        "Desk is still asking Facebook whether this message arrived. Try again in a minute.",
    )
    return _queue_again(user, message, State.UNSURE, "This message is not unsure any more.", seen)


def mark_arrived(user: User, message: Message) -> Message:
    """Take the agent's word that an unsure reply arrived. Raises ReplyError when it is not unsure any more."""
    _require_access(user, message)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        found = Message.objects.filter(pk=message.pk, state=State.UNSURE).first()
        require(found is not None, "This message is not unsure any more.")
        found.state, found.reason, found.retry_after = State.SENT, f"Marked as arrived by {user}.", None
        found.sent_at = found.claimed_at or found.sent_at
        delivery_status.apply_watermarks(conversation, found)
        found.save(update_fields=["state", "reason", "retry_after", "sent_at", "delivered_at", "read_at"])
        events.messages_updated(conversation, [found.pk], "state", "reason", "sent_at")
        messages.announce(conversation)
        enqueue(delivery_status.DRAIN_TASK)
    message.refresh_from_db()
    return message


def cancel(user: User, message: Message) -> str:
    """Remove a reply that has not gone out (failed, held, or queued and not yet taken) and return its text.

    Raises ReplyError when it is being sent, may have been sent, or was.
    """
    _require_access(user, message)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        waiting = Message.objects.select_for_update().filter(
            pk=message.pk,
            direction=Message.Direction.OUT,
            kind=Message.Kind.MESSAGE,
            state__in=(State.FAILED, State.HELD, State.QUEUED),
        )
        found = waiting.first()
        require(found is not None, "This message is on its way or was sent already; it cannot be discarded.")
        files = [attachment.file for attachment in found.attachments.all() if attachment.file]
        found.delete()
        messages.forget_message(conversation, found)
        events.publish(EventType.MESSAGE_DELETED, conversation, message=message.pk, by=user)
        held_replies.refresh(conversation)
        for file in files:
            transaction.on_commit(lambda file=file: file.storage.delete(file.name))
    return message.text


def _queue_again(user: User, message: Message, state: str, gone: str, seen: int | None) -> Message:
    _require_access(user, message)
    verdict = may_send(user, message.conversation)
    if not verdict.allowed:
        raise ReplyError(verdict)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        waiting = Message.objects.filter(
            pk=message.pk, direction=Message.Direction.OUT, state=state, retry_after__isnull=True
        )
        require(waiting.exists(), gone)
        collision.require_seen(user, conversation, max(message.pk, seen or 0))
        requeue.requeue(conversation, waiting)
        held_replies.refresh(conversation)
    message.refresh_from_db()
    return message


def _require_access(user: User, message: Message) -> None:
    if not access.conversations_for(user).filter(pk=message.conversation_id).exists():
        raise ReplyError(
            Verdict(False, Refusal.NOT_ASSOCIATED, "You are not an agent of this conversation.", Action.ASSOCIATE)
        )


def _lock_conversation_of(message: Message) -> Conversation:
    return Conversation.objects.select_for_update().get(pk=message.conversation_id)
