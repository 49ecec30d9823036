"""Contexts of the workspace's templates: the list strip, and one conversation with its thread and details."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from channels_im.messenger.files import OUTGOING_EXTENSIONS, OUTGOING_LIMITS
from desk.languages import translated
from desk.models import Agent, Department, User
from desk.prepared import PreparedModels
from tickets.models import Conversation, SavedView, ThreadControlRequest, Ticket
from tickets.rules.filters import NO_FILTER
from tickets.rules.sending import MAX_TEXT_CHARACTERS
from tickets.services.conversation import access
from tickets.services.inbox import canned_replies, drafts, list_pages, listing, saved_views, snoozes
from tickets.services.inbox import counts as inbox_counts
from tickets.services.inbox.listing import DEFAULT_ORDER, ORDERS, VIEWS, ListQuery
from tickets.services.outgoing import replies, scheduled_times
from tickets.services.page_actions import thread_control
from tickets.views import list_filters, thread_pages
from tickets.views.base import AgentRequest, parse_id
from tickets.views.details import details_context
from tickets.views.rows import clock_of, rows_of

MAX_COLLEAGUES = 200
MAX_FRESH_ROWS = 100
MAX_QUERY = 65_536  # characters of a query string in a form: of what an address can have, nothing is cut off
MAIN_VIEWS = 3  # the others are behind *More* (_views.html)

Context = dict[str, Any]


def list_context(request: AgentRequest, query: ListQuery, *, cursor: str = "", selected: int | None = None) -> Context:
    """Return the context of `_list.html` and `_rows.html`: one page of rows and the query string of the next page."""
    found, hits = list_pages.candidates(request.facts, request.user, query)
    page, next_cursor = list_pages.page_of(found, query.order, cursor)
    parameters = query.parameters()
    return {
        "query": query,
        "found": hits,
        "rows": rows_of(request, page, query, selected, hits),
        "next_page": urlencode({**parameters, "before": next_cursor}) if next_cursor else "",
        "next_sort": list_pages.sort_key_of(next_cursor),
        "list_query": urlencode(parameters),
        "order": ORDERS[query.order],
    }


def fresh_rows_context(request: AgentRequest, query: ListQuery, ids: list[int]) -> Context:
    """Return the context of `_changed_rows.html`: which of these conversations belong to the list, and the counts."""
    requested = listing.in_list(request.facts, request.user, query).filter(pk__in=ids[:MAX_FRESH_ROWS])
    in_list, hits = listing.searched(requested, query)
    page, _next = list_pages.page_of(in_list, query.order, size=MAX_FRESH_ROWS)
    return {
        "query": query,
        "rows": rows_of(request, page, query, hits=hits),
        "list_query": urlencode(query.parameters()),
        **counts_context(request, query, inbox_counts.counts(request.facts)),
    }


def strip_context(
    request: AgentRequest,
    query: ListQuery,
    *,
    cursor: str = "",
    selected: int | None = None,
    is_page: bool = False,
) -> Context:
    """Return the context of the whole list strip: rows, views with their counts, orders and filters.

    A whole page (`is_page`) asks for the colleagues and custom fields when somebody opens the filters
    (`filters_context`).
    """
    counts = inbox_counts.counts(request.facts)
    filters = list_filters.ListFilters(request, query, is_short=is_page)
    shown = "all" if query.searches_everything else query.view.name
    return {
        **list_context(request, query, cursor=cursor, selected=selected),
        **counts_context(request, query, counts),
        "list_name": query.saved.name if query.saved else VIEWS[shown].label,
        "orders": ORDERS,
        "channels": filters.channels,
        "filter_fields": filters.fields(),
        "field_form": filters.custom(),
        "chips": filters.chips(),
        "priorities": Ticket.Priority,
        **saving_context(request, query),
    }


def filters_context(request: AgentRequest, query: ListQuery) -> Context:
    """Return the context of `_filters.html`."""
    filters = list_filters.ListFilters(request, query)
    return {"query": query, "orders": ORDERS, "filter_fields": filters.fields(), "field_form": filters.custom()}


def saving_context(request: AgentRequest, query: ListQuery) -> Context:
    """Return what the list offers to save: a new view, and the changes to the saved one."""
    is_changed = query.is_edited if query.saved else bool(query.filter) or query.order != DEFAULT_ORDER
    if not is_changed:
        return {"may_save_view": False}
    departments, with_everybody = saved_views.shared_by(request.user)
    return {
        "may_save_view": True,
        "share_departments": departments,
        "may_share_with_everybody": with_everybody,
        "may_change_view": query.saved is not None
        and saved_views.may_change(request.user, saved_views.Audience.of(query.saved)),
        "unedited": urlencode(listing.parameters_of_saved(query.saved)) if query.saved else "",
    }


def counts_context(request: AgentRequest, query: ListQuery, counts: dict[str, int]) -> Context:
    """Return the context of `_views.html`: each view with its count and its query string, and the saved views."""
    narrowed = replace(query, saved=None, filter=NO_FILTER) if query.saved else query
    views: list[Context] = [
        {
            "view": view,
            "count": counts.get(view.name, 0),
            "address": urlencode(narrowed.in_view(view).parameters()),
            "is_current": query.saved is None and view is query.view,
        }
        for view in VIEWS.values()
    ]
    other = next((view for view in views[MAIN_VIEWS:] if view["is_current"]), None)
    saved = [
        {
            "view": view,
            "address": urlencode(listing.parameters_of_saved(view, query.search)),
            "is_current": query.saved is not None and query.saved.pk == view.pk,
        }
        for view in saved_of(request)
    ]
    return {
        "views": views,
        "other_view": other,
        "saved_views": saved,
        "all_address": urlencode(narrowed.in_view(VIEWS["all"]).parameters()),
        "clear_address": urlencode(replace(query, search="", filter=NO_FILTER, saved=None).parameters()),
        "unread_total": counts.get("unread", 0),
        "mention_count": counts.get("mentions", 0),
    }


def saved_of(request: AgentRequest) -> list[SavedView]:
    """Return the saved views that the user sees, read once for a request."""
    if not hasattr(request, "saved_views"):
        request.saved_views = saved_views.listed(request.facts)
    return request.saved_views


def conversation_context(
    request: AgentRequest, conversation: Conversation, query: ListQuery, version: int = 0
) -> Context:
    """Return the context of `_conversation.html`: thread, composer and details of one conversation.

    `version` is from before the conversation was read (desk.live.versions); 0: the page reads the thread again.
    """
    return {
        **state_context(request.user, request.facts, conversation, version),
        "page": thread_pages.newest_page(conversation, mark_unread=True),
        "list_query": urlencode(query.parameters()),
        "draft": drafts.read(request.user, conversation),
        "client_key": get_random_string(24),
        "composer_rules": composer_rules(),
        "text_limit": MAX_TEXT_CHARACTERS,
        "accept": ",".join(OUTGOING_EXTENSIONS),
        "canned": canned_choice(request.user, conversation),
        "canned_facts": canned_replies.facts(request.user, conversation),
    }


def state_context(user: User, facts: access.UserFacts, conversation: Conversation, version: int) -> Context:
    """Return the context of what changes with the thread: header, composer (or why there is none), details.

    `version` is from before the conversation was read (desk.live.versions).
    """
    return {
        "version": version,
        "conversation": conversation,
        "contact": conversation.contact,
        "channel": conversation.channel,
        "verdict": replies.may_send_in(user, conversation, facts),
        "may_work": access.may_work_in(facts, conversation),
        "clock": clock_of(conversation),
        "later_options": scheduled_times.options(conversation, timezone.get_current_timezone()),
        "snooze_options": snoozes.options(conversation, timezone.get_current_timezone()),
        "control": control_context(user, conversation),
        **details_context(user, conversation),
        "colleagues": colleagues_of(conversation),
        "departments": _other_departments.rows(own=conversation.department_id),
        "may_take": user.pk != conversation.assignee_id,
    }


def control_context(user: User, conversation: Conversation) -> Context | None:
    """Return which other app holds the conversation, and what the agent may do about it; None when none does."""
    owner = thread_control.owner_name(conversation)
    if not owner:
        return None
    name = translated(owner)
    return {
        "owner": name[0].upper() + name[1:],
        "request": ThreadControlRequest.objects.filter(conversation=conversation).first(),
        "is_allowed": thread_control.may_control(user, conversation).allowed,
    }


def colleagues_of(conversation: Conversation) -> list[User]:
    """Return the agents of the conversation's channel and of its department, those online first."""
    both = _agents.rows(channel=conversation.channel_id, department=conversation.department_id)
    return sorted(both, key=lambda user: Agent.Presence.values.index(user.agent.presence))


