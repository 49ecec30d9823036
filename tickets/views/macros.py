"""Macros on a conversation: the choice, what one will do, running it, and undoing that."""

from django.contrib import messages as flash
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from desk.errors import Refused
from desk.languages import joined, translated
from desk.live import versions
from tickets.models import Conversation, Macro, MacroRun
from tickets.rules import macros as rules
from tickets.rules.macros import Do
from tickets.services.conversation import access
from tickets.services.inbox import macro_runs, macro_undo, macros
from tickets.services.inbox.macro_runs import MacroRefusedError, Step
from tickets.views import pages, thread_pages
from tickets.views.base import AgentRequest, agent_page, conversation_url, parse_id, wants_part
from tickets.views.macro_forms import listed

MOST_SHOWN = 300


@require_GET
@agent_page
def choice(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """List the macros that the user may run on this conversation."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    found = macros.usable(request.user, conversation).order_by("-use_count", "key")[:MOST_SHOWN]
    context = {"conversation": conversation, "macros": listed(list(found))}
    template = "_choice.html" if wants_part(request) else "choice.html"
    return render(request, f"tickets/macros/{template}", context)


@require_GET
@agent_page
def ask(request: AgentRequest, conversation_id: int, macro_id: int) -> HttpResponse:
    """Show what a macro will do here, and what would be refused."""
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    macro = get_object_or_404(macros.usable(request.user, conversation), pk=macro_id)
    try:
        steps = macro_runs.preview(request.user, conversation, macro, timezone.get_current_timezone())
    except Refused as refused:
        return _show(request, conversation, macro, [], str(refused))
    return _show(request, conversation, macro, steps, "")


@require_POST
@agent_page
def run(request: AgentRequest, conversation_id: int, macro_id: int) -> HttpResponse:
    """Run a macro: everything or nothing; 422 with the reasons when nothing was done.

    Fields: `text` (of the reply), `client_key`, `seen` (id of the newest message that the page showed) and `shown` (the
    fingerprint of the actions that it showed).
    """
    conversation = access.get_conversation(request.user, conversation_id, request.facts)
    macro = get_object_or_404(macros.usable(request.user, conversation), pk=macro_id)
    text = request.POST.get("text")
    try:
        made = macro_runs.run(
            request.user,
            conversation,
            macro,
            timezone.get_current_timezone(),
            reply_text=text,
            client_key=request.POST.get("client_key") or None,
            seen=parse_id(request.POST.get("seen", "")),
            shown=request.POST.get("shown", ""),
        )
    except MacroRefusedError as refused:
        return _show(request, conversation, macro, refused.steps, "", status=422)
    except Refused as refused:
        return _show_again(request, conversation, macro, text, str(refused))
    return _ran(request, conversation, made)


def _show_again(
    request: AgentRequest, conversation: Conversation, macro: Macro, text: str | None, refusal: str
) -> HttpResponse:
    """Show what the macro does now, with the typed reply and the reason why it was not run."""
    macro = Macro.objects.filter(pk=macro.pk).first() or macro
    try:
        zone = timezone.get_current_timezone()
        steps = macro_runs.preview(request.user, conversation, macro, zone, reply_text=text)
    except Refused:
        steps = []
    return _show(request, conversation, macro, steps, refusal, status=422)


def _show(
    request: AgentRequest,
    conversation: Conversation,
    macro: Macro,
    steps: list[Step],
    refusal: str,
    status: int = 200,
) -> HttpResponse:
    refused = any(step.refusal for step in steps)
    context = {
        "conversation": conversation,
        "macro": macro,
        "steps": steps,
        "refusal": refusal,
        "is_refused": refused,
        "may_run": bool(steps) and (not refused or any(step.action.do is Do.REPLY for step in steps)),
        "client_key": get_random_string(24),
        "seen": macro_runs.newest_message(conversation),
        "shown": macros.fingerprint(macro),
    }
    template = "_ask.html" if wants_part(request) else "ask.html"
    return render(request, f"tickets/macros/{template}", context, status=status)


def _ran(request: AgentRequest, conversation: Conversation, run: MacroRun) -> HttpResponse:
    if not wants_part(request):
        return redirect(f"{conversation_url(conversation.pk)}?ran={run.pk}")
    return _fresh(request, conversation, {"macro_bar": bar_of(run)})


def bar_of(run: MacroRun) -> dict[str, object]:
    """Return what the bar says after a run: its words, the run to undo, and whether the page shall be left.

    It is when the conversation was marked as unread: an open page would mark it as read again.
    """
    done = joined(translated(words) for words in run.done)
    words = gettext("Macro “%(name)s” applied: %(done)s") % {"name": run.name, "done": done}
    leaves = run.macro is not None and any(one.do is Do.UNREAD for one in rules.parse(run.macro.actions))
    return {"words": words, "run": run, "leaves": leaves}


def bar_of_request(request: AgentRequest, conversation: Conversation) -> dict[str, object] | None:
    """Return the bar of the run that the address names (`ran`), for browsers without scripts."""
    run_id = parse_id(request.GET.get("ran", ""))
    run = macro_undo.get_run(request.user, conversation.pk, run_id) if run_id is not None else None
    return bar_of(run) if run else None


@require_POST
@agent_page
def undo(request: AgentRequest, conversation_id: int, run_id: int) -> HttpResponse:
    """Undo a run of the user, also one that took the conversation out of their sight; say what was put back."""
    run = macro_undo.get_run(request.user, conversation_id, run_id)
    if run is None:
        access.get_conversation(request.user, conversation_id, request.facts)
        return _say(request, conversation_id, translated(macro_undo.TOO_LATE), is_error=True)
    try:
        undone = macro_undo.undo(request.user, run)
    except Refused as refused:
        return _say(request, conversation_id, translated(str(refused)), is_error=True)
    return _say(request, conversation_id, undone_in_words(undone))


def undone_in_words(undone: macro_undo.Undone) -> str:
    """Return what an undo did and what it left, in the active language."""
    values = {
        "name": undone.name,
        "done": joined(translated(words) for words in undone.done),
        "kept": joined((translated(words) for words in undone.kept), "; "),
    }
    if not undone.kept:
        if not undone.done:
            return gettext("Macro “%(name)s” undone.") % values
        return gettext("Macro “%(name)s” undone: %(done)s.") % values
    if not undone.done:
        return gettext("Nothing of macro “%(name)s” was undone: %(kept)s.") % values
    return gettext("Macro “%(name)s” undone: %(done)s. Not undone: %(kept)s.") % values


def _say(request: AgentRequest, conversation_id: int, words: str, *, is_error: bool = False) -> HttpResponse:
    bar = {"words": words, "run": None, "is_error": is_error}
    try:
        conversation = access.get_conversation(request.user, conversation_id)
    except Http404:
        conversation = None
    if wants_part(request):
        if conversation is None:
            return _gone(request, {"macro_bar": bar})
        return _fresh(request, conversation, {"macro_bar": bar})
    (flash.error if is_error else flash.info)(request, words)
    return redirect(conversation_url(conversation_id) if conversation else "inbox")


def _fresh(request: AgentRequest, conversation: Conversation, context: dict[str, object]) -> HttpResponse:
    """Show the conversation after the change and the bar; only the bar when the user no longer sees it."""
    version = versions.version()
    facts = access.facts_for(request.user)
    try:
        fresh = access.get_conversation(request.user, conversation.pk, facts)
    except Http404:
        return _gone(request, context)
    state = pages.state_context(request.user, facts, fresh, version)
    page = thread_pages.newest_page(fresh)
    return render(request, "tickets/macros/_ran.html", {**state, "page": page, **context})


def _gone(request: AgentRequest, context: dict[str, object]) -> HttpResponse:
    response = render(request, "tickets/macros/_bar.html", context)
    response["X-Gone"] = "yes"
    return response


@require_GET
@agent_page
def bulk_choice(request: AgentRequest) -> HttpResponse:
    """List the macros for many conversations; whether one may be run is checked for each of them."""
    found = macros.offered(request.user, request.facts).order_by("-use_count", "key")[:MOST_SHOWN]
    return render(request, "tickets/macros/_bulk.html", {"macros": listed(list(found))})
