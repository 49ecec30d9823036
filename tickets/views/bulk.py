"""Work on the rows that were selected in the list: who may be chosen for it, and doing it."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages as flash
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from desk.errors import Refused
from desk.models import User
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import actions, bulk_actions, listing
from tickets.views import pages
from tickets.views.base import AgentRequest, agent_page, wants_part

Act = Callable[[Conversation], object]


def _assign(request: AgentRequest) -> tuple[str, Act]:
    chosen = request.POST.get("assignee", "")
    if chosen == "":
        return "unassigned", lambda row: actions.assign(request.user, row, None)
    colleague = User.objects.filter(pk=int(chosen)).first() if chosen.isascii() and chosen.isdecimal() else None
    if colleague is None:
        raise Refused("This colleague does not exist any more. Choose another one.")
    return f"assigned to {colleague}", lambda row: actions.assign(request.user, row, colleague)


# What is asked for: how the result calls it, and what is done to each conversation.
ACTS: dict[str, Callable[[AgentRequest], tuple[str, Act]]] = {
    "take": lambda request: ("assigned to you", lambda row: actions.assign(request.user, row, request.user)),
    "assign": _assign,
    "close": lambda request: ("closed", lambda row: actions.close(request.user, row)),
    "reopen": lambda request: ("reopened", lambda row: actions.reopen(request.user, row)),
    "read": lambda request: ("marked as read", listing.mark_read),
    "unread": lambda request: ("marked as unread", listing.mark_unread),
}


@require_POST
@agent_page
def act(request: AgentRequest) -> HttpResponse:
    """Do `do` to each `id`; answers the fresh rows and a sentence that says what was done and what was not."""
    if (chosen := request.POST.get("do", "")) not in ACTS:
        raise Http404("There is no such action.")
    query = pages.list_query(request)
    ids = [int(pk) for pk in request.POST.getlist("id") if pk.isascii() and pk.isdecimal() and len(pk) < 19]
    try:
        word, act_on = ACTS[chosen](request)
        outcome = bulk_actions.run(request.user, ids, act_on)
    except Refused as refused:
        if wants_part(request):
            return render(request, "tickets/_refusal.html", {"sentence": str(refused)}, status=422)
        flash.error(request, str(refused))
        return redirect("inbox")
    sentence = outcome.sentence(word)
    if wants_part(request):
        context = pages.fresh_rows_context(request, query, ids)
        return render(request, "tickets/_changed_rows.html", {**context, "sentence": sentence})
    flash.info(request, sentence)
    return redirect(f"{reverse('inbox')}?{urlencode(query.parameters())}")


@require_GET
@agent_page
def colleagues(request: AgentRequest) -> HttpResponse:
    """Who may be given conversations of the channels this agent sees; whether this one is asked per conversation."""
    channels = access.channels_for(request.user, request.facts)
    agents = User.objects.filter(is_active=True, agent__isnull=False).exclude(pk=request.user.pk)
    here = agents.filter(agent__channels__in=channels) | agents.filter(agent__departments__channels__in=channels)
    found = here.distinct().select_related("agent").order_by("first_name", "username")[: pages.MOST_COLLEAGUES]
    return render(request, "tickets/_bulk_colleagues.html", {"colleagues": found})
