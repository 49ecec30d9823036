"""Who is here: the agent's own presence, who looks at a conversation, what came in for this agent, whom to jump to."""

import re

from django.http import HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from desk.models import Agent, User
from tickets.services.conversation import access
from tickets.services.inbox import listing, notifications, presence, viewers
from tickets.services.inbox.listing import ListQuery
from tickets.views.base import AgentRequest, agent_page, wants_part

PAGE_KEY = re.compile(r"[0-9a-f]{32}")
MOST_NAMED = 3
MOST_FOUND = 6


@require_POST
@agent_page
def me(request: AgentRequest) -> HttpResponse:
    """The agent's own presence and whether Enter sends; each alone or both."""
    agent = Agent.objects.filter(user=request.user).first()
    if agent is None:
        return redirect("inbox")
    presence.set_presence(agent, request.POST.get("presence", ""))
    if request.POST.get("sends_with_enter") in ("yes", "no"):
        agent.sends_with_enter = request.POST["sends_with_enter"] == "yes"
        agent.save(update_fields=["sends_with_enter"])
    return HttpResponse(status=204) if wants_part(request) else redirect("inbox")


@require_http_methods(["GET", "POST"])
@agent_page
def onlookers(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Who else has the conversation open. A POST says first that this page does, or no longer (`gone`).

    `page` is the page's own key, `typing` is yes while a reply is being typed.
    """
    # a heartbeat of every open page: without all that a page shows of the conversation
    conversation = get_object_or_404(access.conversations_for(request.user, request.facts), pk=conversation_id)
    if request.method == "POST":
        page_key = request.POST.get("page", "")
        if not PAGE_KEY.fullmatch(page_key):
            return HttpResponseBadRequest("The page has no key.", content_type="text/plain")
        if "gone" in request.POST:
            viewers.close_page(request.user, conversation, page_key)
            return HttpResponse(status=204)
        viewers.open_page(request.user, conversation, page_key, typing=request.POST.get("typing") == "yes")
    here = viewers.viewers_of(conversation, other_than=request.user)
    typing = [one.user for one in here if one.is_typing]
    watching = [one.user for one in here if not one.is_typing]
    context = {"onlookers": here[:MOST_NAMED], "typing": _names(typing), "watching": _names(watching)}
    context |= {"several_type": len(typing) > 1, "several_watch": len(watching) > 1}
    return render(request, "tickets/_viewers.html", context)


def _names(users: list[User]) -> str:
    """Ann · Ann and Ben · Ann, Ben and 2 others."""
    names = [str(user) for user in users]
    if len(names) > MOST_NAMED:
        names[MOST_NAMED - 1 :] = [f"{len(names) - MOST_NAMED + 1} others"]
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


@require_GET
@agent_page
def newest(request: AgentRequest) -> JsonResponse:
    """What customers wrote after message `since` in conversations of this agent or of nobody, for notifications."""
    since = request.GET.get("since", "")
    told = notifications.since(
        request.user, request.facts, int(since) if since.isascii() and since.isdecimal() else None
    )
    return JsonResponse({"newest": told.newest, "messages": told.messages})


@require_GET
@agent_page
def find(request: AgentRequest) -> HttpResponse:
    """People and tickets for the command bar: the conversations a search for `q` finds, newest first."""
    query = ListQuery.parse({"q": request.GET.get("q", "")})
    found = []
    if query.search:
        rows = listing.matching(request.facts, request.user, query)
        found = listing.page_of(rows, query.order)[0][:MOST_FOUND]
    return render(request, "tickets/_command_results.html", {"found": found})
