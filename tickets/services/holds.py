"""Replies held until the customer writes: they go out by themselves then. Any other held reply waits for a click.

`Conversation.holds_reply` says whether there is one, so that a message that comes in asks nothing when there is none.
"""

from django.db.models import QuerySet
from django.utils import timezone

from desk.nudge import nudge
from tickets.models import Conversation, Message
from tickets.rules.window import window
from tickets.services import events, settling, threads
from tickets.services.times import now_ms

State = Message.State


def release(conversation: Conversation, ticket_id: int | None) -> int:
    """Queue what was held until the customer writes, in its order; return how many messages.

    To be called when a message of theirs was stored in `ticket_id`; the caller holds the conversation's lock. A late
    message that does not open the first 24 hours releases nothing. The sender asks once more whether each may go out.
    """
    if not conversation.holds_reply or not _wrote_within_a_day(conversation):
        return 0
    told = events.ids_to_tell(_held(conversation))
    last = _held(conversation).order_by("pk").last()
    if last is None:
        refresh(conversation)
        return 0
    at = max(now_ms(), conversation.last_message_at or now_ms())
    count = _held(conversation).update(
        state=State.QUEUED,
        reason="",
        waits_for_customer=False,
        attempts=0,
        retry_after=None,
        # It was written before they wrote and is said after: it belongs to the ticket that this opened or goes on with.
        ticket_id=ticket_id,
        sent_at=at,
    )
    conversation.holds_reply = False
    conversation.last_message_at, conversation.preview, conversation.preview_is_ours = at, _shown(last), True
    conversation.save(update_fields=["holds_reply", "last_message_at", "preview", "preview_is_ours"])
    threads.refresh_waiting(conversation)
    events.messages_updated(conversation, told, "state", "reason", "ticket", "sent_at")
    threads.announce(conversation)
    nudge(settling.DRAIN_TASK)
    return count


def refresh(conversation: Conversation) -> None:
    """Bring the conversation's mark up to date; the caller holds its lock."""
    holds = _held(conversation).exists()
    if conversation.holds_reply != holds:
        conversation.holds_reply = holds
        conversation.save(update_fields=["holds_reply"])


def _shown(message: Message) -> str:
    """Return what the list shows of a message that has gone."""
    files = ", ".join(threads.SHOWN_KINDS[attachment.kind] for attachment in message.attachments.all())
    return threads.one_line(message.text or files, threads.PREVIEW_CHARS)


def _held(conversation: Conversation) -> QuerySet[Message, Message]:
    return Message.objects.filter(conversation=conversation, state=State.HELD, waits_for_customer=True)


def _wrote_within_a_day(conversation: Conversation) -> bool:
    return window(conversation.last_customer_message_at, timezone.now(), human_agent=False).is_open
