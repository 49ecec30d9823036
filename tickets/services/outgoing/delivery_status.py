"""What became of a reply once Meta may have it: confirmed by the answer, by its echo, or by a look at the conversation.

A row is taken as sent only on proof, and given to Meta again only on proof that it was not. What cannot be proven stays
unsure, with words, until an agent decides (`replies.mark_arrived`, `replies.send_again`).
"""

import logging
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.messenger.errors import ErrorKind, GraphError, classify
from channels_im.messenger.graph_messages import GraphMessage
from channels_im.models import Page
from channels_im.services.facebook import connection
from desk.queue import enqueue
from tickets.models import Conversation, EventType, Message, Ticket
from tickets.rules.delivery_lookup import Arrived, CannotTell, NotSent, look_up
from tickets.rules.sending import MAX_ATTEMPTS, MAX_RETRY_PAUSE, SENT_STATES, receipt_state
from tickets.services.conversation import message_changes, messages
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

DRAIN_TASK = "tickets.tasks.drain_outbox"
# Meta may still work on a call that we gave up waiting for: so many times DESK_RETRY_BASE_SECONDS until the first look.
GRACE_FACTOR = 15
LOOK_UP_FOR = timedelta(hours=24)
LOOKUP_LEASE = timedelta(seconds=60)

INTERRUPTED = "Sending was interrupted. Desk finds out whether the message arrived before it is tried again."
BEHIND = "A message before this one was not sent. Look at that one first, then send this one."
BEHIND_UNSURE = "A message before this one may not have arrived. Look at that one first, then send this one."

State = Message.State
_CONFIRMED_FIELDS = [
    *("state", "mid", "sent_at", "delivered_at", "read_at", "reactions"),
    *("reason", "error_code", "error_subcode", "fbtrace_id", "retry_after", "claimed_by"),
]


class Evidence(StrEnum):
    """How we know that a message was sent."""

    ANSWER = "answer"
    ECHO = "echo"
    LOOK = "look"


def grace() -> timedelta:
    """Return how long after a call without an answer the conversation is first looked at."""
    return timedelta(seconds=settings.DESK_RETRY_BASE_SECONDS * GRACE_FACTOR)


# --- It was sent ------------------------------------------------------------------------------------------------------
def confirm(message_pk: int, *, mid: str | None, sent_at: datetime, proof: Evidence) -> bool:
    """Write down that a row was sent, as `mid` at `sent_at`; return False when this proves another sending of it.

    Whatever the row's state is, it becomes sent (or delivered, or read, when a watermark that came before says so); an
    echo's time is Meta's own and replaces ours. An outside message that an echo without metadata had made of the same
    `mid` is absorbed.
    """
    with transaction.atomic():
        conversation = lock_conversation_of(message_pk)
        if conversation is None:
            return False
        message = Message.objects.get(pk=message_pk)
        if message.state in SENT_STATES and message.mid and mid and message.mid != mid:
            # What the Conversations API calls a message need not be its mid: the echo knows.
            if not (proof == Evidence.ECHO and message.claimed_by == Evidence.LOOK):
                return False
        elif message.state in SENT_STATES and message.mid and proof != Evidence.ECHO:
            return True
        before, known_as = message.state, message.mid
        if mid and message.mid != mid:
            other = Message.objects.filter(page_id=message.page_id, mid=mid).exclude(pk=message.pk).first()
            if other is None:
                message.mid = mid
            elif _absorb(conversation, message, other):
                message.mid, sent_at = mid, other.sent_at
        message.sent_at = sent_at
        message.reason, message.error_code, message.error_subcode, message.fbtrace_id = "", None, None, ""
        message.retry_after, message.claimed_by = None, Evidence.LOOK if proof == Evidence.LOOK else ""
        message.state = State.SENT if before not in SENT_STATES else before
        apply_watermarks(conversation, message)
        message.save(update_fields=_CONFIRMED_FIELDS)
        _keep_times(conversation, message)
        if before in (State.FAILED, State.HELD):
            messages.refresh_waiting(conversation)
        if (message.state, message.mid) != (before, known_as):
            events.messages_updated(conversation, [message.pk], "state", "mid", "sent_at")
        messages.announce(conversation)
        if message.mid:
            message_changes.apply_early(message.page_id, [message.mid])
        if proof == Evidence.ECHO and before not in SENT_STATES:
            enqueue_if_queued(conversation)
    return True


def apply_watermarks(conversation: Conversation, message: Message) -> None:
    """Bring the state of a sent message forward by the conversation's watermarks; the caller saves it."""
    state = receipt_state(message.sent_at, conversation.delivered_watermark, conversation.read_watermark)
    if state == State.READ and message.state != State.READ:
        message.state, message.read_at = State.READ, conversation.read_watermark
        message.delivered_at = message.delivered_at or conversation.delivered_watermark or conversation.read_watermark
    elif state == State.DELIVERED and message.state == State.SENT:
        message.state, message.delivered_at = State.DELIVERED, conversation.delivered_watermark


