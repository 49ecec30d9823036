"""Work on a conversation: take, assign, transfer, close, reopen, block. A POST each; the answer is the fresh state."""

from collections.abc import Callable

from django.contrib import messages as flash
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from desk.errors import Refused
from desk.models import Department, User
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import actions
from tickets.views import pages, thread_items
from tickets.views.base import AgentRequest, agent_page, wants_part
from tickets.views.inbox import found_address


def _take(request: AgentRequest, conversation: Conversation) -> None:
    actions.assign(request.user, conversation, request.user)


def _assign(request: AgentRequest, conversation: Conversation) -> None:
    chosen = request.POST.get("assignee", "")
    actions.assign(request.user, conversation, _colleague(chosen) if chosen else None)


def _transfer(request: AgentRequest, conversation: Conversation) -> None:
    kind, _, number = request.POST.get("to", "").partition("-")
    note = request.POST.get("note", "")
    if kind == "colleague":
        actions.assign_with_note(request.user, conversation, _colleague(number), note)
        return
    department = Department.objects.filter(pk=_number(number)).first() if kind == "department" else None
    if department is None:
        raise Refused("Choose the department or colleague to transfer this conversation to.")
    actions.transfer(request.user, conversation, department, note)


def _colleague(number: str) -> User:
    found = User.objects.filter(pk=_number(number)).first()
    if found is None:
        raise Refused("This colleague does not exist any more. Choose another one.")
    return found


def _number(text: str) -> int | None:
    """A primary key; None for what is none, and for what is more than the database has numbers."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


ACTIONS: dict[str, Callable[[AgentRequest, Conversation], None]] = {
    "take": _take,
    "assign": _assign,
    "transfer": _transfer,
    "close": lambda request, conversation: actions.close(request.user, conversation),
    "reopen": lambda request, conversation: actions.reopen(request.user, conversation),
    "block": lambda request, conversation: actions.block(request.user, conversation),
    "unblock": lambda request, conversation: actions.unblock(request.user, conversation),
    "tell-meta": lambda request, conversation: actions.retry_block(conversation),
}


@require_POST
@agent_page
def act(request: AgentRequest, conversation_id: int, action: str) -> HttpResponse:
    """Do it, then show the conversation; or the list, when it is none of the user's business any more."""
    if action not in ACTIONS:
        raise Http404("There is no such action.")
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        ACTIONS[action](request, conversation)
    except Refused as refused:
        if wants_part(request):
            return render(request, "tickets/_refusal.html", {"sentence": str(refused)}, status=422)
        flash.error(request, str(refused))
        return redirect(found_address(conversation.pk))
    try:
        fresh = access.get_conversation(request.user, conversation_id)
    except Http404:
        return HttpResponse(status=204, headers={"X-Gone": "yes"}) if wants_part(request) else redirect("inbox")
    if not wants_part(request):
        return redirect(found_address(conversation.pk))
    context = {**pages.state_context(request, fresh), "page": thread_items.newest_page(fresh)}
    return render(request, "tickets/_changed_thread.html", context)
