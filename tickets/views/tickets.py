"""Tickets beside the chat: the list with its export, and the page of one ticket with its actions."""

import tempfile
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages as flash
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from desk import exports
from desk.errors import Refused
from desk.file_response import download
from desk.live import versions
from desk.sentences import sentence
from tickets.models import Conversation, Ticket, TicketChange
from tickets.services.conversation import access
from tickets.services.inbox import actions, labels, ticket_changes, ticket_facts, ticket_links, ticket_list
from tickets.services.inbox.ticket_list import ORDERS, TicketQuery
from tickets.services.outgoing import replies
from tickets.views import pages, thread_pages, ticket_choices
from tickets.views.base import AgentRequest, agent_page, conversation_url, parse_id, parse_ids, refuse, wants_part

MAX_RELATED = 10  # earlier and later tickets of the customer
NO_SUCH_TICKET = sentence("There is no such ticket, or you may not see it.")


# --- The list ---------------------------------------------------------------------------------------------------------
@require_GET
@agent_page
def tickets(request: AgentRequest) -> HttpResponse:
    """Show the list of tickets; `before` is the cursor of a further page."""
    query = TicketQuery.parse(request.GET)
    rows = ticket_list.matching(request.user, request.facts, query)
    page, cursor = ticket_list.page_of(rows, query.order, request.GET.get("before", ""), are_few=bool(query.search))
    following = urlencode({**query.parameters(), "before": cursor}) if cursor else ""
    context = {
        "query": query,
        "tickets": page,
        "following": following,
        "is_first": "before" not in request.GET,
        "first_page": urlencode(query.parameters()),
        "orders": ORDERS,
        **ticket_choices.context(request, query),
    }
    return render(request, "tickets/ticket_list.html", context)


@require_POST
@agent_page
def export(request: AgentRequest) -> HttpResponseBase:
    """Send the list as a CSV file. A POST, because the history says who exported what."""
    query = TicketQuery.parse(request.POST)
    try:
        with exports.turn(request.user.pk):
            file = _export_file(request, query)
    except exports.BusyError as busy:
        return refuse(request, str(busy), "tickets")
    return download(request, file, f"tickets {timezone.localdate():%Y-%m-%d}.csv", "text/csv; charset=utf-8")


def _export_file(request: AgentRequest, query: TicketQuery) -> IO[bytes]:
    file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - the response closes it
    try:
        for line in ticket_list.csv_lines(request.user, request.facts, query):
            file.write(line)
        ticket_list.record_export(request.user, query)
    except BaseException:
        file.close()
        raise
    return file


# --- One ticket -------------------------------------------------------------------------------------------------------
def get_ticket(request: AgentRequest, number: int) -> Ticket:
    """Return the ticket with its conversation. Raises Http404 when there is none, or the user may not see it."""
    visible = ticket_list.visible(request.user, request.facts).select_related(
        *ticket_list.RELATED, "conversation__department", "conversation__assignee", "conversation__contact__page"
    )
    ticket = visible.filter(pk=number).first()
    if ticket is None:
        raise Http404(NO_SUCH_TICKET)
    return ticket


@require_GET
@agent_page
def ticket(request: AgentRequest, number: int) -> HttpResponse:
    """Show a ticket, the page of its messages before the cursor `before`; a merged one leads to its successor."""
    try:
        shown = get_ticket(request, number)
    except Http404:
        successor = ticket_changes.successor_of(number)
        if successor is None:
            raise
        get_ticket(request, successor)  # a stranger does not learn that it was merged
        text = gettext("Ticket #%(number)s is part of ticket #%(other)s now.")
        flash.info(request, text % {"number": number, "other": successor})
        return redirect("ticket", successor)
    ticket_list.add_counts([shown])
    conversation = shown.conversation
    context = {
        "ticket": shown,
        "conversation": conversation,
        "contact": conversation.contact,
        "channel": conversation.channel,
        "page": thread_pages.ticket_page(shown, request.GET.get("before", "")),
        "is_newest_page": "before" not in request.GET,
        "verdict": replies.may_send_in(request.user, conversation, request.facts),
        "is_read_only": True,
        **_facts_context(request, shown),
    }
    return render(request, "tickets/ticket.html", context)


def _facts_context(request: AgentRequest, shown: Ticket) -> dict[str, Any]:
    conversation = shown.conversation
    present = list(shown.labels.all())
    offered = labels.offered(conversation).exclude(pk__in=[label.pk for label in present])
    visible = ticket_list.visible(request.user, request.facts)
    theirs = access.conversations_for(request.user, request.facts).filter(contact=conversation.contact_id)
    # By their numbers: with a condition on the contact the database may read the tickets of all customers in order.
    of_customer = Ticket.objects.filter(conversation__in=list(theirs.values_list("pk", flat=True)))
    of_customer = of_customer.exclude(pk=shown.pk)
    changes = TicketChange.objects.filter(conversation=conversation, undone_at=None).select_related("by")
    return {
        "may_work": access.may_work_in(request.facts, conversation),
        "labels": present,
        "other_labels": list(offered),
        "priorities": Ticket.Priority,
        "subject_limit": ticket_facts.SUBJECT_LIMIT,
        "earlier": list(of_customer.filter(opened_at__lte=shown.opened_at).order_by("-opened_at", "-pk")[:MAX_RELATED]),
        "later": list(of_customer.filter(opened_at__gt=shown.opened_at).order_by("opened_at", "pk")[:MAX_RELATED]),
        "linked": list(visible.filter(pk__in=[each.pk for each in ticket_links.linked_to(shown.pk)]).order_by("pk")),
        "before_this": ticket_changes.earlier_ticket(shown),
        "changes": [change for change in changes.order_by("-pk") if shown.pk in (change.earlier, change.later)],
    }


