"""What came in for an agent since a moment ago: for notifications of the browser."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, OuterRef, Q, Subquery

from desk.models import User
from tickets.models import Conversation, Message
from tickets.services.conversation.access import UserFacts, conversations_for
from tickets.services.conversation.messages import one_line

MOST = 5
TEXT_CHARS = 140
MOST_LOOKED_AT = 2000  # messages; a page that was away for longer is told of the newest only


@dataclass(frozen=True)
class Notifications:
    """`newest` is the id to ask from next time; `messages` the newest of them, oldest first, as the page is told."""

    newest: int
    messages: list[dict[str, Any]]


def since(user: User, facts: UserFacts, seen: int | None) -> Notifications:
    """What customers wrote after message `seen` (an id) where `user` has to answer or nobody does yet.

    Without `seen` only where to begin. People who are blocked make no news.
    """
    newest = Message.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if seen is None or not seen < newest:
        return Notifications(newest, [])
    incoming = Message.objects.filter(
        Q(conversation__assignee=user) | Q(conversation__assignee=None),
        pk__gt=max(seen, newest - MOST_LOOKED_AT),
        direction=Message.Direction.IN,
        kind=Message.Kind.MESSAGE,
        conversation__contact__blocked_at=None,
        conversation__in=conversations_for(user, facts),
    )
    found = list(incoming.select_related("conversation__contact").order_by("-pk")[:MOST])
    return Notifications(newest, [notification_of(message, user.pk) for message in reversed(found)])


def newest_in(conversation_ids: Collection[int]) -> dict[int, Message]:
    """The newest message of each customer who waits to be read and is not blocked, by conversation; two queries."""
    incoming = Message.objects.filter(
        conversation=OuterRef("pk"), direction=Message.Direction.IN, kind=Message.Kind.MESSAGE
    )
    unread = Conversation.objects.filter(pk__in=conversation_ids, unread_count__gt=0, contact__blocked_at=None)
    newest = unread.annotate(newest=Subquery(incoming.order_by("-sent_at", "-pk").values("pk")[:1]))
    found = Message.objects.filter(pk__in=list(newest.values_list("newest", flat=True)))
    return {message.conversation_id: message for message in found.select_related("conversation__contact")}


def notification_of(message: Message, user_id: int) -> dict[str, Any]:
    """What a page is told of a message; it is news where the user has to answer, or nobody does yet."""
    conversation = message.conversation
    return {
        "id": message.pk,
        "conversation": conversation.pk,
        "is_mine": conversation.assignee_id == user_id,
        "name": conversation.contact.display_name,
        "text": one_line(message.text, TEXT_CHARS) or "A file or card",
    }
