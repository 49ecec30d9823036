"""Actions on the conversations selected in the list, and the colleagues they can be assigned to."""

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
from tickets.views.actions import get_colleague
from tickets.views.base import AgentRequest, agent_page, parse_ids, refuse, wants_part

ConversationAction = Callable[[Conversation], object]


def _assign(request: AgentRequest) -> tuple[str, ConversationAction]:
    colleague_id = request.POST.get("assignee", "")
    if colleague_id == "":
        return "unassigned", lambda row: actions.assign(request.user, row, None)
    colleague = get_colleague(colleague_id)
    return f"assigned to {colleague}", lambda row: actions.assign(request.user, row, colleague)


# Action → the word for it in the result, and the function for each conversation.
BULK_ACTIONS: dict[str, Callable[[AgentRequest], tuple[str, ConversationAction]]] = {
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
    """Do the action `do` to each `id`; answer the new rows and a sentence that says what was done and what was not."""
    if (name := request.POST.get("do", "")) not in BULK_ACTIONS:
        raise Http404("There is no such action.")
    query = pages.list_query(request)
    ids = parse_ids(request.POST.getlist("id"))
    try:
        word, action = BULK_ACTIONS[name](request)
        result = bulk_actions.run(request.user, ids, action)
    except Refused as refused:
        return refuse(request, str(refused), "inbox")
    sentence = result.sentence(word)
    if wants_part(request):
        context = pages.fresh_rows_context(request, query, ids)
        return render(request, "tickets/_changed_rows.html", {**context, "sentence": sentence})
    flash.info(request, sentence)
    return redirect(f"{reverse('inbox')}?{urlencode(query.parameters())}")


@require_GET
@agent_page
def colleagues(request: AgentRequest) -> HttpResponse:
    """List the agents of the channels this user sees and of their departments, without the user.

    Whether one of them can be given a certain conversation is checked for each conversation when it is assigned.
    """
    channels = access.channels_for(request.user, request.facts)
    agents = User.objects.filter(is_active=True, agent__isnull=False).exclude(pk=request.user.pk)
    here = agents.filter(agent__channels__in=channels) | agents.filter(agent__departments__channels__in=channels)
    listed = here.distinct().select_related("agent").order_by("first_name", "username")[: pages.MAX_COLLEAGUES]
    return render(request, "tickets/_bulk_colleagues.html", {"colleagues": listed})
