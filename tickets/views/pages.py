"""What the templates of the workspace are given: the list strip, and one conversation with its thread and details."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict
from django.utils.crypto import get_random_string

from channels_im.messenger.files import OUTGOING_EXTENSIONS, OUTGOING_LIMITS
from desk.models import Agent, Department, User
from tickets.models import CannedReply, Conversation
from tickets.rules.sending import MAX_TEXT_CHARACTERS
from tickets.services.conversation import access
from tickets.services.inbox import counts as inbox_counts
from tickets.services.inbox import drafts, listing
from tickets.services.inbox.listing import ORDERS, VIEWS, ListQuery
from tickets.services.outgoing import replies
from tickets.views import thread_items
from tickets.views.base import AgentRequest
from tickets.views.details import details_context
from tickets.views.rows import clock_of, rows_of

MOST_COLLEAGUES = 200
MOST_CANNED = 300
MOST_ROWS_AT_ONCE = 100
MAIN_VIEWS = 3  # the others are behind *More* (_views.html)


def list_context(request: AgentRequest, query: ListQuery, *, cursor: str = "", selected: int | None = None) -> dict:
    """For `_list.html` and `_rows.html`: one page of rows and the address of the next."""
    in_list, found = listing.searched(listing.in_list(request.facts, request.user, query), query)
    page, next_cursor = listing.page_of(in_list, query.order, cursor)
    parameters = query.parameters()
    return {
        "query": query,
        "found": found,
        "rows": rows_of(request, page, query, selected, found),
        "next_page": urlencode({**parameters, "before": next_cursor}) if next_cursor else "",
        "list_query": urlencode(parameters),
        "order": ORDERS[query.order],
    }


def fresh_rows_context(request: AgentRequest, query: ListQuery, ids: list[int]) -> dict:
    """For `_changed_rows.html`: those of these conversations that belong to the list, and the counts."""
    asked = listing.in_list(request.facts, request.user, query).filter(pk__in=ids[:MOST_ROWS_AT_ONCE])
    in_list, found = listing.searched(asked, query)
    page, _next = listing.page_of(in_list, query.order, size=MOST_ROWS_AT_ONCE)
    return {
        "query": query,
        "rows": rows_of(request, page, query, found=found),
        "list_query": urlencode(query.parameters()),
        **counts_context(query, inbox_counts.counts(request.facts)),
    }


def strip_context(request: AgentRequest, query: ListQuery, *, cursor: str = "", selected: int | None = None) -> dict:
    """For the whole list strip: the rows, the views with their counts, orders and filters."""
    counts = inbox_counts.counts(request.facts)
    channels = access.channels_for(request.user, request.facts).order_by("name")
    return {
        **list_context(request, query, cursor=cursor, selected=selected),
        **counts_context(query, counts),
        "orders": ORDERS,
        "channels": list(channels.select_related("department").only("name", "deleted_at", "department__name")),
        "list_departments": list(Department.objects.order_by("name").only("name")),
    }


def counts_context(query: ListQuery, counts: dict[str, int]) -> dict:
    views = [
        {
            "view": view,
            "count": counts.get(view.name, 0),
            "address": urlencode(query.parameters(view=view)),
            "is_current": view is query.view,
        }
        for view in VIEWS.values()
    ]
    other = next((one for one in views[MAIN_VIEWS:] if one["is_current"]), None)
    in_all = urlencode(query.parameters(view=VIEWS["all"]))
    return {"views": views, "other_view": other, "all_address": in_all, "unread_total": counts.get("unread", 0)}


def conversation_context(request: AgentRequest, conversation: Conversation, query: ListQuery) -> dict[str, Any]:
    """For `_conversation.html`: thread, composer and details of one conversation."""
    return {
        **state_context(request, conversation),
        "page": thread_items.newest_page(conversation, mark_unread=True),
        "list_query": urlencode(query.parameters()),
        "draft": drafts.read(request.user, conversation),
        "client_key": get_random_string(24),
        "composer_rules": composer_rules(),
        "text_limit": MAX_TEXT_CHARACTERS,
        "accept": ",".join(OUTGOING_EXTENSIONS),
        "canned": canned_replies(conversation),
        "canned_facts": canned_facts(request.user, conversation),
    }


def state_context(request: AgentRequest, conversation: Conversation) -> dict[str, Any]:
    """For what stands around the thread and changes with it: header, composer or the reason against it, details."""
    return {
        "conversation": conversation,
        "contact": conversation.contact,
        "channel": conversation.channel,
        "verdict": replies.may_send(request.user, conversation),
        "clock": clock_of(conversation),
        **details_context(request, conversation),
        "colleagues": colleagues_of(conversation),
        "departments": list(Department.objects.exclude(pk=conversation.department_id)),
        "may_take": request.user.pk != conversation.assignee_id,
    }


def colleagues_of(conversation: Conversation) -> list[User]:
    """Who may be given this conversation: the agents of its channel and of its department, who is online first."""
    agents = User.objects.filter(is_active=True, agent__isnull=False)
    here = agents.filter(agent__channels=conversation.channel_id)
    there = agents.filter(agent__departments=conversation.department_id)
    found = (here | there).distinct().select_related("agent").order_by("first_name", "username")
    return sorted(found[:MOST_COLLEAGUES], key=lambda user: Agent.Presence.values.index(user.agent.presence))


def canned_replies(conversation: Conversation) -> list[dict[str, str]]:
    """The ready-made answers of everybody and of this department."""
    here = CannedReply.objects.filter(Q(department=None) | Q(department_id=conversation.department_id))
    return list(here.values("shortcut", "title", "text")[:MOST_CANNED])


def canned_facts(user: User, conversation: Conversation) -> dict[str, str]:
    """What {{name}}, {{first_name}}, {{agent}} and {{page}} stand for in a ready-made answer."""
    name = conversation.contact.name
    return {
        "name": name,
        "first_name": name.split()[0] if name.split() else "",
        "agent": str(user),
        "page": conversation.channel.page.name,
    }


def composer_rules() -> dict[str, Any]:
    """What the composer tells at once and the server checks again: limits in bytes by file name ending."""
    limits = {ending: limit for found, limit in OUTGOING_LIMITS.items() for ending in found.extensions}
    return {"text": MAX_TEXT_CHARACTERS, "files": limits}


def list_query(request: AgentRequest) -> ListQuery:
    """The list a request is about: from its own query string, or, in a POST, from the field `list`."""
    if request.method == "POST":
        return ListQuery.parse(QueryDict(request.POST.get("list", "")[:2000]))
    return ListQuery.parse(request.GET)