def enqueue_if_queued(conversation: Conversation) -> None:
    """Wake the sender when replies of this conversation wait, perhaps for what has just been settled."""
    if Message.objects.filter(conversation=conversation, state=State.QUEUED).exists():
        enqueue(DRAIN_TASK)


def lock_conversation_of(message_pk: int) -> Conversation | None:
    """Lock and return the conversation of a message, or None when the message is gone."""
    conversation_pk = Message.objects.filter(pk=message_pk).values_list("conversation_id", flat=True).first()
    if conversation_pk is None:
        return None
    return Conversation.objects.select_for_update().get(pk=conversation_pk)


def _absorb(conversation: Conversation, message: Message, other: Message) -> bool:
    """Take over what an echo, not known as ours at the time, has made; False when `other` is no such message."""
    if other.source != Message.Source.THIS_APP or other.conversation_id != conversation.pk:
        logger.error("Messages %s and %s were both given the mid %s", message.pk, other.pk, other.mid)
        return False
    message.reactions = other.reactions
    names = [
        (attachment.file.storage, attachment.file.name) for attachment in other.attachments.all() if attachment.file
    ]
    Message.objects.filter(pk=other.pk).delete()
    events.publish(EventType.MESSAGE_DELETED, conversation, message=other.pk)
    for storage, name in names:
        transaction.on_commit(lambda storage=storage, name=name: storage.delete(name))
    conversation.message_count = max(conversation.message_count - 1, 0)
    conversation.save(update_fields=["message_count"])
    return True


def _keep_times(conversation: Conversation, message: Message) -> None:
    """A reply counts from when Meta took it: conversation and ticket may be newer by it, and what waits comes after."""
    Message.objects.filter(
        conversation=conversation,
        state__in=(State.QUEUED, State.SENDING),
        pk__gt=message.pk,
        sent_at__lt=message.sent_at,
    ).update(sent_at=message.sent_at)
    if conversation.last_message_at is None or message.sent_at > conversation.last_message_at:
        conversation.last_message_at = message.sent_at
        conversation.save(update_fields=["last_message_at"])
    Ticket.objects.filter(pk=message.ticket_id, last_message_at__lt=message.sent_at).update(
        last_message_at=message.sent_at
    )


def lease() -> datetime:
    """Return until when a claim for sending lasts; the row keeps it in `retry_after`, and the call's time as claim."""
    return timezone.now() + timedelta(seconds=settings.DESK_CLAIM_SECONDS)


# --- It may have been sent --------------------------------------------------------------------------------------------
def stale() -> QuerySet[Message, Message]:
    """Return the rows whose claim for sending ran out: a worker that lives renews its claims, so this one died."""
    now = timezone.now()
    before = now - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    return Message.objects.filter(
        Q(retry_after__lt=now) | Q(retry_after=None, claimed_at__lt=before), state=State.SENDING
    )


def reclaim_stale() -> int:
    """Make unsure what a dead worker was sending: perhaps before Meta had it, perhaps after. Return how many rows."""
    now = timezone.now()
    rows = list(stale().values_list("pk", "claimed_by"))
    return sum(mark_unsure(pk, claim, INTERRUPTED, first_look=now) for pk, claim in rows)


def mark_unsure(message_pk: int, claim: str, sentence: str, *, first_look: datetime, **error: Any) -> bool:
    """Make a row that this claim holds unsure, to be looked for from `first_look` on; False when it is settled."""
    with transaction.atomic():
        conversation = lock_conversation_of(message_pk)
        changed = Message.objects.filter(pk=message_pk, state=State.SENDING, claimed_by=claim).update(
            state=State.UNSURE, reason=sentence, retry_after=first_look, **error
        )
        if changed and conversation is not None:
            events.messages_updated(conversation, [message_pk], "state", "reason")
            messages.announce(conversation)
    return bool(changed)


def due_lookups() -> QuerySet[Message, Message]:
    """Return the unsure rows whose conversation is to be looked at now, of Pages that may be asked."""
    return Message.objects.filter(
        state=State.UNSURE, retry_after__lte=timezone.now(), page__connection=Page.Connection.CONNECTED
    ).exclude(page__rate_limited_until__gt=timezone.now())


