"""The agent's own presence, the viewers of a conversation, new messages to notify of, and the command bar's search."""

import re

from django.http import HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from desk.languages import joined
from desk.models import Agent, User
from tickets.services.conversation import access
from tickets.services.inbox import list_pages, listing, notifications, presence, viewers
from tickets.services.inbox.listing import ListQuery
from tickets.views.base import AgentRequest, agent_page, parse_id, wants_part

PAGE_KEY = re.compile(r"[0-9a-f]{32}")
MAX_NAMES = 3
MAX_RESULTS = 6


@require_POST
@agent_page
def me(request: AgentRequest) -> HttpResponse:
    """Save the agent's own presence (`presence`), whether Enter sends (`sends_with_enter`), or both.

    Without scripts, the page `next` is shown again.
    """
    agent = Agent.objects.filter(user=request.user).first()
    if agent is None:
        return redirect("inbox")
    presence.set_presence(agent, request.POST.get("presence", ""))
    if request.POST.get("sends_with_enter") in ("yes", "no"):
        agent.sends_with_enter = request.POST["sends_with_enter"] == "yes"
        agent.save(update_fields=["sends_with_enter"])
    following = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(following, allowed_hosts=None)
    return HttpResponse(status=204) if wants_part(request) else redirect(following if is_ours else "inbox")


@require_http_methods(["GET", "POST"])
@agent_page
def conversation_viewers(request: AgentRequest, conversation_id: int) -> HttpResponse:
    """Show the other viewers of the conversation. A POST first adds this page to them, or with `gone` removes it.

    `page` is the key of the open page; `typing` is "yes" while the agent types a reply.
    """
    # every open page requests this every few seconds: the conversation is read without its related rows
    conversation = get_object_or_404(access.conversations_for(request.user, request.facts), pk=conversation_id)
    if request.method == "POST":
        page_key = request.POST.get("page", "")
        if not PAGE_KEY.fullmatch(page_key):
            reason = "The page has no key."  # English only: no page of Desk sends such a request
            return HttpResponseBadRequest(reason, content_type="text/plain")
        if "gone" in request.POST:
            viewers.close_page(request.user, conversation, page_key)
            return HttpResponse(status=204)
        viewers.open_page(request.user, conversation, page_key, typing=request.POST.get("typing") == "yes")
    others = viewers.viewers_of(conversation, other_than=request.user)
    typing = [viewer.user for viewer in others if viewer.is_typing]
    watching = [viewer.user for viewer in others if not viewer.is_typing]
    context = {
        "viewers": others[:MAX_NAMES],
        "typing": _names(typing),
        "watching": _names(watching),
        "typing_count": len(typing),
        "watching_count": len(watching),
    }
    return render(request, "tickets/_viewers.html", context)


def _names(users: list[User]) -> str:
    """Return the names in a phrase: "Ann", "Ann and Ben", "Ann, Ben and 2 others"."""
    names = [str(user) for user in users]
    if len(names) > MAX_NAMES:
        count = len(names) - MAX_NAMES + 1
        names[MAX_NAMES - 1 :] = [ngettext("%(count)s other", "%(count)s others", count) % {"count": count}]
    if len(names) < 2:
        return "".join(names)
    return gettext("%(names)s and %(last)s") % {"names": joined(names[:-1]), "last": names[-1]}


@require_GET
@agent_page
def newest(request: AgentRequest) -> JsonResponse:
    """Return the customer messages to notify of: after message `since`, in this agent's or unassigned conversations."""
    since = parse_id(request.GET.get("since", ""))
    new = notifications.since(request.user, request.facts, since)
    return JsonResponse({"newest": new.newest, "messages": new.messages})


@require_GET
@agent_page
def find(request: AgentRequest) -> HttpResponse:
    """Show the conversations that a search for `q` finds, newest first, in the command bar."""
    query = ListQuery.parse({"q": request.GET.get("q", "")})
    results = []
    if query.search:
        matching = listing.matching(request.facts, request.user, query)
        results = list_pages.page_of(matching, query.order)[0][:MAX_RESULTS]
    return render(request, "tickets/_command_results.html", {"found": results})
