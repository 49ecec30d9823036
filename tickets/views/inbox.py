"""The inbox and a conversation in it: whole pages, and parts of them for a page that is already open."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from desk.live import versions
from tickets.services.conversation import access, mentions
from tickets.services.inbox import read_marks
from tickets.services.inbox.listing import ListQuery
from tickets.services.outgoing import replies
from tickets.services.page_actions import sender_actions
from tickets.views import assign_question, macros, pages, thread_pages
from tickets.views.base import AgentRequest, agent_page, conversation_url, parse_id, parse_ids, refuse, wants_part


@require_GET
@agent_page
def inbox(request: AgentRequest) -> HttpResponse:
    """Show the list, with no conversation open."""
    query = pages.list_query(request)
    cursor = request.GET.get("before", "")
    return render(request, "tickets/inbox.html", pages.strip_context(request, query, cursor=cursor, is_page=True))


@require_GET
@agent_page
def conversation(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the inbox with this conversation open, or for an open page only the conversation and its details.

    `before` shows an earlier page of the thread, for browsers without scripts.
    """
    query = pages.list_query(request)
    version = versions.version()
    opened = access.get_conversation(request.user, conversation_id, request.facts)
    mentions.mark_seen(request.user, opened)
    context = pages.conversation_context(request, opened, query, version)
    if "ran" in request.GET:
        context["macro_bar"] = macros.bar_of_request(request, opened)
    if assign_question.AFTER_REPLY in request.GET:
        context["asks_to_assign"] = assign_question.asks(request, opened)
    if wants_part(request):
        return render(request, "tickets/_conversation.html", context)
    if "before" in request.GET:
        context["page"] = thread_pages.older_page(opened, request.GET["before"])
    return show_conversation(request, query, context)


def show_conversation(
    request: AgentRequest, query: ListQuery, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render the whole inbox around the context of a conversation (pages.conversation_context)."""
    strip = pages.strip_context(request, query, selected=context["conversation"].pk, is_page=True)
    return render(request, "tickets/inbox.html", {**strip, **context}, status=status)


@require_GET
@agent_page
def strip(request: AgentRequest) -> HttpResponse:
    """Show the list below the search field: another view, order, filter or search. `open` is the open conversation."""
    query = pages.list_query(request)
    selected = parse_id(request.GET.get("open", ""))
    return render(request, "tickets/_strip.html", pages.strip_context(request, query, selected=selected))


@require_GET
@agent_page
def filters(request: AgentRequest) -> HttpResponse:
    """Show the fields of the filter with all choices."""
    return render(request, "tickets/_filters.html", pages.filters_context(request, pages.list_query(request)))


@require_GET
@agent_page
def rows(request: AgentRequest) -> HttpResponse:
    """Show more rows of a list: the page after the cursor `before`, or the rows of each `id`, with the counts.

    An `id` without a row does not belong to the list (any more), or the user may not see it.
    """
    query = pages.list_query(request)
    if "before" in request.GET:
        cursor = request.GET["before"]
        return render(request, "tickets/_rows.html", pages.list_context(request, query, cursor=cursor))
    ids = parse_ids(request.GET.getlist("id"))
    return render(request, "tickets/_changed_rows.html", pages.fresh_rows_context(request, query, ids))


@require_GET
@agent_page
def messages(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the page of the thread before the cursor `before`, or the newest page with header, composer and details.

    `since` is the cursor of the oldest message on an open page that may have missed a change. `first` and `last` are
    the cursors of the messages the agent looks at further up; these are sent too, as a separate part. `many` makes the
    page before `before` longer.
    """
    version = versions.version()
    opened = access.get_conversation(request.user, conversation_id, request.facts)
    if "before" in request.GET:
        size = thread_pages.MAX_ITEMS if "many" in request.GET else thread_pages.ITEMS_PER_PAGE
        page = thread_pages.older_page(opened, request.GET["before"], size)
        verdict = replies.may_send_in(request.user, opened, request.facts)
        context = {"conversation": opened, "contact": opened.contact, "page": page, "verdict": verdict}
        return render(request, "tickets/_items.html", context)
    since = request.GET.get("since", "")
    page = thread_pages.page_since(opened, since) if since else thread_pages.newest_page(opened)
    stretch = thread_pages.items_between(opened, request.GET.get("first", ""), request.GET.get("last", ""))
    context = {**pages.state_context(request.user, request.facts, opened, version), "page": page, "stretch": stretch}
    return render(request, "tickets/_changed_thread.html", context)


@require_POST
@agent_page
def read(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Mark the conversation as read up to the message with the cursor `upto`, or with `unread` as unread."""
    opened = access.get_conversation(request.user, conversation_id, request.facts)
    is_theirs = access.may_work_in(request.facts, opened)
    if "unread" in request.POST and not is_theirs:
        return refuse(request, access.READ_ONLY, conversation_url(opened.pk))
    if "unread" in request.POST:
        read_marks.mark_unread(opened)
    else:
        mentions.mark_seen(request.user, opened)
        if is_theirs:
            sender_actions.seen(request.user, opened)
            read_marks.mark_read(opened, request.POST.get("upto", ""))
    if wants_part(request):
        return HttpResponse(status=204)
    return redirect("inbox" if "unread" in request.POST else conversation_url(opened.pk))
