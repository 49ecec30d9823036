"""What came in for an agent since a moment ago: for notifications of the browser."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Q

from desk.models import User
from tickets.models import Message
from tickets.services.access import UserFacts, conversations_for
from tickets.services.threads import one_line

MOST = 5
TEXT_CHARS = 140
MOST_LOOKED_AT = 2000  # messages; a page that was away for longer is told of the newest only


@dataclass(frozen=True)
class News:
    """`newest` is the id to ask from next time; `messages` the newest of them, oldest first, as the page is told."""

    newest: int
    messages: list[dict[str, Any]]


def since(user: User, facts: UserFacts, seen: int | None) -> News:
    """What customers wrote after message `seen` (an id) where `user` has to answer or nobody does yet.

    Without `seen` only where to begin. People who are blocked make no news.
    """
    newest = Message.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if seen is None or not seen < newest:
        return News(newest, [])
    incoming = Message.objects.filter(
        Q(conversation__assignee=user) | Q(conversation__assignee=None),
        pk__gt=max(seen, newest - MOST_LOOKED_AT),
        direction=Message.Direction.IN,
        kind=Message.Kind.MESSAGE,
        conversation__contact__blocked_at=None,
        conversation__in=conversations_for(user, facts),
    )
    found = list(incoming.select_related("conversation__contact").order_by("-pk")[:MOST])
    return News(newest, [_told(message, user) for message in reversed(found)])


def _told(message: Message, user: User) -> dict[str, Any]:
    conversation = message.conversation
    return {
        "id": message.pk,
        "conversation": conversation.pk,
        "is_mine": conversation.assignee_id == user.pk,
        "name": conversation.contact.display_name,
        "text": one_line(message.text, TEXT_CHARS) or "A file or card",
    }
