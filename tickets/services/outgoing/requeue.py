"""Re-queue replies that were held, failed or did not arrive."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from desk import wake
from tickets.models import Conversation, Message
from tickets.services.conversation import derived, messages, ticketing
from tickets.services.conversation.times import now_after
from tickets.services.outgoing import delivery_status
from tickets.services.webhooks import events

State = Message.State
MILLISECOND = timedelta(milliseconds=1)


def requeue(conversation: Conversation, replies: QuerySet[Message, Message]) -> int:
    """Queue these replies of one conversation, in their order, and return how many; the caller holds its lock.

    They move to the end of the thread and join the ticket that a reply written now would join, since the customer
    receives them now. No other message moves.
    """
    ticket_ids = dict(replies.order_by("pk").values_list("pk", "ticket_id"))
    if not ticket_ids:
        return 0
    # Of two messages with one time the one stored first comes first: these were stored before the newest.
    newest_at = conversation.last_message_at
    at = now_after(newest_at + MILLISECOND if newest_at is not None else None)
    ticket_id = ticketing.ticket_of_reply(conversation, at)
    moved = {} if ticket_id is None else {"ticket_id": ticket_id}
    rows = Message.objects.filter(pk__in=ticket_ids)
    rows.update(
        state=State.QUEUED,
        reason="",
        waits_for_customer=False,
        error_code=None,
        error_subcode=None,
        fbtrace_id="",
        attempts=0,
        retry_after=timezone.now(),
        claimed_at=None,
        claimed_by="",
        sent_at=at,
        answers_until=at,
        **moved,
    )
    if ticket_id is not None:
        ticketing.refresh_tickets(conversation, {*ticket_ids.values(), ticket_id})
    derived.refresh_row(conversation)
    events.messages_updated(conversation, list(ticket_ids), "state", "reason", "ticket", "sent_at")
    messages.announce(conversation)
    wake.wake(delivery_status.JOB)
    return len(ticket_ids)
