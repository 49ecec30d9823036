"""Who has a conversation open, and who is typing a reply there: so that two agents do not answer the same customer.

Each open page has one row, renewed every BEAT_S seconds. Whoever is not heard of for EXPIRES_AFTER is gone. Others are
told only when something changes for them: somebody came, went, began to type or stopped.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from desk.live import publish
from desk.models import User
from tickets.models import Conversation, Viewer
from tickets.services.conversation import access

BEAT_S = 15
EXPIRES_AFTER = timedelta(seconds=2 * BEAT_S + 5)
TYPING_LASTS = timedelta(seconds=BEAT_S + 5)
MOST_SHOWN = 20


@dataclass(frozen=True)
class ConversationViewer:
    user: User
    is_typing: bool


def open_page(user: User, conversation: Conversation, page_key: str, *, typing: bool) -> None:
    """The page `page_key` of `user` shows this conversation now, whatever it showed before."""
    now = timezone.now()
    shown = {"conversation": conversation, "seen_at": now, "typing_until": now + TYPING_LASTS if typing else None}
    if _still_the_same(user, conversation, page_key, typing, now).update(**shown):
        return
    with transaction.atomic():
        mine = Viewer.objects.select_for_update(of=("self",)).select_related("conversation")
        before = mine.filter(user=user, page_key=page_key).first()
        if before is None:
            Viewer.objects.update_or_create(user=user, page_key=page_key, defaults=shown)
            _announce(conversation)
            return
        Viewer.objects.filter(pk=before.pk).update(**shown)
        if before.conversation_id != conversation.pk:
            _announce(before.conversation)
        _announce(conversation)


def _still_the_same(
    user: User, conversation: Conversation, page_key: str, typing: bool, now: datetime
) -> QuerySet[Viewer, Viewer]:
    """The row of a page of which colleagues know all there is to know."""
    known = Viewer.objects.filter(user=user, page_key=page_key, conversation=conversation)
    is_typing = Q(typing_until__isnull=False, typing_until__gt=now)
    return known.filter(is_typing if typing else ~is_typing, seen_at__gt=now - EXPIRES_AFTER)


def close_page(user: User, conversation: Conversation, page_key: str) -> None:
    """The page is closed, hidden or back at the list. A page that shows another conversation by now stays there."""
    with transaction.atomic():
        gone, _by_model = Viewer.objects.filter(user=user, page_key=page_key, conversation=conversation).delete()
        if gone:
            _announce(conversation)


def viewers_of(conversation: Conversation, other_than: User) -> list[ConversationViewer]:
    """The colleagues who have the conversation open, each once, those who type first."""
    now = timezone.now()
    here = Viewer.objects.filter(conversation=conversation, seen_at__gt=now - EXPIRES_AFTER, user__is_active=True)
    found: dict[int, ConversationViewer] = {}
    for row in here.exclude(user=other_than).select_related("user").order_by("pk"):
        is_typing = _is_typing(row, now)
        if row.user_id not in found or is_typing:
            found[row.user_id] = ConversationViewer(row.user, is_typing)
    return sorted(found.values(), key=lambda one: not one.is_typing)[:MOST_SHOWN]


def delete_expired() -> int:
    """Remove rows of pages that are not heard of any more; return how many."""
    return Viewer.objects.filter(seen_at__lt=timezone.now() - EXPIRES_AFTER).delete()[0]


def _is_typing(row: Viewer, now: datetime) -> bool:
    return row.typing_until is not None and row.typing_until > now


def _announce(conversation: Conversation) -> None:
    publish.announce("presence", **access.ids_of(conversation))
