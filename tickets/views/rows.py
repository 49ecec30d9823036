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
    """The time left in the messaging window. `urgency`: calm, soon, now, closed, or unknown (no message yet)."""

    window: Window
    left: timedelta
    urgency: str

    @property
    def in_list(self) -> bool:
        """Whether a row of the list shows the clock: on the window's last day, and after it has closed."""
        return self.urgency == "closed" or (self.window.is_open and self.left < SHOW_BELOW)


@dataclass(frozen=True)
class Row:
    """A row of the conversation list."""

    conversation: Conversation
    clock: Clock
    draft: str
    sort_key: int
    is_mine: bool = False
    is_selected: bool = False
    name: Pieces | None = None  # with the search words marked; None without a search
    snippet: search.Snippet | None = None
    unsent: UndeliveredState | None = None


def clock_of(conversation: Conversation, now: datetime | None = None) -> Clock:
    """Return the clock of a conversation's messaging window at `now`, by default the present."""
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
    hits: search.SearchHits | None = None,
) -> list[Row]:
    """Return the rows for these conversations, in their order.

    Makes one query for the user's drafts, one for the marks of unsent replies, and two for the snippets of a search.
    """
    user_id, ids, now = request.user.pk, [row.pk for row in conversations], timezone.now()
    texts = drafts.texts_of([user_id], ids)
    terms = hits.terms if hits else ()
    marks = undelivered_states(ids)
    snippets = search.snippets(hits, conversations) if hits and terms else {}
    return [
        Row(
            conversation,
            clock_of(conversation, now),
            texts.get((user_id, conversation.pk), ""),
            sort_key(conversation, query.order, now),
            conversation.assignee_id == user_id,
            conversation.pk == selected,
            highlight(conversation.contact.display_name, terms) if terms else None,
            snippets.get(conversation.pk),
            marks.get(conversation.pk),
        )
        for conversation in conversations
    ]
