"""Find out whether a reply was sent: by Meta's answer, by its echo, or by a look-up of the conversation.

A row becomes sent only on evidence, and is sent again only on evidence that it was not sent. Without evidence it stays
unsure, with a reason, until an agent decides (`undelivered.mark_arrived`, `undelivered.resend`).
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from channels_im.messenger.errors import ErrorKind, GraphError, classify
from channels_im.messenger.graph_messages import GraphMessage
from channels_im.models import Page
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import wake
from desk.claims import Claims, DueTimes
from desk.sentences import counted, sentence
from tickets.models import Conversation, EventType, Message
from tickets.rules.delivery_lookup import Arrived, CannotTell, NotSent, look_up, place_in_second
from tickets.rules.sending import MAX_ATTEMPTS, MAX_RETRY_PAUSE, SENT_STATES, receipt_state
from tickets.services.conversation import derived, message_changes, messages, notices, ticketing
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

JOB = "outbox"
# Meta may still process a call after our time-out: the first look-up waits this many times DESK_RETRY_BASE_SECONDS.
FIRST_LOOKUP_FACTOR = 15
LOOK_UP_FOR = timedelta(hours=24)
#: The next look-up comes after this part of the row's age, so that a trouble that has ended delays it by little.
LOOKUP_PAUSE = 0.25
LOOKUPS = DueTimes(Message, "retry_after", lasts=timedelta(seconds=60))
MILLISECOND = timedelta(milliseconds=1)

INTERRUPTED = sentence("Sending was interrupted. Desk finds out whether the message arrived before it tries again.")
AFTER_UNSENT = sentence("A message before this one was not sent. Look at that one first, then send this one.")
AFTER_UNSURE = sentence("A message before this one may not have arrived. Look at that one first, then send this one.")
NOT_FOUND_OUT = sentence("Desk cannot find out whether this message arrived.")
LOOK_OR_WRITE_AGAIN = sentence("Look in the Page inbox on Facebook, then choose “It arrived”, or write it again.")
LOOK_OR_SEND_AGAIN = sentence("Look in the Page inbox on Facebook, then choose “It arrived” or “Send again”.")

State = Message.State
CLAIMS = Claims(Message, waiting=State.QUEUED, claimed=State.SENDING)
_CONFIRMED_FIELDS = [
    *("state", "mid", "sent_at", "delivered_at", "read_at", "reactions"),
    *("reason", "error_code", "error_subcode", "fbtrace_id", "retry_after", "claimed_by"),
]


class Evidence(StrEnum):
    """How Desk knows that a message was sent.

    `claimed_by` of a sent message has the value ANSWER or LOOKUP until an echo brings Meta's own time.
    """

    ANSWER = "answer"
    ECHO = "echo"
    LOOKUP = "look"


# By `claimed_by` of a sent message: its time is Meta's own after an echo, Meta's second after a look-up, else ours.
LESS_CERTAIN = {"": (Evidence.ANSWER, Evidence.LOOKUP), Evidence.LOOKUP: (Evidence.ANSWER,)}


def first_lookup_delay() -> timedelta:
    """Return how long after a call without an answer the conversation is first looked up."""
    return timedelta(seconds=settings.DESK_RETRY_BASE_SECONDS * FIRST_LOOKUP_FACTOR)


# --- It was sent ------------------------------------------------------------------------------------------------------
def confirm(message_pk: int, *, mid: str | None, sent_at: datetime, evidence: Evidence) -> bool:
    """Record that a row was sent, as `mid` at `sent_at`; return False when the evidence is of another sending of it.

    Whatever the row's state is, it becomes sent (or delivered, or read, when an earlier watermark covers it). The time
    of an echo is Meta's own and replaces ours. A message that an echo without metadata had created for the same `mid`
    is merged into the row.
    """
    with transaction.atomic():
        conversation = lock_conversation_of(message_pk)
        if conversation is None:
            return False
        message = Message.objects.get(pk=message_pk)
        if message.state in SENT_STATES and message.mid and mid and message.mid != mid:
            # The id that the Conversations API gives for a message may differ from its mid: the echo has the mid.
            if not (evidence == Evidence.ECHO and message.claimed_by == Evidence.LOOKUP):
                return False
        elif message.state in SENT_STATES and message.mid and evidence != Evidence.ECHO:
            return True
        state_before, mid_before = message.state, message.mid
        if evidence == Evidence.ANSWER:
            sent_at = max(sent_at, message.sent_at)  # never before what it was queued after
        if mid and message.mid != mid:
            other = Message.objects.filter(page_id=message.page_id, mid=mid).exclude(pk=message.pk).first()
            if other is None:
                message.mid = mid
            elif _merge(conversation, message, other):
                message.mid, sent_at, evidence = mid, other.sent_at, Evidence.ECHO
        message.sent_at = sent_at
        message.reason, message.error_code, message.error_subcode, message.fbtrace_id = "", None, None, ""
        message.retry_after, message.claimed_by = None, "" if evidence == Evidence.ECHO else evidence
        message.state = State.SENT if state_before not in SENT_STATES else state_before
        apply_watermarks(conversation, message)
        message.save(update_fields=_CONFIRMED_FIELDS)
        settle_time(conversation, message)
        if (message.state, message.mid) != (state_before, mid_before):
            events.messages_updated(conversation, [message.pk], "state", "mid", "sent_at")
        messages.announce(conversation)
        if message.mid:
            message_changes.apply_early(message.page_id, [message.mid])
        if evidence == Evidence.ECHO and state_before not in SENT_STATES:
            wake_if_queued(conversation)
    return True


def apply_watermarks(conversation: Conversation, message: Message) -> None:
    """Advance a sent message to delivered or read by the conversation's watermarks; the caller saves it."""
    state = receipt_state(message.sent_at, conversation.delivered_watermark, conversation.read_watermark)
    if state == State.READ and message.state != State.READ:
        message.state, message.read_at = State.READ, conversation.read_watermark
        message.delivered_at = message.delivered_at or conversation.delivered_watermark or conversation.read_watermark
    elif state == State.DELIVERED and message.state == State.SENT:
        message.state, message.delivered_at = State.DELIVERED, conversation.delivered_watermark