def claim_lookups(limit: int, without_pages: set[int]) -> list[Message]:
    """Take up to `limit` unsure rows to look for, one per Page (Meta: 2 calls/s), none of `without_pages`."""
    related = ("conversation__contact", "page")
    candidates = due_lookups().exclude(page_id__in=without_pages).select_related(*related).order_by("retry_after", "id")
    claimed: dict[int, Message] = {}
    for message in candidates[: limit * 10] if limit > 0 else ():
        if message.page_id in claimed or len(claimed) == limit:
            continue
        until = timezone.now() + LOOKUP_LEASE
        same = Message.objects.filter(pk=message.pk, state=State.UNSURE, retry_after=message.retry_after)
        if same.update(retry_after=until):
            message.retry_after = until
            claimed[message.page_id] = message
    return list(claimed.values())


def apply_lookup(message: Message, seen: list[GraphMessage] | Exception) -> None:
    """Decide about an unsure row from what Meta shows of its conversation, or from the error of asking.

    `message` is as it was claimed by `claim_looks`; when it was settled or changed meanwhile, nothing happens.
    """
    finding: Arrived | NotSent | CannotTell
    if isinstance(seen, GraphError):
        finding = _from_error(message, seen)
    elif isinstance(seen, Exception):
        finding = CannotTell(False, "")
    else:
        finding = look_up(
            seen,
            text=message.text,
            is_file=message.attachments.exists(),
            called_at=message.claimed_at or message.received_at,
            known_mids=_known_mids(message, seen),
        )
    if isinstance(finding, Arrived):
        confirm(message.pk, mid=finding.mid, sent_at=finding.at, proof=Evidence.LOOK)
        return
    with transaction.atomic():
        conversation = lock_conversation_of(message.pk)
        unchanged = Message.objects.filter(
            pk=message.pk, state=State.UNSURE, retry_after=message.retry_after, claimed_at=message.claimed_at
        )
        after = _after(finding, message)
        if conversation is None or not unchanged.update(**after):
            return
        if "reason" in after:
            events.messages_updated(conversation, [message.pk], "state", "reason")
        message.refresh_from_db()
        if message.state == State.FAILED:
            hold_behind(conversation, message, BEHIND)
        elif message.state == State.UNSURE and message.retry_after is None:
            hold_behind(conversation, message, BEHIND_UNSURE)
        messages.announce(conversation)


def hold_behind(conversation: Conversation, message: Message, reason: str) -> None:
    """Hold what waits behind `message` in its conversation: the order would be lost. The caller holds the lock."""
    behind = Message.objects.filter(conversation=conversation, state=State.QUEUED, pk__gt=message.pk)
    told = events.wanted_ids(behind)
    behind.update(state=State.HELD, reason=reason, retry_after=None)
    events.messages_updated(conversation, told, "state", "reason")
    messages.refresh_waiting(conversation)


def _known_mids(message: Message, seen: list[GraphMessage]) -> set[str]:
    """Return which of `seen` are known. What our own app is only known to have sent by an echo may be this very row."""
    known = Message.objects.filter(page_id=message.page_id, mid__in=[each.mid for each in seen])
    return set(known.exclude(source=Message.Source.THIS_APP).values_list("mid", flat=True))


def _from_error(message: Message, error: GraphError) -> CannotTell:
    verdict = error.verdict
    if verdict.kind == ErrorKind.REAUTHENTICATE:
        connection.require_reauth(message.page, verdict.reason, Page.DetectedBy.SEND, token=message.page.page_token)
    again = verdict.retry or verdict.outcome_unknown or verdict.kind == ErrorKind.REAUTHENTICATE
    return CannotTell(not again, verdict.sentence)


def _after(finding: NotSent | CannotTell, message: Message) -> dict[str, Any]:
    """Return what to write on an unsure row after a look that did not find it."""
    now = timezone.now()
    age = now - (message.claimed_at or message.received_at)
    never_again = is_never_resent(message)
    if isinstance(finding, NotSent) and not never_again:
        if message.attempts >= MAX_ATTEMPTS:
            reason = f"Facebook did not take this message in {message.attempts} tries. Try it again later."
            return {"state": State.FAILED, "reason": reason, "retry_after": None}
        return {"state": State.QUEUED, "reason": "", "retry_after": None, "claimed_by": "", "claimed_at": None}
    if isinstance(finding, NotSent):
        finding = CannotTell(age > MAX_RETRY_PAUSE, "Facebook says such messages arrive, but does not show this one.")
    if not finding.for_good and age < LOOK_UP_FOR:
        return {"retry_after": now + min(max(age, grace()), MAX_RETRY_PAUSE)}
    choices = "choose “It arrived”, or write it anew" if never_again else "choose “It arrived” or “Send again”"
    words = f"Desk cannot find out whether this message arrived. {finding.why}".strip()
    return {"retry_after": None, "reason": f"{words} Look in the Page inbox on Facebook, then {choices}."}


def is_never_resent(message: Message) -> bool:
    """Say whether this row's error is one after which Meta says the message was sent (1/1357046)."""
    return message.error_code is not None and classify(message.error_code, message.error_subcode).never_resend
