"""What happens to scheduled replies by themselves: they are sent at their time, or not, or the customer writes first.

A due row becomes an ordinary reply in the outbox in one transaction, so that a killed worker leaves it either scheduled
or queued. Several workers may look at once: the conversation's lock lets one of them send it.
"""

import logging
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from desk.backup.after_restore import Circumstances
from desk.sentences import counted, sentence
from tickets.models import Conversation, EventType, ScheduledReply
from tickets.rules import scheduling
from tickets.rules.sending import may_send
from tickets.services.conversation import access, messages
from tickets.services.conversation.messages import SCHEDULED_NOT_SENT
from tickets.services.conversation.snoozing import add_line
from tickets.services.outgoing import replies
from tickets.services.outgoing.replies import ReplyError
from tickets.services.outgoing.scheduled_replies import CANCELLED_LINE, publish, queue, settle

logger = logging.getLogger(__name__)

State = ScheduledReply.State

JOB = "scheduled replies"  # English only: for the log
AT_A_TIME = 100
KEPT_FOR = timedelta(days=30)  # rows of replies that were sent, for repeated requests
CUSTOMER_WROTE = sentence("The customer wrote before it was sent.")
FAILED = sentence("Desk could not send it because of an error of its own.")
MAY_BE_SENT = sentence(
    "Desk was restored from a backup and may have sent this before. Look in the Page inbox on Facebook, then send or "
    "delete it."
)


# --- Their time has come ----------------------------------------------------------------------------------------------
def is_due() -> bool:
    """Return whether the time of a scheduled reply has come."""
    return _due().exists()


def send_due() -> int:
    """Send the replies whose time has come, the earliest first; return how many were settled.

    One that fails does not stop the others.
    """
    pairs = _due().order_by("due_at", "pk").values_list("pk", "conversation_id")[:AT_A_TIME]
    return sum(_settle_due(pk, conversation_id) for pk, conversation_id in list(pairs))


def _due() -> QuerySet[ScheduledReply, ScheduledReply]:
    return ScheduledReply.objects.filter(due_at__isnull=False, due_at__lte=timezone.now())


def _settle_due(pk: int, conversation_id: int) -> bool:
    for reason in ("", FAILED):
        try:
            return _send_or_keep(pk, conversation_id, reason)
        except (DataError, IntegrityError):  # of this row: it would fail again
            logger.exception("Scheduled reply %s could not be sent", pk)
        except DatabaseError:
            raise  # the database is away or busy: the row is still due
        except Exception:
            logger.exception("Scheduled reply %s could not be sent", pk)
    return False


def _send_or_keep(pk: int, conversation_id: int, reason: str = "") -> bool:
    """Send a due reply, or keep it with the reason why not. Return False when somebody else was faster."""
    with transaction.atomic():
        conversation = Conversation.objects.select_related("contact", "channel__page").get(pk=conversation_id)
        messages.lock(conversation)
        row = _due().filter(pk=pk).select_related("author").first()
        if row is None:
            return False
        reason = reason or _reason_not_to_send(conversation, row)
        if row.author is None or reason:
            _keep(conversation, row, reason)
        else:
            try:
                queue(conversation, row, row.author, by=None, written_at=row.written_at)
            except ReplyError as refused:  # a template that is no longer approved, or has other placeholders now
                _keep(conversation, row, refused.verdict.sentence)
    return True


def _reason_not_to_send(conversation: Conversation, row: ScheduledReply) -> str:
    now, author = timezone.now(), row.author
    facts = scheduling.DueFacts(
        verdict=may_send(replies.send_facts(author, conversation, author_is_human=True, now=now, form=row.sent_as)),
        author=str(author) if author else "",
        author_is_active=author is not None and author.is_active,
        late=now - row.send_at,
    )
    return scheduling.reason_not_to_send(facts)


def _keep(conversation: Conversation, row: ScheduledReply, reason: str) -> None:
    settle(row, State.NOT_SENT, reason=reason)
    if row.author:
        words = sentence("A scheduled reply of %(user)s was not sent", user=row.author)
    else:
        words = sentence("A scheduled reply was not sent")
    add_line(conversation, SCHEDULED_NOT_SENT, words, text=reason, notifies=_who_is_told(conversation, row))
    publish(EventType.SCHEDULED_REPLY_UPDATED, conversation, row, None)


def _who_is_told(conversation: Conversation, row: ScheduledReply) -> int | None:
    """Return the id of who is told that it was not sent: its author, else the assignee; None: who leads."""
    ids = access.ids_of(conversation)
    for user in (row.author, conversation.assignee):
        if user is not None and access.visible(access.facts_for(user), ids):
            return user.pk
    return None


# --- The customer writes first ----------------------------------------------------------------------------------------
def customer_wrote(conversation: Conversation) -> None:
    """Cancel the replies that are to be sent only if the customer does not write; the caller holds the lock."""
    rows = ScheduledReply.objects.filter(
        conversation=conversation, state=State.SCHEDULED, cancel_if_customer_writes=True
    )
    for row in rows.select_related("author"):
        settle(row, State.CANCELLED, reason=CUSTOMER_WROTE)
        words = sentence("A scheduled reply was cancelled, because the customer wrote")
        add_line(conversation, CANCELLED_LINE, words)
        publish(EventType.SCHEDULED_REPLY_UPDATED, conversation, row, None)


# --- Housekeeping -----------------------------------------------------------------------------------------------------
def delete_old() -> int:
    """Delete the rows of replies that were sent long ago; return how many."""
    old = ScheduledReply.objects.filter(state=State.SENT, settled_at__lt=timezone.now() - KEPT_FOR)
    return old.delete()[0]


def make_sure(circumstances: Circumstances) -> list[str]:
    """Let an agent decide about scheduled replies of a restored backup, unless the old Desk was stopped before it."""
    if circumstances.moved:
        return []
    fields: dict[str, Any] = {"due_at": None, "reason": MAY_BE_SENT, "settled_at": timezone.now()}
    count = ScheduledReply.objects.filter(state=State.SCHEDULED).update(state=State.NOT_SENT, **fields)
    if not count:
        return []
    return [
        counted(
            "%(count)s reply was scheduled. It now waits for an agent, since the old Desk may have sent it.",
            "%(count)s replies were scheduled. They now wait for an agent, since the old Desk may have sent them.",
            count,
        )
    ]
