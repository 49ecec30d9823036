"""New messages for an agent, for the browser's notifications."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Max, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext

from desk.models import User
from desk.text import one_line
from tickets.models import Conversation, Mention, Message
from tickets.services.conversation import messages
from tickets.services.conversation.access import UserFacts, conversations_for

MAX_NOTIFICATIONS = 5
TEXT_CHARS = 140
#: The line in the thread of a conversation whose snooze ended at its time.
SNOOZE_ENDED = Q(kind=Message.Kind.EVENT, direction=Message.Direction.OUT, card__kind=messages.SNOOZE_ENDED)
NOT_SENT = Q(kind=Message.Kind.EVENT, direction=Message.Direction.OUT, card__kind=messages.SCHEDULED_NOT_SENT)
JUST_NOW = timedelta(minutes=2)
MAX_SCANNED = 2000  # messages; a page that was away for longer gets only the newest


@dataclass(frozen=True)
class Notifications:
    """`newest` is the message id to continue from; `messages` are the newest notifications, oldest first."""

    newest: int
    messages: list[dict[str, Any]]


def since(user: User, facts: UserFacts, seen: int | None) -> Notifications:
    """Return customers' messages after message `seen` (an id) in conversations assigned to `user` or to nobody.

    The end of a snooze is one for the assignee, a scheduled reply that was not sent one for its author, a note one for
    those whom it mentions. Without `seen` return the id to start from, and mentions of the last minutes. Recovered
    messages cause no notifications, nor do blocked contacts, except by a mention.
    """
    newest = Message.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if seen is None:
        return Notifications(newest, _just_mentioning(user, facts))
    if not seen < newest:
        return Notifications(newest, [])
    written = Q(direction=Message.Direction.IN, kind=Message.Kind.MESSAGE)
    to_all = written & (Q(conversation__assignee=user) | Q(conversation__assignee=None))
    mentioning = Q(pk__in=Mention.objects.filter(reader=user, seen_at=None, message__gt=seen).values("message"))
    incoming = Message.objects.filter(
        mentioning | to_all | (SNOOZE_ENDED & Q(conversation__assignee=user)) | (NOT_SENT & _told(user.pk, facts)),
        mentioning | Q(conversation__contact__blocked_at=None),
        pk__gt=max(seen, newest - MAX_SCANNED),
        recovered_at=None,
        conversation__in=conversations_for(user, facts),
    )
    latest = list(incoming.select_related("conversation__contact", "author").order_by("-pk")[:MAX_NOTIFICATIONS])
    return Notifications(newest, [notification_of(message, user.pk) for message in reversed(latest)])


def _told(user_id: int, facts: UserFacts) -> Q:
    """Return the condition for lines that tell this user; those that tell nobody tell who leads."""
    leads = Q(card__notifies=None) if facts.leads or facts.sees_all else Q()
    return Q(card__notifies=user_id) | leads


def concerns(message: Message, facts: UserFacts, *, is_mine: bool) -> bool:
    """Return whether a user with these facts is told of a message or line that `newest_in` returned."""
    card = message.card or {}
    if card.get("kind") != messages.SCHEDULED_NOT_SENT:
        return is_mine or (message.kind == Message.Kind.MESSAGE and message.conversation.assignee_id is None)
    told = card.get("notifies")
    return told == facts.user_id if told else facts.leads or facts.sees_all


def _just_mentioning(user: User, facts: UserFacts) -> list[dict[str, Any]]:
    """Return the notes of the last minutes that mention the user, who has not seen them, oldest first."""
    unseen = Mention.objects.filter(reader=user, seen_at=None, created_at__gte=timezone.now() - JUST_NOW)
    rows = unseen.filter(conversation__in=conversations_for(user, facts))
    rows = rows.select_related("message__conversation__contact", "message__author").order_by("-pk")
    return [notification_of(row.message, user.pk) for row in list(rows[:MAX_NOTIFICATIONS])[::-1]]


def newest_in(conversation_ids: Collection[int]) -> dict[int, Message]:
    """Return the newest customer message of each unread conversation whose contact is not blocked, by its id.

    One that was recovered is no news. Of a conversation whose snooze has just ended, or where a scheduled reply was
    not sent, return that line, if it is the newer one. Three queries.
    """
    incoming = Message.objects.filter(
        conversation=OuterRef("pk"), direction=Message.Direction.IN, kind=Message.Kind.MESSAGE
    )
    unread = Conversation.objects.filter(pk__in=conversation_ids, unread_count__gt=0, contact__blocked_at=None)
    newest = unread.annotate(newest=Subquery(incoming.order_by("-sent_at", "-pk").values("pk")[:1]))
    written = Message.objects.filter(pk__in=list(newest.values_list("newest", flat=True)), recovered_at=None)
    found = {message.conversation_id: message for message in written.select_related("conversation__contact")}
    ended = Message.objects.filter(
        SNOOZE_ENDED | NOT_SENT,
        conversation__in=conversation_ids,
        conversation__contact__blocked_at=None,
        sent_at__gte=timezone.now() - JUST_NOW,
    )
    for line in ended.select_related("conversation__contact").order_by("pk"):
        if line.conversation_id not in found or found[line.conversation_id].pk < line.pk:
            found[line.conversation_id] = line
    return found


def mentions_just_now(conversation_ids: Collection[int]) -> dict[tuple[int, int], Message]:
    """Return the newest note of the last minutes that mentions somebody who has not seen it, by conversation and user.

    One query; the keys are ids.
    """
    rows = Mention.objects.filter(
        conversation__in=conversation_ids, seen_at=None, created_at__gte=timezone.now() - JUST_NOW
    )
    found = rows.select_related("message__conversation__contact", "message__author").order_by("message")
    return {(row.conversation_id, row.reader_id): row.message for row in found}


def notification_of(message: Message, user_id: int) -> dict[str, Any]:
    """Return the notification of a message; `is_mine` says whether its conversation is assigned to the user.

    A note is one for somebody whom it mentions: `by` says who wrote it.
    """
    conversation, kind = message.conversation, (message.card or {}).get("kind")
    if message.kind == Message.Kind.NOTE:
        author = str(message.author) if message.author_id else gettext("A former colleague")
        return {
            "id": message.pk,
            "conversation": conversation.pk,
            "is_mine": True,
            "is_mention": True,
            "name": gettext("%(user)s mentioned you") % {"user": author},
            "text": one_line(message.text, TEXT_CHARS),
        }
    if message.kind != Message.Kind.EVENT:
        text = one_line(message.text, TEXT_CHARS) or gettext("A file or card")
    elif kind == messages.SCHEDULED_NOT_SENT:
        text = gettext("A scheduled reply was not sent")
    else:
        text = gettext("Snooze ended")
    return {
        "id": message.pk,
        "conversation": conversation.pk,
        "is_mine": conversation.assignee_id == user_id,
        "name": conversation.contact.display_name,
        "text": text,
    }
