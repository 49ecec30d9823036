"""The lists of the inbox: views, filters, search and orders. `list_pages` reads their pages, `counts` their sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from desk.models import User
from desk.sentences import sentence
from desk.text import head
from tickets.models import Mention, SavedView
from tickets.rules.filters import FIELDS, ME, NO_FILTER, NOBODY, OPEN, Filter, parse_leniently
from tickets.services.conversation.access import UserFacts, UserRef, conversations_for
from tickets.services.inbox import field_filters, filtering, search
from tickets.services.inbox.filtering import Conversations, closing_soon, window_length
from tickets.services.inbox.search import SearchHits

RELATED = ("contact", "channel", "assignee", "current_ticket")  # shown in a row
LABELS = "current_ticket__labels"
SEARCH_LIMIT = 200  # characters


def _open(rows: Conversations) -> Conversations:
    return rows.filter(is_open=True, is_snoozed=False)


def _closed(rows: Conversations) -> Conversations:
    return rows.filter(is_open=False, current_ticket__isnull=False)


@dataclass(frozen=True)
class View:
    """One of the fixed views. `narrow(conversations, user_id, now)` returns the conversations that belong to it.

    `label` is lazy, in the language of the reader; `empty` is the sentence of an empty list. `counted`, in the same
    way, returns those that its badge counts; by default all of them.
    """

    name: str
    label: Promise
    empty: str
    narrow: Callable[[Conversations, UserRef, datetime], Conversations]
    counted: Callable[[Conversations, UserRef, datetime], Conversations] | None = None


def _mentioning(user_id: UserRef) -> QuerySet[Mention, Any]:
    """Return the conversations (ids) with a note that mentions the user; they are few, unlike those of the list."""
    reader: Any = user_id if isinstance(user_id, int) else OuterRef(user_id)  # type: ignore[arg-type]  # F of a query around this one
    return Mention.objects.filter(reader=reader).order_by().values("conversation")


VIEWS = {
    view.name: view
    for view in (
        View(
            "mine",
            pgettext_lazy("conversations", "Mine"),
            sentence("All clear — no open conversation is assigned to you."),
            lambda rows, user_id, now: _open(rows.filter(assignee_id=user_id)),
        ),
        View(
            "unassigned",
            pgettext_lazy("conversations", "Unassigned"),
            sentence("All clear — nothing unassigned."),
            lambda rows, user_id, now: _open(rows.filter(assignee_id=None)),
        ),
        View(
            "open",
            pgettext_lazy("conversations", "Open"),
            sentence("All clear — no conversation is open."),
            lambda rows, user_id, now: _open(rows),
        ),
        View(
            "all",
            pgettext_lazy("conversations", "All"),
            sentence("No conversations yet."),
            lambda rows, user_id, now: rows.filter(is_snoozed=False),
        ),
        View(
            "waiting",
            pgettext_lazy("conversations", "Waiting for reply"),
            sentence("All clear — every customer has a reply."),
            lambda rows, user_id, now: rows.filter(waiting_since__isnull=False),
        ),
        View(
            "closing",
            pgettext_lazy("conversations", "Window closing soon"),
            sentence("No messaging window closes within two hours."),
            lambda rows, user_id, now: closing_soon(rows, now),
        ),
        View(
            "snoozed",
            pgettext_lazy("conversations", "Snoozed"),
            sentence("Nothing is snoozed."),
            lambda rows, user_id, now: rows.filter(is_snoozed=True),
        ),
        View(
            "mentions",
            pgettext_lazy("conversations", "Mentions"),
            sentence("Nobody has mentioned you in a note yet."),
            lambda rows, user_id, now: rows.filter(pk__in=_mentioning(user_id)),
            lambda rows, user_id, now: rows.filter(pk__in=_mentioning(user_id).filter(seen_at=None)),
        ),
        View(
            "blocked",
            pgettext_lazy("conversations", "Blocked"),
            sentence("Nobody is blocked."),
            lambda rows, user_id, now: rows.filter(contact__blocked_at__isnull=False),
        ),
        View(
            "ended",
            pgettext_lazy("conversations", "Closed"),
            sentence("No conversation is closed yet."),
            lambda rows, user_id, now: _closed(rows),
        ),
    )
}
DEFAULT_VIEW = "open"


@dataclass(frozen=True)
class Order:
    """An order of the list: by a time, then by id, so that a cursor always points between two rows.

    `first(now)` is the condition of the rows that this order sorts; all others follow after them, newest first.
    """

    label: str
    field: str
    descending: bool = False
    first: Callable[[datetime], Q] | None = None


ORDERS = {
    "newest": Order(sentence("Newest first"), "last_message_at", descending=True),
    "oldest": Order(sentence("Oldest first"), "last_message_at"),
    "waiting": Order(sentence("Waiting longest"), "waiting_since", first=lambda now: Q(waiting_since__isnull=False)),
    "closing": Order(
        sentence("Window closing first"),
        "last_customer_message_at",
        first=lambda now: Q(last_customer_message_at__gt=now - window_length()),
    ),
}
DEFAULT_ORDER = "newest"

EDITED = "edited"  # the parameter that says that a saved view was changed
SIMPLE_FIELDS = ("channel", "department", "label", "priority")  # of which an open page knows what a row has
OF_ASSIGNEE = {"mine": ME, "unassigned": NOBODY}
DECIDED_BY_VIEW = {
    "mine": ("assignee", "status", "snoozed"),
    "unassigned": ("assignee", "status", "snoozed"),
    "open": ("status", "snoozed"),
    "closing": ("window",),
    "snoozed": ("snoozed",),
    "ended": ("status",),
}


@dataclass(frozen=True)
class ListQuery:
    """What the list shows: view, order, search query and filter; `saved` is the saved view from which they come."""

    view: View = VIEWS[DEFAULT_VIEW]
    order: str = DEFAULT_ORDER
    search: str = ""
    filter: Filter = NO_FILTER
    saved: SavedView | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, str], saved: SavedView | None = None) -> "ListQuery":
        """Parse a mapping such as request.GET. Unknown values fall back to the default; never raises.

        Of a saved view, which the caller has looked up, the view, order and filter are taken, unless the parameters say
        that they were edited.
        """
        search_text = head(raw.get("q", "").replace("\0", "").strip(), SEARCH_LIMIT)
        if saved and not raw.get(EDITED):
            return replace(cls.of_saved(saved), search=search_text)
        name = raw.get("base" if saved else "view", "")
        many = {field: raw.getlist(field) if isinstance(raw, QueryDict) else raw.get(field, "") for field in FIELDS}
        narrowed = parse_leniently({**many, **field_filters.of_request(raw)})
        view, narrowed = _widened(VIEWS.get(name, VIEWS[DEFAULT_VIEW]), narrowed)
        return cls(
            view=view,
            order=raw.get("sort", "") if raw.get("sort", "") in ORDERS else DEFAULT_ORDER,
            search=search_text,
            filter=narrowed,
            saved=saved,
        )

    @classmethod
    def of_saved(cls, saved: SavedView) -> "ListQuery":
        """Return what a saved view shows. What this version does not know in it is left out."""
        narrowed = parse_leniently(saved.filter if isinstance(saved.filter, dict) else {})
        order = saved.order if saved.order in ORDERS else DEFAULT_ORDER
        view, narrowed = _widened(VIEWS.get(saved.base, VIEWS[DEFAULT_VIEW]), narrowed)
        return cls(view, order, filter=narrowed, saved=saved)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.filter)

    @property
    def is_edited(self) -> bool:
        """Whether view, filter or order are not those of the saved view any more."""
        return self.saved is not None and replace(self, search="") != self.of_saved(self.saved)

    @property
    def searches_everything(self) -> bool:
        """Whether the search looks in all conversations, snoozed ones too: in the default view and in *All*."""
        return bool(self.search) and self.view.name in (DEFAULT_VIEW, "all") and self.saved is None

    @property
    def needs_server(self) -> bool:
        """Whether only the server can say if a conversation belongs to the list (static/desk/js/list.js)."""
        simple = all(name in SIMPLE_FIELDS and len(values) == 1 for name, values in self.filter.values)
        return bool(self.search or self.saved) or not simple

    def in_view(self, view: View) -> "ListQuery":
        """Return this list in another fixed view, without the fields that this view decides itself."""
        kept = self.filter
        for name in DECIDED_BY_VIEW.get(view.name, ()):
            kept = kept.having(name)
        return replace(self, view=view, filter=kept)

    def parameters(self, **changes: Any) -> dict[str, str]:
        """Return the query string parameters of this list with `changes`; defaults are left out."""
        changed = replace(self, **changes)
        if changed.saved and not changed.is_edited:
            return parameters_of_saved(changed.saved, changed.search)
        saved = str(changed.saved.pk) if changed.saved else ""
        view = "" if changed.view.name == DEFAULT_VIEW else changed.view.name
        values = {
            "view": saved or view,
            EDITED: "1" if saved else "",
            "base": view if saved else "",
            "sort": "" if changed.order == DEFAULT_ORDER else changed.order,
            "q": changed.search,
            **changed.filter.to_query(),
        }
        return {name: value for name, value in values.items() if value}


def parameters_of_saved(saved: SavedView, search: str = "") -> dict[str, str]:
    """Return the query string parameters of a saved view as it was saved, and of a search in it."""
    return {"view": str(saved.pk), **({"q": search} if search else {})}


def _widened(view: View, filter_: Filter) -> tuple[View, Filter]:
    """Return a wider view when a filter is about what the view itself says: *Open*, and the status is to be closed."""
    has_state = bool(filter_.get("status") or filter_.get("snoozed"))
    if view.name in OF_ASSIGNEE and filter_.get("assignee"):
        view = VIEWS["open"]
    elif view.name in OF_ASSIGNEE and has_state:
        view, filter_ = VIEWS["open"], filter_.having("assignee", OF_ASSIGNEE[view.name])
    if view.name == "open" and has_state:
        view = VIEWS["all"]
        filter_ = filter_ if filter_.get("status") else filter_.having("status", OPEN)
    if any(filter_.get(name) for name in DECIDED_BY_VIEW.get(view.name, ())):
        view = VIEWS["all"]
    return view, filter_


def matching(facts: UserFacts, user: User, query: ListQuery, now: datetime | None = None) -> Conversations:
    """Return the conversations of this list that the user may see, unordered."""
    return searched(in_list(facts, user, query, now), query)[0]


def in_list(facts: UserFacts, user: User, query: ListQuery, now: datetime | None = None) -> Conversations:
    """Return the conversations of this list's view and filter, without its search, unordered.

    Days in a filter are those of the current time zone.
    """
    rows, now = conversations_for(user, facts), now or timezone.now()
    return narrowed(rows, query, filtering.Reader.of(facts, now))


def narrowed(rows: Conversations, query: ListQuery, reader: filtering.Reader) -> Conversations:
    """Return those of `rows` in the view and filter of this list, for this reader."""
    takes_snoozed = query.view.name == "all" and query.filter.get("snoozed")
    if query.searches_everything or takes_snoozed:
        rows = rows.filter(last_message_at__isnull=False)  # such a search finds closed and snoozed ones too
    else:
        rows = in_view(rows, query.view, reader.user_id, reader.now)
    return filtering.matching(rows, query.filter, reader)


def in_view(rows: Conversations, view: View, user_id: UserRef, now: datetime) -> Conversations:
    """Return those of `rows` that belong to this view of the user. A conversation without messages is in no list."""
    return view.narrow(rows, user_id, now).filter(last_message_at__isnull=False)


def counted_in_view(rows: Conversations, view: View, user_id: UserRef, now: datetime) -> Conversations:
    """Return those of `rows` that the badge of this view counts."""
    return (view.counted or view.narrow)(rows, user_id, now).filter(last_message_at__isnull=False)


def searched(rows: Conversations, query: ListQuery) -> tuple[Conversations, SearchHits]:
    """Return those of `rows` that match the list's search, and the hits; all of them without a search."""
    if not query.search:
        return rows, SearchHits()
    hits = search.find(rows, query.search)
    return rows.filter(pk__in=hits.conversation_ids()), hits
