"""The inbox and a conversation in it; whole pages, and their parts for a page that is open already."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from tickets.services.conversation import access
from tickets.services.inbox import listing
from tickets.services.inbox.listing import ListQuery
from tickets.services.outgoing import replies
from tickets.services.page_actions import sender_actions
from tickets.views import pages, thread_items
from tickets.views.base import AgentRequest, agent_page, wants_part


@require_GET
@agent_page
def inbox(request: AgentRequest) -> HttpResponse:
    """The list, and no conversation chosen."""
    query = pages.list_query(request)
    cursor = request.GET.get("before", "")
    return render(request, "tickets/inbox.html", pages.strip_context(request, query, cursor=cursor))


@require_GET
@agent_page
def conversation(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """The inbox with this conversation open; for an open page only the conversation's strips.

    `before` shows an earlier page of the thread, for browsers without scripts.
    """
    query = pages.list_query(request)
    found = access.get_conversation(request.user, conversation_id, request.facts)
    context = pages.conversation_context(request, found, query)
    if wants_part(request):
        return render(request, "tickets/_conversation.html", context)
    if "before" in request.GET:
        context["page"] = thread_items.older_page(found, request.GET["before"])
    return show_conversation(request, query, context)


def show_conversation(request: AgentRequest, query: ListQuery, context: dict, status: int = 200) -> HttpResponse:
    strip = pages.strip_context(request, query, selected=context["conversation"].pk)
    return render(request, "tickets/inbox.html", {**strip, **context}, status=status)


@require_GET
@agent_page
def strip(request: AgentRequest) -> HttpResponse:
    """The list strip below the search field: another view, order, filter or search. `open` is the row shown."""
    query = pages.list_query(request)
    opened = request.GET.get("open", "")
    selected = int(opened) if opened.isascii() and opened.isdecimal() else None
    return render(request, "tickets/_list.html", pages.strip_context(request, query, selected=selected))


@require_GET
@agent_page
def rows(request: AgentRequest) -> HttpResponse:
    """More rows of a list: the page after `before`, or those of `id` that belong to the list, with the counts.

    An id that is not answered does not belong to the list (any more), or is none of the user's business.
    """
    query = pages.list_query(request)
    if "before" in request.GET:
        cursor = request.GET["before"]
        return render(request, "tickets/_rows.html", pages.list_context(request, query, cursor=cursor))
    ids = [int(pk) for pk in request.GET.getlist("id") if pk.isascii() and pk.isdecimal() and len(pk) < 19]
    return render(request, "tickets/_changed_rows.html", pages.fresh_rows_context(request, query, ids))


@require_GET
@agent_page
def messages(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """A part of the thread: the page before `before`, or, without it, the newest with header, composer and details.

    `since` is the cursor of the oldest message an open page has, when it may have missed something. `first` and `last`
    are the cursors of what the reader looks at further up: that comes too, as a part of its own.
    """
    found = access.get_conversation(request.user, conversation_id, request.facts)
    if "before" in request.GET:
        size = thread_items.MOST_ITEMS if "many" in request.GET else thread_items.ITEMS_PER_PAGE
        page = thread_items.older_page(found, request.GET["before"], size)
        verdict = replies.may_send(request.user, found)
        context = {"conversation": found, "contact": found.contact, "page": page, "verdict": verdict}
        return render(request, "tickets/_items.html", context)
    since = request.GET.get("since", "")
    page = thread_items.page_back_to(found, since) if since else thread_items.newest_page(found)
    stretch = thread_items.stretch(found, request.GET.get("first", ""), request.GET.get("last", ""))
    context = {**pages.state_context(request, found), "page": page, "stretch": stretch}
    return render(request, "tickets/_changed_thread.html", context)


@require_POST
@agent_page
def read(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """The agent has looked (`upto`: the newest message seen), or wants it marked unread again (`unread`)."""
    found = access.get_conversation(request.user, conversation_id, request.facts)
    if "unread" in request.POST:
        listing.mark_unread(found)
    else:
        sender_actions.seen(request.user, found)
        listing.mark_read(found, request.POST.get("upto", ""))
    if wants_part(request):
        return HttpResponse(status=204)
    return redirect("inbox" if "unread" in request.POST else found_address(found.pk))


def found_address(conversation_id: int) -> str:
    return reverse("conversation", args=[conversation_id])
