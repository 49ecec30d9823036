"""Actions on one conversation, each a POST: take, assign, transfer, close, reopen, block, control."""

from collections.abc import Callable

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from desk.errors import Refused
from desk.live import versions
from desk.models import Department, User
from tickets.models import Conversation, ThreadControlRequest
from tickets.services.conversation import access
from tickets.services.inbox import actions
from tickets.services.page_actions import thread_control
from tickets.views import pages, thread_items
from tickets.views.base import AgentRequest, agent_page, conversation_url, parse_id, refuse, wants_part

ControlAction = ThreadControlRequest.Action


def _take(request: AgentRequest, conversation: Conversation) -> None:
    actions.assign(request.user, conversation, request.user)


def _assign(request: AgentRequest, conversation: Conversation) -> None:
    colleague_id = request.POST.get("assignee", "")
    actions.assign(request.user, conversation, get_colleague(colleague_id) if colleague_id else None)


def _transfer(request: AgentRequest, conversation: Conversation) -> None:
    kind, _, number = request.POST.get("to", "").partition("-")
    note = request.POST.get("note", "")
    if kind == "colleague":
        actions.assign_with_note(request.user, conversation, get_colleague(number), note)
        return
    department_id = parse_id(number) if kind == "department" else None
    department = Department.objects.filter(pk=department_id).first() if department_id is not None else None
    if department is None:
        raise Refused("Choose the department or colleague to transfer this conversation to.")
    actions.transfer(request.user, conversation, department, note)


def get_colleague(number: str) -> User:
    """Return the user with the id that `number` spells. Raise Refused when there is none."""
    user_id = parse_id(number)
    colleague = User.objects.filter(pk=user_id).first() if user_id is not None else None
    if colleague is None:
        raise Refused("This colleague does not exist any more. Choose another one.")
    return colleague


def _control(request: AgentRequest, conversation: Conversation, action: str) -> None:
    thread_control.request(request.user, conversation, action)


ACTIONS: dict[str, Callable[[AgentRequest, Conversation], None]] = {
    "take": _take,
    "assign": _assign,
    "transfer": _transfer,
    "close": lambda request, conversation: actions.close(request.user, conversation),
    "reopen": lambda request, conversation: actions.reopen(request.user, conversation),
    "block": lambda request, conversation: actions.block(request.user, conversation),
    "unblock": lambda request, conversation: actions.unblock(request.user, conversation),
    "tell-meta": lambda request, conversation: actions.retry_block(conversation),
    "take-control": lambda request, conversation: _control(request, conversation, ControlAction.TAKE),
    "request-control": lambda request, conversation: _control(request, conversation, ControlAction.REQUEST),
}


@require_POST
@agent_page
def act(request: AgentRequest, conversation_id: int, action: str) -> HttpResponse:
    """Do the action, then show the conversation, or the list when the user may not see the conversation any more."""
    if action not in ACTIONS:
        raise Http404("There is no such action.")
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        ACTIONS[action](request, conversation)
    except Refused as refused:
        return refuse(request, str(refused), conversation_url(conversation.pk))
    version = versions.version()
    facts = access.facts_for(request.user)  # the action may have changed them
    try:
        fresh = access.get_conversation(request.user, conversation_id, facts)
    except Http404:
        return HttpResponse(status=204, headers={"X-Gone": "yes"}) if wants_part(request) else redirect("inbox")
    if not wants_part(request):
        return redirect(conversation_url(conversation.pk))
    context = {**pages.state_context(request.user, facts, fresh, version), "page": thread_items.newest_page(fresh)}
    return render(request, "tickets/_changed_thread.html", context)
