"""Replies held until the customer writes: they are then sent automatically. Other held replies wait for an agent.

`Conversation.holds_reply` says whether there is one, so that an incoming message makes no query when there is none.
"""

from django.db.models import QuerySet
from django.utils import timezone

from tickets.models import Conversation, Message
from tickets.rules.window import window
from tickets.services.outgoing import requeue

State = Message.State


def release(conversation: Conversation) -> int:
    """Queue the replies held until the customer writes, in their order; return how many messages.

    Call it when a message of the customer was stored; the caller holds the conversation's lock. A late message that
    does not open the 24 hour window releases nothing. The sender checks again whether each may be sent.
    """
    if not conversation.holds_reply or not _wrote_within_a_day(conversation):
        return 0
    count = requeue.requeue(conversation, held().filter(conversation=conversation))
    refresh(conversation)
    return count


def refresh(conversation: Conversation) -> None:
    """Update `Conversation.holds_reply`; the caller holds the conversation's lock."""
    holds_reply = held().filter(conversation=conversation).exists()
    if conversation.holds_reply != holds_reply:
        conversation.holds_reply = holds_reply
        conversation.save(update_fields=["holds_reply"])


def held() -> QuerySet[Message, Message]:
    """Return the replies of all conversations that are held until the customer writes."""
    return Message.objects.filter(state=State.HELD, waits_for_customer=True)


def _wrote_within_a_day(conversation: Conversation) -> bool:
    return window(conversation.last_customer_message_at, timezone.now(), human_agent=False).is_open
