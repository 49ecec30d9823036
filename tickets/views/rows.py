"""The rows of the conversation list: what each shows, and its HTML, rendered once for all who see the same."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from html import escape
from typing import NamedTuple
from urllib.parse import urlencode

from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.safestring import SafeString, mark_safe

from tickets.models import Contact, Conversation, Ticket
from tickets.rules.searching import Pieces, highlight
from tickets.rules.window import Window
from tickets.services.inbox import drafts, search
from tickets.services.inbox.list_pages import sort_key
from tickets.services.inbox.listing import ListQuery
from tickets.services.outgoing import replies, scheduled_replies
from tickets.services.outgoing.undelivered import UndeliveredState, undelivered_states
from tickets.templatetags.desk import ago, duration, shorten
from tickets.views.base import AgentRequest

WARN_BELOW = timedelta(hours=2)
ALARM_BELOW = timedelta(minutes=30)
SHOW_BELOW = timedelta(hours=24)
SHOW_WAITING = timedelta(hours=1)
MARKED_PRIORITIES = (Ticket.Priority.HIGH, Ticket.Priority.URGENT)
MANY_UNREAD = 10  # so many or more are shown as 9+
DRAFT_CHARS = 120
MAX_RENDERED = 3000  # rows of which the HTML is kept, 2 kB each


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


class _File(NamedTuple):
    name: str


class ContactFacts(NamedTuple):
    """What lists and threads show of a contact, in the active language, by the names of the model."""

    display_name: str
    psid: str
    picture: _File | None
    erased_at: datetime | None

    @classmethod
    def of(cls, contact: Contact) -> "ContactFacts":
        picture = contact.picture
        return cls(
            contact.display_name, contact.psid, _File(picture.name or "") if picture else None, contact.erased_at
        )


class _Channel(NamedTuple):
    icon: bool


class _Clock(NamedTuple):
    window: Window
    urgency: str


class _Label(NamedTuple):
    name: str
    color: str
    description: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class RowFacts:
    """All that the template of a row shows, but for the slots and a search: rows with equal facts look the same.

    The template gets nothing else, so a rendered row is never out of date. What depends on the present is here as it is
    shown, or in a slot.
    """

    pk: int
    contact: ContactFacts
    channel_id: int
    channel: _Channel
    last_message_at: datetime | None
    unread: int  # at most MANY_UNREAD
    preview: str
    is_preview_ours: bool
    draft: str
    assignee_id: int | None
    assignee: str
    is_mine: bool
    priority: str  # one of MARKED_PRIORITIES, or ""
    unsent: UndeliveredState | None
    scheduled: tuple[str, datetime] | None  # scheduled_replies.marks
    waited: timedelta | None  # in whole hours
    waiting_since: datetime | None  # only with `waited`
    clock: _Clock | None
    is_blocked: bool
    is_snoozed: bool
    snoozed_until: datetime | None
    is_closed: bool
    labels: tuple[_Label, ...]

    @property
    def has_tags(self) -> bool:
        """Whether the row has a line of marks below the preview."""
        marks = (self.unsent, self.scheduled, self.clock, self.is_blocked, self.is_snoozed, self.waited)
        return any(marks) or self.is_closed or bool(self.priority or self.labels)


class Slots(NamedTuple):
    """What differs between rows with equal facts: the time, and the list that the row is in."""

    sort_key: str
    query: str  # what follows "?" in the row's address
    current: str  # the attribute that marks the row of the open conversation, or ""
    ago: str
    left: str  # of the messaging window


#: In rendered rows a mark stands for each slot. Nobody can write one into a text: it differs in each process.
_SECRET = secrets.token_hex(16)
_MARKS = Slots(*(f"{_SECRET}{name}{_SECRET}" for name in Slots._fields))
_MARK = re.compile(f"{_SECRET}([a-z_]+){_SECRET}")
_CURRENT = 'aria-current="true"'  # English only: markup
_INDENTATION = re.compile(r"\n\s+")


@dataclass(frozen=True)
class Row:
    """A row of the conversation list. `name` and `snippet` are those of a search, with its words marked."""

    facts: RowFacts
    slots: Slots
    name: Pieces | None = None
    snippet: search.Snippet | None = None

    @property
    def html(self) -> SafeString:
        """The row in the active language and time zone."""
        if self.name or self.snippet:
            pieces = _render(self.facts, self.name, self.snippet)
        else:
            pieces = _rendered(self.facts, translation.get_language(), timezone.get_current_timezone_name())
        return _filled(pieces, self.slots)


@lru_cache(maxsize=MAX_RENDERED)
def _rendered(facts: RowFacts, _language: str | None, _zone: str) -> tuple[str, ...]:
    return _render(facts)


def _render(facts: RowFacts, name: Pieces | None = None, snippet: search.Snippet | None = None) -> tuple[str, ...]:
    """Return the row's HTML, cut at its slots: every second piece is the name of a slot."""
    context = {"row": facts, "slots": _MARKS, "name": name, "snippet": snippet}
    html = get_template("tickets/_row.html").render(context)
    return tuple(_MARK.split(_INDENTATION.sub("\n", html.strip())))


