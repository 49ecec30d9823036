"""Record that Meta took many replies, with a number of statements that does not grow with theirs.

This is for the usual case: the reply is the newest message of its conversation, and nothing is known of it but Meta's
answer. Everything else is left to `delivery_status.confirm`, reply by reply.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef

from desk.bulk_rows import update_each
from desk.live.publish import batched
from tickets.models import Conversation, Message, MessageChange
from tickets.services.conversation import messages
from tickets.services.outgoing import delivery_status
from tickets.services.outgoing.delivery_status import Evidence
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

State = Message.State
_FIELDS = (
    *("mid", "sent_at", "state", "delivered_at", "read_at"),
    *("reason", "error_code", "error_subcode", "fbtrace_id", "retry_after", "claimed_by"),
)


@dataclass(frozen=True)
class Answer:
    """Meta's answer to the call with a reply: the `mid`. `message` is the row as it was claimed for the call."""

    message: Message
    mid: str


def confirm_answers(answers: Sequence[Answer], at: datetime) -> None:
    """Record that the replies were sent at `at`, by the clock of this machine, in different conversations."""
    confirmed: set[int] = set()
    if len(answers) > 1:
        try:
            with transaction.atomic(), batched():
                confirmed = _confirm_together(answers, at)
        except DatabaseError:
            confirmed = set()
            logger.warning("%s replies could not be confirmed together", len(answers), exc_info=True)
    for answer in answers:
        if answer.message.pk not in confirmed:
            delivery_status.confirm(answer.message.pk, mid=answer.mid, sent_at=at, evidence=Evidence.ANSWER)


def _confirm_together(answers: Sequence[Answer], at: datetime) -> set[int]:
    """Confirm the replies that concern nothing else, and return their primary keys."""
    ids = {answer.message.conversation_id for answer in answers}
    locked = Conversation.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    conversations = {conversation.pk: conversation for conversation in locked}
    rows = _newest_of_their_conversations([answer.message.pk for answer in answers])
    known = _known_mids(answers)
    changed: list[Message] = []
    for answer in answers:
        row = rows.get(answer.message.pk)
        if row is None or (row.page_id, answer.mid) in known:
            continue
        conversation, ticket = conversations[row.conversation_id], row.ticket
        if ticket is None or not ticket.opened_at < row.sent_at == ticket.last_message_at:
            continue
        if conversation.last_message_at != row.sent_at:
            continue
        row.conversation, row.mid, row.state = conversation, answer.mid, State.SENT
        row.reason, row.error_code, row.error_subcode, row.fbtrace_id = "", None, None, ""
        row.retry_after, row.claimed_by = None, Evidence.ANSWER
        row.sent_at = conversation.last_message_at = ticket.last_message_at = max(at, row.sent_at)
        delivery_status.apply_watermarks(conversation, row)
        changed.append(row)
    update_each(changed, *_FIELDS)
    update_each([row.conversation for row in changed], "last_message_at")
    update_each([row.ticket for row in changed if row.ticket], "last_message_at")
    for row in changed:
        events.messages_updated(row.conversation, [row.pk], "state", "mid", "sent_at")
        messages.announce(row.conversation)
    return {row.pk for row in changed}


def _newest_of_their_conversations(pks: list[int]) -> dict[int, Message]:
    """Return those of the rows that are being sent and have no message after them, by primary key."""
    others = Message.objects.filter(conversation=OuterRef("conversation")).exclude(pk=OuterRef("pk"))
    waiting = others.filter(state__in=(State.QUEUED, State.SENDING), pk__gt=OuterRef("pk"))
    rows = Message.objects.filter(pk__in=pks, state=State.SENDING, mid=None).select_related("ticket")
    newest = rows.filter(~Exists(others.filter(sent_at__gte=OuterRef("sent_at"))), ~Exists(waiting))
    return {row.pk: row for row in newest}


def _known_mids(answers: Sequence[Answer]) -> set[tuple[int, str]]:
    """Return which of the mids a message or an early change has already, as (id of the Page's row, mid)."""
    mids = [answer.mid for answer in answers]
    pages = {answer.message.page_id for answer in answers}
    stored = Message.objects.filter(page_id__in=pages, mid__in=mids).values_list("page_id", "mid")
    early = MessageChange.objects.filter(page_id__in=pages, mid__in=mids, applied_at=None).values_list("page_id", "mid")
    return {(page, mid) for rows in (stored, early) for page, mid in rows if mid is not None}
