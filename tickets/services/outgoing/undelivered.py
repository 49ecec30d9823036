"""Retry, release, resend, confirm or cancel a reply that was not sent: one that failed, is held, unsure or queued.

And find the conversations with such replies, which the list shows.
"""

from collections.abc import Collection
from enum import StrEnum
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from desk import wake
from desk.models import User
from desk.prepared import Prepared
from desk.sentences import sentence
from tickets.models import Conversation, EventType, Message
from tickets.rules import text_length
from tickets.rules.sending import Action, Refusal, Verdict
from tickets.rules.window import policy
from tickets.services.conversation import access, derived, messages
from tickets.services.outgoing import collision, delivery_status, held_replies, requeue
from tickets.services.outgoing.replies import ReplyError, may_send, not_possible, queue_reply, require, window_of
from tickets.services.webhooks import events

State = Message.State

NOT_HELD = sentence("This message is no longer held.")
NOT_UNSURE = sentence("This message is no longer unsure.")


class UndeliveredState(StrEnum):
    """What the list shows for a conversation with replies that were not sent: the first that applies."""

    FAILED = "failed"
    UNSURE = "unsure"
    HELD = "held"
    WAITS = "waits"  # is sent automatically when the customer writes


def undelivered_states(conversation_ids: Collection[int]) -> dict[int, UndeliveredState]:
    """Return the state by conversation id, for those that have one; one query.

    A failed reply, or an unsure one that Desk no longer looks up, counts until another message was sent after it. A
    held reply counts as long as it is held.
    """
    by_conversation: dict[int, set[UndeliveredState]] = {}
    for conversation_id, state, waits in _UNDELIVERED.rows(conversations=list(conversation_ids)):
        shown = UndeliveredState.WAITS if state == State.HELD and waits else UndeliveredState(state)
        by_conversation.setdefault(conversation_id, set()).add(shown)
    return {
        conversation_id: next(state for state in UndeliveredState if state in states)
        for conversation_id, states in by_conversation.items()
    }


def _undelivered(*, conversations: Collection[int]) -> QuerySet[Message, Any]:
    """Return the undelivered replies as (conversation, state, whether it waits for the customer)."""
    answered_later = Message.objects.filter(
        Q(sent_at__gt=OuterRef("sent_at")) | Q(sent_at=OuterRef("sent_at"), pk__gt=OuterRef("pk")),
        conversation=OuterRef("conversation"),
        sent_at__gte=OuterRef("sent_at"),  # for the index: the OR alone uses none
        direction=Message.Direction.OUT,
        kind=Message.Kind.MESSAGE,
    ).exclude(state__in=(State.FAILED, State.HELD))
    waiting = Message.objects.filter(
        Q(state=State.HELD) | ~Exists(answered_later),
        conversation__in=conversations,
        state__in=(State.FAILED, State.UNSURE, State.HELD),
    ).exclude(state=State.UNSURE, retry_after__isnull=False)
    return waiting.values_list("conversation_id", "state", "waits_for_customer")


_UNDELIVERED = Prepared(_undelivered)


