"""Note what people may want to be notified of: one row, in the transaction of the change.

The worker finds out who that is and tells them (tickets.services.notifications). While nobody has chosen to be told of
anything, nothing is written and one query made.
"""

from collections.abc import Iterable

from desk import wake
from desk.live.publish import cached_in_batch, write_at_end
from desk.models import User
from tickets.models import Conversation, MailReminder, Message, Notice, NotificationChoice, PushDelivery

JOB = "notifications"
CHOICES = "notification choices"  # English only: a key
WAKE_AT_MOST_EVERY_S = 0.3

MINE, UNASSIGNED, ASSIGNED, MENTION, FAILED = "mine", "unassigned", "assigned", "mention", "failed"
#: The kind of the line that says that a snooze ended at its time.
SNOOZE_ENDED = "snooze_ended"
#: That of the line that says that a scheduled reply was not sent; `notifies` is the id of who is told, or null.
SCHEDULED_NOT_SENT = "schedule_not_sent"


def record(
    kind: str,
    conversation: Conversation,
    *,
    message: int | None = None,
    to: int | None = None,
    by: User | None = None,
) -> None:
    """Note that something of this kind happened; the kinds are in tickets.services.notifications.kinds.

    `message` is the id of the message it is about, `to` that of the person it concerns (empty: the kind says who), and
    `by` is who did it, who is not told.
    """
    record_for([to], kind, conversation, message=message, by=by)


def record_for(
    people: Iterable[int | None],
    kind: str,
    conversation: Conversation,
    *,
    message: int | None = None,
    by: User | None = None,
) -> None:
    """Do what `record` does for many people at once."""
    by_id = by.pk if by else None
    told = [to for to in people if to is None or to != by_id]
    if not told or not cached_in_batch(CHOICES, _anybody):
        return
    rows = [
        Notice(kind=kind, conversation_id=conversation.pk, message_id=message, to_user_id=to, by_user_id=by_id)
        for to in told
    ]
    write_at_end(rows, _insert)


def message_added(conversation: Conversation, message: Message) -> None:
    """Note a new message of the customer, the end of a snooze, or that a scheduled reply was not sent.

    What was recovered or imported is no news.
    """
    if message.recovered_at or message.is_imported:
        return
    assignee = conversation.assignee_id
    if message.kind == Message.Kind.MESSAGE and message.direction == Message.Direction.IN:
        record(MINE if assignee else UNASSIGNED, conversation, message=message.pk, to=assignee)
    elif assignee and message.kind == Message.Kind.EVENT and (message.card or {}).get("kind") == SNOOZE_ENDED:
        record(MINE, conversation, message=message.pk, to=assignee)
    elif (card := message.card or {}).get("kind") == SCHEDULED_NOT_SENT and card.get("notifies"):
        record(FAILED, conversation, message=message.pk, to=card["notifies"])


def assigned(conversation: Conversation, by: User | None) -> None:
    """Note that a conversation was assigned. `by` None: Desk did it."""
    if conversation.assignee_id is not None:
        record(ASSIGNED, conversation, to=conversation.assignee_id, by=by)


def mentioned(conversation: Conversation, message: Message, readers: Iterable[int], by: User) -> None:
    """Note that a note mentions these users (ids)."""
    record_for(readers, MENTION, conversation, message=message.pk, by=by)


def reply_failed(conversation: Conversation, message: Message) -> None:
    """Note that a reply was not sent and its author has to do something."""
    if message.author_id is not None:
        record(FAILED, conversation, message=message.pk, to=message.author_id)


def delete_for(conversation_ids: list[int]) -> None:
    """Delete what waits about these conversations, as when a contact is erased."""
    Notice.objects.filter(conversation_id__in=conversation_ids).delete()
    PushDelivery.objects.filter(conversation_id__in=conversation_ids).delete()
    MailReminder.objects.filter(conversation_id__in=conversation_ids).delete()


def _insert(rows: list[Notice]) -> None:
    Notice.objects.bulk_create(rows)
    wake.wake(JOB, at_most_every=WAKE_AT_MOST_EVERY_S)


def _anybody() -> bool:
    return NotificationChoice.objects.exists()
