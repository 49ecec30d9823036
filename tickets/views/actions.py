"""Actions on one conversation, its ticket and its customer, each a POST: take, close, label, snooze, block and more."""

from collections.abc import Callable

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from desk.errors import Refused
from desk.live import versions
from desk.models import Department, User
from desk.sentences import sentence
from tickets.models import Conversation, CustomField, ThreadControlRequest
from tickets.services.conversation import access
from tickets.services.inbox import actions, field_values, notes, snoozes, ticket_facts
from tickets.services.page_actions import thread_control
from tickets.views import assign_question, pages, thread_pages
from tickets.views.base import AgentRequest, agent_page, conversation_url, parse_id, parse_ids, refuse, wants_part

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
        raise Refused(sentence("Choose the department or colleague to transfer this conversation to."))
    actions.transfer(request.user, conversation, department, note)


def _snooze(request: AgentRequest, conversation: Conversation) -> None:
    choice, wall = request.POST.get("until", ""), request.POST.get("at", "")
    snoozes.snooze_by_choice(request.user, conversation, choice, wall, timezone.get_current_timezone())


def get_colleague(number: str) -> User:
    """Return the user with the id that `number` spells. Raise Refused when there is none."""
    user_id = parse_id(number)
    colleague = User.objects.filter(pk=user_id).first() if user_id is not None else None
    if colleague is None:
        raise Refused(sentence("This colleague does not exist any more. Choose another one."))
    return colleague


def _change(request: AgentRequest, conversation: Conversation, changes: ticket_facts.Changes) -> None:
    """Change the ticket that the page shows, although a newer one may have been opened meanwhile."""
    ticket_facts.change(request.user, conversation, changes, parse_id(request.POST.get("ticket", "")))


def _set_priority(request: AgentRequest, conversation: Conversation) -> None:
    _change(request, conversation, ticket_facts.Changes(priority=request.POST.get("priority", "")))


def _set_subject(request: AgentRequest, conversation: Conversation) -> None:
    _change(request, conversation, ticket_facts.Changes(subject=request.POST.get("subject", "")))


def _add_label(request: AgentRequest, conversation: Conversation) -> None:
    _change(request, conversation, ticket_facts.Changes(add=_label_ids(request)))


def _remove_label(request: AgentRequest, conversation: Conversation) -> None:
    _change(request, conversation, ticket_facts.Changes(remove=_label_ids(request)))


def _label_ids(request: AgentRequest) -> list[int]:
    if (ids := parse_ids(request.POST.getlist("label"))) != []:
        return ids
    raise Refused(sentence("Choose a label."))


def _set_field(request: AgentRequest, conversation: Conversation) -> None:
    """Write into the field whose button was pressed; each field of the details has an input of its own."""
    of, _, key = request.POST.get("field", "").partition("-")
    given = {key: request.POST.get(f"field-{key}", "")}
    if of == CustomField.Of.CONTACT:
        field_values.change_contact(request.user, conversation.contact, given)
    else:
        ticket = parse_id(request.POST.get("ticket", ""))
        field_values.change_ticket(request.user, conversation, given, ticket)


def _control(request: AgentRequest, conversation: Conversation, action: str) -> None:
    thread_control.request(request.user, conversation, action)


def _end_access(request: AgentRequest, conversation: Conversation) -> None:
    notes.end_access(request.user, conversation, get_colleague(request.POST.get("reader", "")))


ACTIONS: dict[str, Callable[[AgentRequest, Conversation], None]] = {
    "take": _take,
    "take-after-reply": lambda request, conversation: actions.take_after_reply(request.user, conversation),
    "leave-unassigned": assign_question.leave_unassigned,
    "assign": _assign,
    "transfer": _transfer,
    "close": lambda request, conversation: actions.close(request.user, conversation),
    "reopen": lambda request, conversation: actions.reopen(request.user, conversation),
    "snooze": _snooze,
    "wake": lambda request, conversation: snoozes.wake(request.user, conversation),
    "block": lambda request, conversation: actions.block(request.user, conversation),
    "unblock": lambda request, conversation: actions.unblock(request.user, conversation),
    "priority": _set_priority,
    "subject": _set_subject,
    "add-label": _add_label,
    "remove-label": _remove_label,
    "field": _set_field,
    "tell-meta": lambda request, conversation: actions.retry_block(conversation),
    "end-access": _end_access,
    "take-control": lambda request, conversation: _control(request, conversation, ControlAction.TAKE),
    "request-control": lambda request, conversation: _control(request, conversation, ControlAction.REQUEST),
}


@require_POST
@agent_page
def act(request: AgentRequest, conversation_id: int, action: str) -> HttpResponse:
    """Do the action, then show the conversation, or the list when the user may not see the conversation any more."""
    if action not in ACTIONS:
        raise Http404("There is no such action.")  # English only: no page shows it
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    try:
        access.require_work(request.facts, conversation)
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
    context = {
        **pages.state_context(request.user, facts, fresh, version),
        "page": thread_pages.newest_page(fresh),
        "asked_to_assign": action == "leave-unassigned",
    }
    return render(request, "tickets/_changed_thread.html", context)
