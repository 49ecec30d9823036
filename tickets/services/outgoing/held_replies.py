"""Replies held until the customer writes: they go out by themselves then. Any other held reply waits for a click.

`Conversation.holds_reply` says whether there is one, so that a message that comes in asks nothing when there is none.
"""

from django.db.models import QuerySet
from django.utils import timezone

from tickets.models import Conversation, Message
from tickets.rules.window import window
from tickets.services.outgoing import requeue

State = Message.State


def release(conversation: Conversation) -> int:
    """Queue what was held until the customer writes, in its order; return how many messages.

    To be called when a message of theirs was stored; the caller holds the conversation's lock. A late message that does
    not open the first 24 hours releases nothing. The sender asks once more whether each may go out.
    """
    if not conversation.holds_reply or not _wrote_within_a_day(conversation):
        return 0
    count = requeue.requeue(conversation, _held(conversation))
    refresh(conversation)
    return count


def refresh(conversation: Conversation) -> None:
    """Bring the conversation's mark up to date; the caller holds its lock."""
    holds = _held(conversation).exists()
    if conversation.holds_reply != holds:
        conversation.holds_reply = holds
        conversation.save(update_fields=["holds_reply"])


def _held(conversation: Conversation) -> QuerySet[Message, Message]:
    return Message.objects.filter(conversation=conversation, state=State.HELD, waits_for_customer=True)


def _wrote_within_a_day(conversation: Conversation) -> bool:
    return window(conversation.last_customer_message_at, timezone.now(), human_agent=False).is_open
