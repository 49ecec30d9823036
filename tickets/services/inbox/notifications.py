"""New messages for an agent, for the browser's notifications."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, OuterRef, Q, Subquery

from desk.models import User
from desk.text import one_line
from tickets.models import Conversation, Message
from tickets.services.conversation.access import UserFacts, conversations_for

MAX_NOTIFICATIONS = 5
TEXT_CHARS = 140
MAX_SCANNED = 2000  # messages; a page that was away for longer gets only the newest


@dataclass(frozen=True)
class Notifications:
    """`newest` is the message id to continue from; `messages` are the newest notifications, oldest first."""

    newest: int
    messages: list[dict[str, Any]]


def since(user: User, facts: UserFacts, seen: int | None) -> Notifications:
    """Return customers' messages after message `seen` (an id) in conversations assigned to `user` or to nobody.

    Without `seen` return only the id to start from. Blocked contacts and recovered messages cause no notifications.
    """
    newest = Message.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if seen is None or not seen < newest:
        return Notifications(newest, [])
    incoming = Message.objects.filter(
        Q(conversation__assignee=user) | Q(conversation__assignee=None),
        pk__gt=max(seen, newest - MAX_SCANNED),
        direction=Message.Direction.IN,
        kind=Message.Kind.MESSAGE,
        recovered_at=None,
        conversation__contact__blocked_at=None,
        conversation__in=conversations_for(user, facts),
    )
    latest = list(incoming.select_related("conversation__contact").order_by("-pk")[:MAX_NOTIFICATIONS])
    return Notifications(newest, [notification_of(message, user.pk) for message in reversed(latest)])


def newest_in(conversation_ids: Collection[int]) -> dict[int, Message]:
    """Return the newest customer message of each unread conversation whose contact is not blocked, by its id.

    One that was recovered is no news. Two queries.
    """
    incoming = Message.objects.filter(
        conversation=OuterRef("pk"), direction=Message.Direction.IN, kind=Message.Kind.MESSAGE
    )
    unread = Conversation.objects.filter(pk__in=conversation_ids, unread_count__gt=0, contact__blocked_at=None)
    newest = unread.annotate(newest=Subquery(incoming.order_by("-sent_at", "-pk").values("pk")[:1]))
    messages = Message.objects.filter(pk__in=list(newest.values_list("newest", flat=True)), recovered_at=None)
    return {message.conversation_id: message for message in messages.select_related("conversation__contact")}


def notification_of(message: Message, user_id: int) -> dict[str, Any]:
    """Return the notification of a message; `is_mine` says whether its conversation is assigned to the user."""
    conversation = message.conversation
    return {
        "id": message.pk,
        "conversation": conversation.pk,
        "is_mine": conversation.assignee_id == user_id,
        "name": conversation.contact.display_name,
        "text": one_line(message.text, TEXT_CHARS) or "A file or card",
    }
