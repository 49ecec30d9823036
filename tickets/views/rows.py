"""The rows of the conversation list, as the template shows them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from tickets.models import Conversation
from tickets.rules.searching import Pieces, highlight
from tickets.rules.window import Window
from tickets.services.inbox import drafts, search
from tickets.services.inbox.listing import ListQuery, sort_key
from tickets.services.outgoing import replies
from tickets.services.outgoing.undelivered import UndeliveredState, undelivered_states
from tickets.views.base import AgentRequest

WARN_BELOW = timedelta(hours=2)
ALARM_BELOW = timedelta(minutes=30)
SHOW_BELOW = timedelta(hours=24)


@dataclass(frozen=True)
class Clock:
    """What is left of the messaging window. `urgency`: calm, soon, now, closed, or unknown (never written)."""

    window: Window
    left: timedelta
    urgency: str

    @property
    def in_list(self) -> bool:
        """Said in the list only when it matters there: on its last day, or over."""
        return self.urgency == "closed" or (self.window.is_open and self.left < SHOW_BELOW)


@dataclass(frozen=True)
class Row:
    conversation: Conversation
    clock: Clock
    draft: str
    sort_key: int
    is_mine: bool = False
    is_selected: bool = False
    name: Pieces | None = None  # with what was looked for marked; None: nothing was
    snippet: search.Snippet | None = None
    unsent: UndeliveredState | None = None


def clock_of(conversation: Conversation, now: datetime | None = None) -> Clock:
    now = now or timezone.now()
    current = replies.window_of(conversation, now)
    if current.closes_at is None:
        return Clock(current, timedelta(0), "unknown")
    left = current.closes_at - now
    if not current.is_open:
        return Clock(current, timedelta(0), "closed")
    return Clock(current, left, "now" if left < ALARM_BELOW else "soon" if left < WARN_BELOW else "calm")


def rows_of(
    request: AgentRequest,
    conversations: list[Conversation],
    query: ListQuery,
    selected: int | None = None,
    found: search.SearchHits | None = None,
) -> list[Row]:
    """The rows for these conversations in their order.

    One query for the user's drafts, one for the marks of what did not go out, two for what was found.
    """
    user_id, ids, now = request.user.pk, [row.pk for row in conversations], timezone.now()
    kept = drafts.texts_of([user_id], ids)
    terms = found.terms if found else ()
    marks = undelivered_states(ids)
    snippets = search.snippets(found, ids) if found and terms else {}
    return [
        Row(
            conversation,
            clock_of(conversation, now),
            kept.get((user_id, conversation.pk), ""),
            sort_key(conversation, query.order, now),
            conversation.assignee_id == user_id,
            conversation.pk == selected,
            highlight(conversation.contact.display_name, terms) if terms else None,
            snippets.get(conversation.pk),
            marks.get(conversation.pk),
        )
        for conversation in conversations
    ]