def retry(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue a failed reply again. Raises ReplyError when it may not be sent now, or is no longer a failed one.

    Raises AnsweredMeanwhileError when somebody else answered after it was written, unless `seen` is the id of that
    answer or a later one. The same holds for `release` and `resend`.
    """
    return _queue_again(user, message, State.FAILED, sentence("This message is no longer waiting for a retry."), seen)


def release(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue a held reply. Raises ReplyError when the reason still applies, or it is no longer held."""
    return _queue_again(user, message, State.HELD, NOT_HELD, seen)


def hold_until_customer_writes(user: User, message: Message) -> Message:
    """Let a held reply be sent automatically when the customer writes. Raises ReplyError for any other obstacle."""
    _require_access(user, message)
    verdict = may_send(user, message.conversation)
    if not verdict.allowed and not verdict.waits_for_customer:
        raise ReplyError(verdict)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        is_closed = policy(window_of(conversation), author_is_human=True) is None
        require(is_closed, sentence("The customer has written meanwhile: you can send it now."))
        held = Message.objects.filter(pk=message.pk, direction=Message.Direction.OUT, state=State.HELD)
        require(held.update(waits_for_customer=True, reason=verdict.sentence), NOT_HELD)
        held_replies.refresh(conversation)
        events.messages_updated(conversation, [message.pk], "reason")
        messages.announce(conversation)
    message.refresh_from_db()
    return message


def resend(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue an unsure reply again, after the agent has checked that it did not arrive.

    Raises ReplyError while Desk still looks it up, and for an error after which Meta says such messages were delivered
    (1/1357046): those are never resent.
    """
    require(
        not delivery_status.is_never_resent(message),
        sentence(
            "Facebook says that such messages were delivered, so it is not sent again. Write a new message instead."
        ),
    )
    require(
        message.state != State.UNSURE or message.retry_after is None,
        sentence("Desk is still asking Facebook whether this message arrived. Try again in a minute."),
    )
    return _queue_again(user, message, State.UNSURE, NOT_UNSURE, seen)


def send_as_two(user: User, message: Message, seen: int | None = None) -> Message:
    """Queue a failed reply again as two messages, and return the first; for a text that is too long for Facebook.

    Raises ReplyError and AnsweredMeanwhileError as `retry` does; then nothing changes.
    """
    require(
        message.state == State.FAILED and may_be_two(message), sentence("This message is not too long for Facebook.")
    )
    first, second = text_length.halves(message.text)
    with transaction.atomic():
        Message.objects.filter(pk=message.pk, state=State.FAILED).update(text=first)
        queued = retry(user, message, seen)
        events.messages_updated(queued.conversation, [queued.pk], "text")
        conversation = Conversation.objects.get(pk=queued.conversation_id)
        queue_reply(user, conversation, text=second)
    return queued


def may_be_two(message: Message) -> bool:
    """Return whether Facebook probably refused this reply for its length."""
    return text_length.is_refused_for_length(message.text, message.error_code, message.error_subcode)


def mark_arrived(user: User, message: Message) -> Message:
    """Mark an unsure reply as sent, on the agent's word. Raises ReplyError when it is no longer unsure."""
    _require_access(user, message)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        row = Message.objects.filter(pk=message.pk, state=State.UNSURE).first()
        if row is None:
            raise not_possible(NOT_UNSURE)
        row.state, row.retry_after = State.SENT, None
        row.reason = sentence("Marked as arrived by %(user)s.", user=user)
        row.sent_at, row.claimed_by = row.claimed_at or row.sent_at, delivery_status.Evidence.ANSWER
        delivery_status.apply_watermarks(conversation, row)
        row.save(update_fields=["state", "reason", "retry_after", "sent_at", "claimed_by", "delivered_at", "read_at"])
        delivery_status.settle_time(conversation, row)
        events.messages_updated(conversation, [row.pk], "state", "reason", "sent_at")
        messages.announce(conversation)
        wake.wake(delivery_status.JOB)
    message.refresh_from_db()
    return message


def cancel(user: User, message: Message) -> str:
    """Delete a reply that was not sent (failed, held, or queued and not claimed) and return its text.

    Raises ReplyError when it is being sent, was sent, or may have been sent.
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
        row = waiting.first()
        if row is None:
            raise not_possible(sentence("This message is being sent or was sent already; it cannot be cancelled."))
        files = [attachment.file for attachment in row.attachments.all() if attachment.file]
        row.delete()
        derived.forget_message(conversation, row)
        messages.announce(conversation)
        events.publish(EventType.MESSAGE_DELETED, conversation, message=message.pk, by=user)
        held_replies.refresh(conversation)
        for file in files:
            transaction.on_commit(partial(file.storage.delete, str(file.name)))
    return message.text


def _queue_again(user: User, message: Message, state: str, refusal: str, seen: int | None) -> Message:
    """Queue a reply again that is in `state`. Raises ReplyError with `refusal` when it is no longer."""
    _require_access(user, message)
    verdict = may_send(user, message.conversation, form=message.sent_as)
    if not verdict.allowed:
        raise ReplyError(verdict)
    with transaction.atomic():
        conversation = _lock_conversation_of(message)
        waiting = Message.objects.filter(
            pk=message.pk, direction=Message.Direction.OUT, state=state, retry_after__isnull=True
        )
        require(waiting.exists(), refusal)
        collision.require_seen(user, conversation, max(message.pk, seen or 0))
        requeue.requeue(conversation, waiting)
        held_replies.refresh(conversation)
    message.refresh_from_db()
    return message


def _require_access(user: User, message: Message) -> None:
    own = access.facts_for(user).own
    if not access.conversations_for(user, own).filter(pk=message.conversation_id).exists():
        raise ReplyError(
            Verdict(
                False, Refusal.NOT_ASSOCIATED, sentence("You are not an agent of this conversation."), Action.ASSOCIATE
            )
        )


def _lock_conversation_of(message: Message) -> Conversation:
    return Conversation.objects.select_for_update().get(pk=message.conversation_id)