def wake_if_queued(conversation: Conversation) -> None:
    """Wake the outbox when replies of this conversation are queued: they may have waited for the confirmed one."""
    if Message.objects.filter(conversation=conversation, state=State.QUEUED).exists():
        wake.wake(JOB)


def lock_conversation_of(message_pk: int) -> Conversation | None:
    """Lock and return the conversation of a message, or None when the message does not exist."""
    conversation_pk = Message.objects.filter(pk=message_pk).values_list("conversation_id", flat=True).first()
    if conversation_pk is None:
        return None
    return Conversation.objects.select_for_update().get(pk=conversation_pk)


def _merge(conversation: Conversation, message: Message, other: Message) -> bool:
    """Merge `other`, created by an echo not yet recognized as ours, into `message`; False when it is not such a one."""
    if not _may_be_ours(other) or other.conversation_id != conversation.pk:
        logger.error("Messages %s and %s were both given the mid %s", message.pk, other.pk, other.mid)
        return False
    message.reactions = other.reactions
    names = [
        (attachment.file.storage, attachment.file.name)
        for attachment in other.attachments.all()
        if attachment.file.name
    ]
    Message.objects.filter(pk=other.pk).delete()
    events.publish(EventType.MESSAGE_DELETED, conversation, message=other.pk)
    for storage, name in names:
        transaction.on_commit(partial(storage.delete, name))
    conversation.message_count = max(conversation.message_count - 1, 0)
    conversation.save(update_fields=["message_count"])
    ticketing.refresh_tickets(conversation, [other.ticket_id])
    return True


def _may_be_ours(other: Message) -> bool:
    """Return whether a stored message may be of a row of ours: nobody else is known to have sent it."""
    from_outside = other.source in (Message.Source.PAGE_INBOX, Message.Source.OTHER_APP)
    return other.source == Message.Source.THIS_APP or (other.recovered_at is not None and from_outside)


def settle_time(conversation: Conversation, message: Message) -> None:
    """Bring conversation and tickets up to date after a reply of Desk got another time or became sent.

    The reply joins the ticket of the message before it. Calls for one conversation are made one after the other:
    replies that wait move after this one, and those whose time is less certain move before it or after it, as their
    calls were made.
    """
    replies = Message.objects.filter(conversation=conversation, direction=Message.Direction.OUT)
    following = Q(state__in=(State.QUEUED, State.SENDING), pk__gt=message.pk)
    if message.claimed_at is not None and message.claimed_by in LESS_CERTAIN:
        others = Q(state__in=SENT_STATES, claimed_by__in=LESS_CERTAIN[message.claimed_by])
        earlier = replies.filter(others, claimed_at__lt=message.claimed_at, sent_at__gte=message.sent_at)
        _move(conversation, earlier, message.sent_at - MILLISECOND)
        following |= others & Q(claimed_at__gt=message.claimed_at)
    _move(conversation, replies.filter(pk=message.pk), message.sent_at)
    _move(conversation, replies.filter(following, sent_at__lt=message.sent_at), message.sent_at)
    derived.refresh_row(conversation)


