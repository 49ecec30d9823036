"""Contexts of the workspace's templates: the list strip, and one conversation with its thread and details."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import F
from django.http import QueryDict
from django.urls import reverse
from django.utils.crypto import get_random_string

from channels_im.messenger.files import OUTGOING_EXTENSIONS, OUTGOING_LIMITS
from desk.models import Agent, Department, User
from tickets.models import Conversation, ThreadControlRequest
from tickets.rules.sending import MAX_TEXT_CHARACTERS
from tickets.services.conversation import access
from tickets.services.inbox import canned_replies, drafts, listing
from tickets.services.inbox import counts as inbox_counts
from tickets.services.inbox.listing import ORDERS, VIEWS, ListQuery
from tickets.services.outgoing import replies
from tickets.services.page_actions import thread_control
from tickets.views import thread_items
from tickets.views.base import AgentRequest
from tickets.views.details import details_context
from tickets.views.rows import clock_of, rows_of

MAX_COLLEAGUES = 200
MAX_CANNED_REPLIES = 300
MAX_FRESH_ROWS = 100
MAIN_VIEWS = 3  # the others are behind *More* (_views.html)

Context = dict[str, Any]


def list_context(request: AgentRequest, query: ListQuery, *, cursor: str = "", selected: int | None = None) -> Context:
    """Return the context of `_list.html` and `_rows.html`: one page of rows and the query string of the next page."""
    in_list, hits = listing.searched(listing.in_list(request.facts, request.user, query), query)
    page, next_cursor = listing.page_of(in_list, query.order, cursor)
    parameters = query.parameters()
    return {
        "query": query,
        "found": hits,
        "rows": rows_of(request, page, query, selected, hits),
        "next_page": urlencode({**parameters, "before": next_cursor}) if next_cursor else "",
        "list_query": urlencode(parameters),
        "order": ORDERS[query.order],
    }


def fresh_rows_context(request: AgentRequest, query: ListQuery, ids: list[int]) -> Context:
    """Return the context of `_changed_rows.html`: which of these conversations belong to the list, and the counts."""
    requested = listing.in_list(request.facts, request.user, query).filter(pk__in=ids[:MAX_FRESH_ROWS])
    in_list, hits = listing.searched(requested, query)
    page, _next = listing.page_of(in_list, query.order, size=MAX_FRESH_ROWS)
    return {
        "query": query,
        "rows": rows_of(request, page, query, hits=hits),
        "list_query": urlencode(query.parameters()),
        **counts_context(query, inbox_counts.counts(request.facts)),
    }


def strip_context(request: AgentRequest, query: ListQuery, *, cursor: str = "", selected: int | None = None) -> Context:
    """Return the context of the whole list strip: rows, views with their counts, orders and filters."""
    counts = inbox_counts.counts(request.facts)
    channels = access.channels_for(request.user, request.facts).order_by("name")
    return {
        **list_context(request, query, cursor=cursor, selected=selected),
        **counts_context(query, counts),
        "orders": ORDERS,
        "channels": list(channels.select_related("department").only("name", "deleted_at", "department__name")),
        "list_departments": list(Department.objects.order_by("name").only("name")),
    }


def counts_context(query: ListQuery, counts: dict[str, int]) -> Context:
    """Return the context of `_views.html`: each view with its count and its query string."""
    views: list[Context] = [
        {
            "view": view,
            "count": counts.get(view.name, 0),
            "address": urlencode(query.parameters(view=view)),
            "is_current": view is query.view,
        }
        for view in VIEWS.values()
    ]
    other = next((view for view in views[MAIN_VIEWS:] if view["is_current"]), None)
    in_all = urlencode(query.parameters(view=VIEWS["all"]))
    return {"views": views, "other_view": other, "all_address": in_all, "unread_total": counts.get("unread", 0)}


def conversation_context(
    request: AgentRequest, conversation: Conversation, query: ListQuery, version: int = 0
) -> Context:
    """Return the context of `_conversation.html`: thread, composer and details of one conversation.

    `version` is from before the conversation was read (desk.live.versions); 0: the page reads the thread again.
    """
    return {
        **state_context(request.user, request.facts, conversation, version),
        "page": thread_items.newest_page(conversation, mark_unread=True),
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
        "clock": clock_of(conversation),
        "control": control_context(user, conversation),
        **details_context(user, conversation),
        "colleagues": colleagues_of(conversation),
        "departments": list(Department.objects.exclude(pk=conversation.department_id)),
        "may_take": user.pk != conversation.assignee_id,
    }


def control_context(user: User, conversation: Conversation) -> Context | None:
    """Return which other app holds the conversation, and what the agent may do about it; None when none does."""
    owner = thread_control.owner_name(conversation)
    if not owner:
        return None
    return {
        "owner": owner[0].upper() + owner[1:],
        "request": ThreadControlRequest.objects.filter(conversation=conversation).first(),
        "is_allowed": thread_control.may_control(user, conversation).allowed,
    }


def colleagues_of(conversation: Conversation) -> list[User]:
    """Return the agents of the conversation's channel and of its department, those online first."""
    agents = User.objects.filter(is_active=True, agent__isnull=False)
    of_channel = agents.filter(agent__channels=conversation.channel_id)
    of_department = agents.filter(agent__departments=conversation.department_id)
    both = (of_channel | of_department).distinct().select_related("agent").order_by("first_name", "username")
    return sorted(both[:MAX_COLLEAGUES], key=lambda user: Agent.Presence.values.index(user.agent.presence))


def canned_choice(user: User, conversation: Conversation) -> list[Any]:
    """Return the canned replies that the user may insert here, theirs first.

    {id, shortcut, title, text, folder, files: [{id, name, size (bytes), type, url}]}
    """
    usable = canned_replies.usable(user, conversation).order_by(F("owner").asc(nulls_last=True), "shortcut")
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
        for reply in usable.prefetch_related("files")[:MAX_CANNED_REPLIES]
    ]


def composer_rules() -> dict[str, Any]:
    """Return the limits that the composer checks and the server checks again.

    {text: characters, files: {ending of the file name: bytes}}
    """
    limits = {ending: limit for file_type, limit in OUTGOING_LIMITS.items() for ending in file_type.extensions}
    return {"text": MAX_TEXT_CHARACTERS, "files": limits}


def list_query(request: AgentRequest) -> ListQuery:
    """Return the list query of a request, from its query string or, in a POST, from the field `list`."""
    if request.method == "POST":
        return ListQuery.parse(QueryDict(request.POST.get("list", "")[:2000]))
    return ListQuery.parse(request.GET)
