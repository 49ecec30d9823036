"""The viewers of a conversation and who of them is typing, so that two agents do not answer the same customer.

Each open page has one row and renews it every HEARTBEAT_S seconds; without a heartbeat it expires after EXPIRES_AFTER.
A change is announced only when colleagues see a difference: a viewer came or went, or began or stopped typing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from desk.live import publish
from desk.models import User
from tickets.models import Conversation, Viewer
from tickets.services.conversation import access

HEARTBEAT_S = 15
EXPIRES_AFTER = timedelta(seconds=2 * HEARTBEAT_S + 5)
TYPING_EXPIRES_AFTER = timedelta(seconds=HEARTBEAT_S + 5)
MAX_SHOWN = 20


@dataclass(frozen=True)
class ConversationViewer:
    """A colleague who has the conversation open."""

    user: User
    is_typing: bool


def open_page(user: User, conversation: Conversation, page_key: str, *, typing: bool) -> None:
    """Record that the page `page_key` of `user` shows this conversation now, whatever it showed before."""
    now = timezone.now()
    typing_until = now + TYPING_EXPIRES_AFTER if typing else None
    fields = {"conversation": conversation, "seen_at": now, "typing_until": typing_until}
    if _unchanged_row(user, conversation, page_key, typing, now).update(**fields):
        return
    with transaction.atomic():
        rows = Viewer.objects.select_for_update(of=("self",)).select_related("conversation")
        before = rows.filter(user=user, page_key=page_key).first()
        if before is None:
            Viewer.objects.update_or_create(user=user, page_key=page_key, defaults=fields)
            _announce(conversation)
            return
        Viewer.objects.filter(pk=before.pk).update(**fields)
        if before.conversation_id != conversation.pk:
            _announce(before.conversation)
        _announce(conversation)


def _unchanged_row(
    user: User, conversation: Conversation, page_key: str, typing: bool, now: datetime
) -> QuerySet[Viewer, Viewer]:
    """Return the page's row when colleagues already see this state: nothing is to be announced then."""
    row = Viewer.objects.filter(user=user, page_key=page_key, conversation=conversation)
    is_typing = Q(typing_until__isnull=False, typing_until__gt=now)
    return row.filter(is_typing if typing else ~is_typing, seen_at__gt=now - EXPIRES_AFTER)


def close_page(user: User, conversation: Conversation, page_key: str) -> None:
    """Record that the page no longer shows this conversation. A page that shows another one meanwhile is unchanged."""
    with transaction.atomic():
        deleted, _by_model = Viewer.objects.filter(user=user, page_key=page_key, conversation=conversation).delete()
        if deleted:
            _announce(conversation)


def viewing(conversation_ids: Iterable[int], user_ids: Iterable[int]) -> set[tuple[int, int]]:
    """Return which of these users have which of these conversations open now: (user id, conversation id)."""
    rows = Viewer.objects.filter(conversation__in=set(conversation_ids), seen_at__gt=timezone.now() - EXPIRES_AFTER)
    return set(rows.filter(user__in=set(user_ids)).values_list("user_id", "conversation_id"))


def viewers_of(conversation: Conversation, other_than: User) -> list[ConversationViewer]:
    """Return the colleagues who have the conversation open, each once, those who are typing first."""
    now = timezone.now()
    rows = Viewer.objects.filter(conversation=conversation, seen_at__gt=now - EXPIRES_AFTER, user__is_active=True)
    viewers: dict[int, ConversationViewer] = {}
    for row in rows.exclude(user=other_than).select_related("user").order_by("pk"):
        is_typing = _is_typing(row, now)
        if row.user_id not in viewers or is_typing:
            viewers[row.user_id] = ConversationViewer(row.user, is_typing)
    return sorted(viewers.values(), key=lambda viewer: not viewer.is_typing)[:MAX_SHOWN]


def delete_expired() -> int:
    """Delete the rows of pages without a recent heartbeat; return how many."""
    return Viewer.objects.filter(seen_at__lt=timezone.now() - EXPIRES_AFTER).delete()[0]


def _is_typing(row: Viewer, now: datetime) -> bool:
    return row.typing_until is not None and row.typing_until > now


def _announce(conversation: Conversation) -> None:
    publish.announce("viewers", **access.ids_of(conversation))