def _filled(pieces: tuple[str, ...], slots: Slots) -> SafeString:
    filled = list(pieces)
    filled[1::2] = [slots.current if name == "current" else escape(getattr(slots, name)) for name in pieces[1::2]]
    return mark_safe("".join(filled))  # noqa: S308 - the template escaped its values, and the slots are escaped above


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


def row_of(
    conversation: Conversation,
    now: datetime,
    *,
    is_mine: bool,
    draft: str = "",
    unsent: UndeliveredState | None = None,
    scheduled: tuple[str, datetime] | None = None,
    place: int = 0,
    list_query: str = "",
    is_selected: bool = False,
    name: Pieces | None = None,
    snippet: search.Snippet | None = None,
) -> Row:
    """Return the row of a conversation that was read for a list (listing.RELATED, LABELS), in the active language.

    `place` is its sort key, `list_query` the query string of the list. Makes no query.
    """
    contact, channel, ticket = conversation.contact, conversation.channel, conversation.current_ticket
    clock, assignee = clock_of(conversation, now), conversation.assignee
    since = conversation.waiting_since
    hours = (now - since) // SHOW_WAITING if since else 0
    facts = RowFacts(
        pk=conversation.pk,
        contact=ContactFacts.of(contact),
        channel_id=conversation.channel_id,
        channel=_Channel(bool(channel.icon)),
        last_message_at=conversation.last_message_at,
        unread=min(conversation.unread_count, MANY_UNREAD),
        preview=conversation.preview,
        is_preview_ours=conversation.preview_is_ours,
        draft=shorten(draft, DRAFT_CHARS),
        assignee_id=conversation.assignee_id,
        assignee=str(assignee) if assignee else "",
        is_mine=is_mine,
        priority=ticket.priority if ticket and ticket.priority in MARKED_PRIORITIES else "",
        unsent=unsent,
        scheduled=scheduled,
        waited=hours * SHOW_WAITING if hours > 0 else None,
        waiting_since=since if hours > 0 else None,
        clock=_Clock(clock.window, clock.urgency) if clock.in_list else None,
        is_blocked=contact.blocked_at is not None,
        is_snoozed=conversation.is_snoozed,
        snoozed_until=conversation.snoozed_until if conversation.is_snoozed else None,
        is_closed=ticket is not None and ticket.status == Ticket.Status.CLOSED,
        labels=tuple(_Label(each.name, each.color, each.description) for each in ticket.labels.all()) if ticket else (),
    )
    hit = f"&message={snippet.message_id}" if snippet and snippet.message_id else ""
    slots = Slots(
        sort_key=str(place),
        query=f"?{list_query}{hit}" if list_query else "",
        current=_CURRENT if is_selected else "",
        ago=ago(conversation.last_message_at),
        left=duration(clock.left) if clock.in_list else "",
    )
    return Row(facts, slots, name, snippet)


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
    marks, scheduled = undelivered_states(ids), scheduled_replies.marks(conversations)
    snippets = search.snippets(hits, conversations) if hits and terms else {}
    list_query = urlencode(query.parameters())
    return [
        row_of(
            conversation,
            now,
            is_mine=conversation.assignee_id == user_id,
            draft=texts.get((user_id, conversation.pk), ""),
            unsent=marks.get(conversation.pk),
            scheduled=scheduled.get(conversation.pk),
            place=sort_key(conversation, query.order, now),
            list_query=list_query,
            is_selected=conversation.pk == selected,
            name=highlight(conversation.contact.display_name, terms) if terms else None,
            snippet=snippets.get(conversation.pk),
        )
        for conversation in conversations
    ]
