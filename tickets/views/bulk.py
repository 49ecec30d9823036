"""Actions on the conversations selected in the list, and the colleagues they can be assigned to."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages as flash
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from desk.errors import Refused
from desk.languages import joined, translated
from desk.sentences import sentence
from tickets.models import Conversation, Label
from tickets.services.inbox import (
    actions,
    bulk_actions,
    bulk_macro_undo,
    labels,
    macro_runs,
    macros,
    read_marks,
    snoozes,
    ticket_facts,
)
from tickets.views import list_filters, pages
from tickets.views.actions import get_colleague
from tickets.views.base import AgentRequest, agent_page, parse_id, parse_ids, refuse, wants_part

ConversationAction = Callable[[Conversation], object]


def _assign(request: AgentRequest) -> tuple[str, ConversationAction]:
    colleague_id = request.POST.get("assignee", "")
    if colleague_id == "":
        return sentence("unassigned"), lambda row: actions.assign(request.user, row, None)
    colleague = get_colleague(colleague_id)
    return sentence("assigned to %(name)s", name=colleague), lambda row: actions.assign(request.user, row, colleague)


def _change(request: AgentRequest, changes: ticket_facts.Changes) -> ConversationAction:
    return lambda row: ticket_facts.change(request.user, row, changes)


def _set_priority(request: AgentRequest) -> tuple[str, ConversationAction]:
    priority = request.POST.get("priority", "")
    if priority not in PRIORITY_WORDS:
        raise Refused(ticket_facts.NO_PRIORITY)
    return PRIORITY_WORDS[priority], _change(request, ticket_facts.Changes(priority=priority))


def _add_label(request: AgentRequest) -> tuple[str, ConversationAction]:
    label = _label(request)
    return sentence("label “%(name)s” added", name=label), _change(request, ticket_facts.Changes(add=[label.pk]))


def _remove_label(request: AgentRequest) -> tuple[str, ConversationAction]:
    label = _label(request)
    return sentence("label “%(name)s” removed", name=label), _change(request, ticket_facts.Changes(remove=[label.pk]))


def _label(request: AgentRequest) -> Label:
    label_id = parse_id(request.POST.get("label", ""))
    label = labels.seen_by(request.facts).filter(pk=label_id).first() if label_id is not None else None
    if label is None:
        raise Refused(ticket_facts.NOT_OFFERED)
    return label


PRIORITY_WORDS = {
    "low": sentence("set to low priority"),
    "normal": sentence("set to normal priority"),
    "high": sentence("set to high priority"),
    "urgent": sentence("set to urgent priority"),
}


def _snooze(request: AgentRequest) -> tuple[str, ConversationAction]:
    until, zone = request.POST.get("until", ""), timezone.get_current_timezone()
    return sentence("snoozed"), lambda row: snoozes.snooze_by_choice(request.user, row, until, "", zone)


def _macro(request: AgentRequest) -> tuple[str, ConversationAction]:
    macro_id, zone = parse_id(request.POST.get("macro", "")), timezone.get_current_timezone()
    offered = macros.offered(request.user, request.facts)
    macro = offered.filter(pk=macro_id).first() if macro_id is not None else None
    if macro is None:
        raise Refused(macros.GONE)
    key = request.POST.get("client_key") or None

    def run(row: Conversation) -> None:
        try:
            macro_runs.run(request.user, row, macro, zone, client_key=key)
        except macro_runs.MacroRefusedError as refused:
            raise Refused(refused.first) from None

    return sentence("changed by the macro “%(name)s”", name=macro), run


# Action → the word for it in the result, and the function for each conversation.
BULK_ACTIONS: dict[str, Callable[[AgentRequest], tuple[str, ConversationAction]]] = {
    "take": lambda request: (
        sentence("assigned to you"),
        lambda row: actions.assign(request.user, row, request.user),
    ),
    "assign": _assign,
    "close": lambda request: (sentence("closed"), lambda row: actions.close(request.user, row)),
    "reopen": lambda request: (sentence("reopened"), lambda row: actions.reopen(request.user, row)),
    "priority": _set_priority,
    "add-label": _add_label,
    "remove-label": _remove_label,
    "snooze": _snooze,
    "wake": lambda request: (sentence("woken"), lambda row: snoozes.wake(request.user, row)),
    "macro": _macro,
    "block": lambda request: (sentence("blocked"), lambda row: actions.block(request.user, row)),
    "unblock": lambda request: (sentence("unblocked"), lambda row: actions.unblock(request.user, row)),
    "read": lambda request: (sentence("marked as read"), read_marks.mark_read),
    "unread": lambda request: (sentence("marked as unread"), read_marks.mark_unread),
}


@require_POST
@agent_page
def act(request: AgentRequest) -> HttpResponse:
    """Do the action `do` to each `id`; answer the new rows and a sentence that says what was done and what was not."""
    if (name := request.POST.get("do", "")) not in BULK_ACTIONS:
        raise Http404("There is no such action.")  # English only: no page shows it
    query = pages.list_query(request)
    ids = parse_ids(request.POST.getlist("id"))
    try:
        word, action = BULK_ACTIONS[name](request)
        result = bulk_actions.run(request.user, ids, action)
    except Refused as refused:
        return refuse(request, str(refused), "inbox")
    summary = result.sentence(word)
    if wants_part(request):
        context = {**pages.fresh_rows_context(request, query, ids), "sentence": summary}
        if name == "macro" and result.done:
            context["undo_key"] = request.POST.get("client_key", "")
        return render(request, "tickets/_changed_rows.html", context)
    flash.info(request, summary)
    return redirect(f"{reverse('inbox')}?{urlencode(query.parameters())}")


@require_POST
@agent_page
def undo_macro(request: AgentRequest) -> HttpResponse:
    """Undo the user's run of a macro on many conversations; answer as `act`. Field: `client_key`, that of the run."""
    query = pages.list_query(request)
    runs = bulk_macro_undo.get_runs(request.user, request.POST.get("client_key", ""))
    try:
        undone = bulk_macro_undo.undo(request.user, runs)
    except Refused as refused:
        return refuse(request, str(refused), "inbox")
    summary = undone_in_words(undone)
    if wants_part(request):
        context = pages.fresh_rows_context(request, query, [run.conversation_id for run in runs])
        return render(request, "tickets/_changed_rows.html", {**context, "sentence": summary})
    flash.info(request, summary)
    return redirect(f"{reverse('inbox')}?{urlencode(query.parameters())}")