def _move(conversation: Conversation, replies: QuerySet[Message, Message], at: datetime) -> None:
    """Give replies this time, and the ticket of the message before it."""
    tickets = dict(replies.values_list("pk", "ticket_id"))
    if not tickets:
        return
    rows = Message.objects.filter(pk__in=tickets)
    rows.update(sent_at=at)
    ticket_id = ticketing.ticket_of_reply(conversation, at, tickets)
    joining = [pk for pk, before in tickets.items() if ticket_id not in (None, before)]
    if joining:
        rows.filter(pk__in=joining).update(ticket=ticket_id)
        events.messages_updated(conversation, joining, "ticket")
    ticketing.refresh_tickets(conversation, {*tickets.values(), ticket_id})


def lease_end() -> datetime:
    """Return until when a claim for sending is valid: stored in `retry_after`; `claimed_at` is the time of the call."""
    return timezone.now() + timedelta(seconds=settings.DESK_CLAIM_SECONDS)


# --- It may have been sent --------------------------------------------------------------------------------------------
def stale() -> QuerySet[Message, Message]:
    """Return the rows whose claim for sending expired: a live worker renews its claims, so theirs has died."""
    now = timezone.now()
    before = now - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    return Message.objects.filter(
        Q(retry_after__lt=now) | Q(retry_after=None, claimed_at__lt=before), state=State.SENDING
    )


def reclaim_stale() -> int:
    """Mark as unsure what a dead worker was sending, since Meta may have it or not; return how many rows."""
    now = timezone.now()
    rows = list(stale().values_list("pk", "claimed_by"))
    return sum(mark_unsure(pk, claim, INTERRUPTED, first_lookup=now) for pk, claim in rows)


def mark_unsure(message_pk: int, claim: str, sentence: str, *, first_lookup: datetime, **error: Any) -> bool:
    """Mark a row of this claim as unsure, to be looked up from `first_lookup` on; return False when it is settled.

    `error` are the fields `error_code`, `error_subcode` and `fbtrace_id`, when Meta answered with an error.
    """
    with transaction.atomic():
        conversation = lock_conversation_of(message_pk)
        changed = Message.objects.filter(pk=message_pk, state=State.SENDING, claimed_by=claim).update(
            state=State.UNSURE, reason=sentence, retry_after=first_lookup, **error
        )
        if changed and conversation is not None:
            events.messages_updated(conversation, [message_pk], "state", "reason")
            messages.announce(conversation)
    return bool(changed)


def due_lookups() -> QuerySet[Message, Message]:
    """Return the unsure rows to look up now, of Pages that are connected and not rate limited."""
    return Message.objects.filter(
        page_errors.background_allowed("page__"),
        state=State.UNSURE,
        retry_after__lte=timezone.now(),
        page__connection=Page.Connection.CONNECTED,
    )


def claim_lookups(limit: int, without_pages: set[int]) -> list[Message]:
    """Claim up to `limit` unsure rows to look up, one per Page (Meta: 2 calls/s), none of `without_pages`."""
    related = ("conversation__contact", "page")
    due = due_lookups().exclude(page_id__in=without_pages).select_related(*related).order_by("retry_after", "id")
    claimed: dict[int, Message] = {}
    for message in due[: limit * 10] if limit > 0 else ():
        if message.page_id in claimed or len(claimed) == limit:
            continue
        if LOOKUPS.claim_one(message, due):
            claimed[message.page_id] = message
    return list(claimed.values())


def apply_lookup(message: Message, shown: list[GraphMessage] | Exception) -> None:
    """Decide about an unsure row from the messages Meta shows of its conversation, or from the error of the look-up.

    `message` is as `claim_lookups` returned it; when the row was settled or changed meanwhile, nothing happens.
    """
    finding: Arrived | NotSent | CannotTell
    if isinstance(shown, GraphError):
        finding = _from_error(message, shown)
    elif isinstance(shown, Exception):
        finding = CannotTell(False, "")
    else:
        finding = look_up(
            shown,
            text=message.text,
            is_file=message.is_file,
            called_at=called_at(message),
            known_mids=_known_mids(message, shown),
        )
        if isinstance(finding, Arrived):
            finding = replace(finding, at=_time_of(message, finding, shown))
    if isinstance(finding, Arrived):
        confirm(message.pk, mid=finding.mid, sent_at=finding.at, evidence=Evidence.LOOKUP)
        return
    with transaction.atomic():
        conversation = lock_conversation_of(message.pk)
        unchanged = LOOKUPS.held(message).filter(state=State.UNSURE, claimed_at=message.claimed_at)
        changes = _changes_after(finding, message)
        if conversation is None or not unchanged.update(**changes):
            return
        if "reason" in changes:
            events.messages_updated(conversation, [message.pk], "state", "reason")
        message.refresh_from_db()
        if message.state == State.FAILED:
            hold_following(conversation, message, AFTER_UNSENT)
            notices.reply_failed(conversation, message)
        elif message.state == State.UNSURE and message.retry_after is None:
            hold_following(conversation, message, AFTER_UNSURE)
        messages.announce(conversation)