def _change(request: AgentRequest, shown: Ticket, changes: ticket_facts.Changes) -> None:
    ticket_facts.change(request.user, shown.conversation, changes, shown.pk)


def _facts(request: AgentRequest, shown: Ticket) -> None:
    post = request.POST
    _change(request, shown, ticket_facts.Changes(priority=post.get("priority"), subject=post.get("subject")))


def _state(act: Callable[..., None]) -> Callable[[AgentRequest, Ticket], None]:
    def run(request: AgentRequest, shown: Ticket) -> None:
        act(request.user, shown.conversation, shown.pk)

    return run


def _merge(request: AgentRequest, shown: Ticket) -> None:
    ticket_changes.merge(request.user, shown.conversation, shown.pk)


def _link(request: AgentRequest, shown: Ticket) -> None:
    ticket_links.link(request.user, shown, ticket_links.parse_number(request.POST.get("number", "")))


def _unlink(request: AgentRequest, shown: Ticket) -> None:
    ticket_links.unlink(request.user, shown, ticket_links.parse_number(request.POST.get("number", "")))


def _undo(request: AgentRequest, shown: Ticket) -> None:
    ticket_changes.undo(request.user, shown.conversation, parse_id(request.POST.get("change", "")) or 0)


ACTIONS: dict[str, Callable[[AgentRequest, Ticket], None]] = {
    "facts": _facts,
    "add-label": lambda request, shown: _change(
        request, shown, ticket_facts.Changes(add=parse_ids(request.POST.getlist("label")))
    ),
    "remove-label": lambda request, shown: _change(
        request, shown, ticket_facts.Changes(remove=parse_ids(request.POST.getlist("label")))
    ),
    "close": _state(actions.close),
    "reopen": _state(actions.reopen),
    "merge": _merge,
    "undo": _undo,
    "link": _link,
    "unlink": _unlink,
}


@require_POST
@agent_page
def act(request: AgentRequest, number: int, action: str) -> HttpResponse:
    """Do the action and show the ticket again, or the one that has its messages now."""
    if action not in ACTIONS:
        raise Http404("There is no such action.")  # English only: no page shows it
    shown = get_ticket(request, number)
    try:
        access.require_work(request.facts, shown.conversation)
        ACTIONS[action](request, shown)
    except Refused as refused:
        return refuse(request, str(refused), reverse("ticket", args=[number]))
    if Ticket.objects.filter(pk=number).exists():
        return redirect("ticket", number)
    return redirect("ticket", ticket_changes.successor_of(number) or number)


# --- In the thread ----------------------------------------------------------------------------------------------------
def _split_at(request: AgentRequest, conversation: Conversation) -> TicketChange | None:
    message = parse_id(request.POST.get("message", "")) or 0
    return ticket_changes.split(request.user, conversation, message)


def _merge_in(request: AgentRequest, conversation: Conversation) -> TicketChange | None:
    return ticket_changes.merge(request.user, conversation, parse_id(request.POST.get("merged", "")) or 0)


def _undo_in(request: AgentRequest, conversation: Conversation) -> TicketChange | None:
    ticket_changes.undo(request.user, conversation, parse_id(request.POST.get("change", "")) or 0)
    return None


THREAD_ACTIONS: dict[str, Callable[[AgentRequest, Conversation], TicketChange | None]] = {
    "split": _split_at,
    "merge": _merge_in,
    "undo": _undo_in,
}


@require_POST
@agent_page
def act_in_thread(request: AgentRequest, conversation_id: int, action: str) -> HttpResponse:
    """Split, merge or undo in the open conversation, then show it with a bar to undo what was done."""
    if action not in THREAD_ACTIONS:
        raise Http404("There is no such action.")  # English only: no page shows it
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        change = THREAD_ACTIONS[action](request, conversation)
    except Refused as refused:
        return refuse(request, str(refused), conversation_url(conversation.pk))
    if not wants_part(request):
        return redirect(conversation_url(conversation.pk))
    version = versions.version()
    fresh = access.get_conversation(request.user, conversation_id, request.facts)
    context = {**pages.state_context(request.user, request.facts, fresh, version), "done": change}
    # All that the page shows: dividers further up change too.
    since = request.POST.get("since", "")
    context["page"] = thread_pages.page_since(fresh, since) if since else thread_pages.newest_page(fresh)
    return render(request, "tickets/_changed_thread.html", context)
