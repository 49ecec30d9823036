"""What the pages of the workspace share: the check before each view, refusals, and numbers out of a request."""

import zoneinfo
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, cast

from django.conf import settings
from django.contrib import messages as flash
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from desk.requests import UserRequest
from tickets.models import SavedView
from tickets.services.conversation.access import UserFacts, facts_for

TIME_ZONE_COOKIE = "desk_zone"  # written by static/desk/js/clock.js
MAX_ID_DIGITS = 18  # any number this long fits into the database's 64 bits


class AgentRequest(UserRequest):
    """The request of an agent page; `facts` decide which conversations the user may see.

    `saved_views` are read when they are first asked for (`pages.saved_of`).
    """

    facts: UserFacts
    saved_views: list[SavedView]


def agent_page(
    view: Callable[Concatenate[AgentRequest, ...], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, ...], HttpResponseBase]:
    """Make a view a page of the workspace: for logged-in users, with times in the zone of their browser.

    Anybody else is redirected to the login page, or gets 401 with the address of the login page in `HX-Redirect` when a
    script requested a part of a page.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            if wants_part(request):
                return HttpResponse(status=401, headers={"HX-Redirect": resolve_url(settings.LOGIN_URL)})
            return redirect_to_login(request.get_full_path())
        agent_request = cast(AgentRequest, request)  # Django made it; the lines around make it what the type says
        agent_request.facts = facts_for(agent_request.user)
        with timezone.override(time_zone_of(request.COOKIES)):
            response = view(agent_request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request", "Cookie"])  # English only: names of headers
        return response

    return wrapped


def wants_part(request: HttpRequest) -> bool:
    """Return whether a script requested this, to put the response into an open page."""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def refuse(request: HttpRequest, sentence: str, to: str) -> HttpResponse:
    """Answer with the reason why nothing was done: 422 for a script, else a message on the page `to` (URL or name)."""
    if wants_part(request):
        return render(request, "tickets/_refusal.html", {"sentence": sentence}, status=422)
    flash.error(request, sentence)
    return redirect(to)


def conversation_url(conversation_id: int) -> str:
    """Return the address of a conversation in the inbox."""
    return reverse("conversation", args=[conversation_id])


def page_of(request: HttpRequest, conversation_id: int) -> str:
    """Return the address of the page on which a form of a message was: a ticket's own page, or the conversation."""
    ticket = parse_id(request.POST.get("shown_ticket", ""))
    return reverse("ticket", args=[ticket]) if ticket else conversation_url(conversation_id)


def parse_id(text: str) -> int | None:
    """Return the primary key that `text` spells, or None when it is no number or too long for the database."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS else None


def parse_ids(texts: list[str]) -> list[int]:
    """Return the primary keys that `texts` spell, without those that are none."""
    return [pk for text in texts if (pk := parse_id(text)) is not None]


def time_zone_of(cookies: Mapping[str, str]) -> zoneinfo.ZoneInfo:
    """Return the time zone that the browser's cookie names, or TIME_ZONE when it names none that exists."""
    name = cookies.get(TIME_ZONE_COOKIE, "")
    try:
        return zoneinfo.ZoneInfo(name) if name else zoneinfo.ZoneInfo(settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # ValueError and OSError: a name that is a path or has odd characters
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)