def _time_of(message: Message, found: Arrived, shown: list[GraphMessage]) -> datetime:
    """Return when the message that was found was sent: Meta's second, and its place among the messages Desk has.

    Never before a reply whose call was made earlier and of which an echo told the time.
    """
    stored = Message.objects.filter(page_id=message.page_id, mid__in=[graph_message.mid for graph_message in shown])
    times = {mid: at for mid, at in stored.values_list("mid", "sent_at") if mid is not None}
    at = place_in_second(shown, found, times, called_at(message))
    replies = Message.objects.filter(conversation=message.conversation_id, direction=Message.Direction.OUT)
    earlier = replies.filter(state__in=SENT_STATES, claimed_by="", claimed_at__lt=called_at(message))
    return max(at, earlier.aggregate(at=Max("sent_at"))["at"] or at)


def called_at(message: Message) -> datetime:
    """Return the time from which a look-up searches: that of the call.

    A time that lies ahead is of a wrong clock, and the call may have been at any time: the search goes back a day. Not
    to find the message would send it twice.
    """
    at, now = message.claimed_at or message.received_at, timezone.now()
    return at if at <= now else now - LOOK_UP_FOR


def hold_following(conversation: Conversation, message: Message, reason: str) -> None:
    """Hold the queued replies after `message` in its conversation, to keep the order. The caller holds the lock."""
    following = Message.objects.filter(conversation=conversation, state=State.QUEUED, pk__gt=message.pk)
    ids = events.ids_if_subscribed(following)
    following.update(state=State.HELD, reason=reason, retry_after=None)
    events.messages_updated(conversation, ids, "state", "reason")
    derived.refresh_row(conversation)


def _known_mids(message: Message, shown: list[GraphMessage]) -> set[str]:
    """Return the mids of `shown` that Desk has stored.

    A message stored from an echo of this app without a row of ours does not count, nor one that was recovered and of
    which no echo told who sent it: it may be this very row.
    """
    stored = Message.objects.filter(page_id=message.page_id, mid__in=[graph_message.mid for graph_message in shown])
    stored = stored.exclude(source=Message.Source.THIS_APP)
    mids = stored.exclude(source=Message.Source.PAGE_INBOX, recovered_at__isnull=False).values_list("mid", flat=True)
    return {mid for mid in mids if mid is not None}


def _from_error(message: Message, error: GraphError) -> CannotTell:
    verdict = error.verdict
    page_errors.record(message.page, error, Call.BACKGROUND, token=message.page.page_token)
    again = verdict.retry or verdict.outcome_unknown or verdict.kind == ErrorKind.REAUTHENTICATE
    return CannotTell(not again, verdict.sentence)


def _changes_after(finding: NotSent | CannotTell, message: Message) -> dict[str, Any]:
    """Return the fields to update on an unsure row after a look-up that did not find it."""
    now = timezone.now()
    age = now - (message.claimed_at or message.received_at)
    never_resent = is_never_resent(message)
    if isinstance(finding, NotSent) and not never_resent:
        if message.attempts >= MAX_ATTEMPTS:
            reason = counted(
                "Facebook did not accept this message in %(count)s try. Try again later.",
                "Facebook did not accept this message in %(count)s tries. Try again later.",
                message.attempts,
            )
            return {"state": State.FAILED, "reason": reason, "retry_after": None}
        return {"state": State.QUEUED, "reason": "", "retry_after": None, "claimed_by": "", "claimed_at": None}
    if isinstance(finding, NotSent):
        finding = CannotTell(
            age > MAX_RETRY_PAUSE, sentence("Facebook says such messages arrive, but does not show this one.")
        )
    if not finding.is_final and age < LOOK_UP_FOR:
        return {"retry_after": now + min(max(age * LOOKUP_PAUSE, first_lookup_delay()), MAX_RETRY_PAUSE)}
    what_to_do = LOOK_OR_WRITE_AGAIN if never_resent else LOOK_OR_SEND_AGAIN
    words = " ".join(text for text in (NOT_FOUND_OUT, finding.reason, what_to_do) if text)
    return {"retry_after": None, "reason": words}


def is_never_resent(message: Message) -> bool:
    """Return whether this row's error is one after which Meta says the message was sent (1/1357046)."""
    return message.error_code is not None and classify(message.error_code, message.error_subcode).never_resend