def _agents_of(*, channel: int, department: int) -> QuerySet[User, User]:
    agents = User.objects.filter(is_active=True, agent__isnull=False)
    of_both = agents.filter(agent__channels=channel) | agents.filter(agent__departments=department)
    return of_both.distinct().select_related("agent").order_by("first_name", "username")[:MAX_COLLEAGUES]


_agents = PreparedModels(_agents_of)
_other_departments = PreparedModels[Department](lambda *, own: Department.objects.exclude(pk=own))


def canned_choice(user: User, conversation: Conversation) -> list[Any]:
    """Return the canned replies that the user may insert here, theirs first.

    {id, shortcut, title, text, folder, files: [{id, name, size (bytes), type, url}]}
    """
    return [
        {
            **{name: getattr(reply, name) for name in ("id", "shortcut", "title", "text", "folder")},
            "files": [
                {
                    "id": file.pk,
                    "name": file.name,
                    "size": file.size,
                    "type": file.content_type,
                    "url": reverse("canned_file", args=[conversation.pk, file.pk]),
                }
                for file in reply.files.all()
            ],
        }
        for reply in canned_replies.listed(user, conversation)
    ]


def composer_rules() -> dict[str, Any]:
    """Return the limits that the composer checks and the server checks again.

    {text: characters, files: {ending of the file name: bytes}}
    """
    limits = {ending: limit for file_type, limit in OUTGOING_LIMITS.items() for ending in file_type.extensions}
    return {"text": MAX_TEXT_CHARACTERS, "files": limits}


def list_query(request: AgentRequest) -> ListQuery:
    """Return the list query of a request, from its query string or, in a POST, from the field `list`.

    A saved view that was deleted, or that the user does not see, is the default view.
    """
    raw = QueryDict(request.POST.get("list", "")[:MAX_QUERY]) if request.method == "POST" else request.GET
    view_id = parse_id(raw.get("view", ""))
    saved = next((view for view in saved_of(request) if view.pk == view_id), None) if view_id is not None else None
    return ListQuery.parse(raw, saved)