def undone_in_words(undone: bulk_macro_undo.UndoneTogether) -> str:
    """Return in how many conversations a run was undone, wholly or partly, and what was left, in words."""
    total, done = undone.whole + undone.partly + undone.nothing, undone.whole + undone.partly
    values = {"name": undone.name, "count": done, "total": total}
    if not done:
        words = [gettext("Nothing of macro “%(name)s” was undone.") % values]
    elif done == total:
        words = [
            ngettext(
                "Macro “%(name)s” undone in %(count)s conversation.",
                "Macro “%(name)s” undone in %(count)s conversations.",
                done,
            )
            % values
        ]
    else:
        words = [
            ngettext(
                "Macro “%(name)s” undone in %(count)s of %(total)s conversation.",
                "Macro “%(name)s” undone in %(count)s of %(total)s conversations.",
                total,
            )
            % values
        ]
    if undone.partly:
        values = {"count": undone.partly}
        words.append(
            ngettext("In %(count)s of them only in part.", "In %(count)s of them only in part.", undone.partly) % values
        )
    if undone.kept:
        reasons = [
            gettext("%(reason)s (%(count)s)") % {"reason": translated(reason).rstrip("."), "count": count}
            for reason, count in undone.kept.items()
        ]
        words.append(gettext("Not undone: %(reasons)s.") % {"reasons": joined(reasons, "; ")})
    return " ".join(words)


@require_GET
@agent_page
def colleagues(request: AgentRequest) -> HttpResponse:
    """List the agents of the channels this user sees and of their departments, without the user.

    Whether one of them can be given a certain conversation is checked for each conversation when it is assigned.
    """
    listed = list_filters.colleagues(request)
    return render(request, "tickets/_bulk_colleagues.html", {"colleagues": listed})


@require_GET
@agent_page
def label_choice(request: AgentRequest) -> HttpResponse:
    """List the labels; whether a ticket may get one is checked for each when it is added."""
    return render(request, "tickets/_bulk_labels.html", {"labels": labels.seen_by(request.facts)})
