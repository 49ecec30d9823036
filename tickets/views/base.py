"""What every page of the workspace does first: who asks, what may they see, in which time zone do they read."""

import zoneinfo
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from desk.models import User
from tickets.services.conversation.access import UserFacts, facts_for

ZONE_COOKIE = "desk_zone"  # written by static/desk/js/clock.js


class AgentRequest(HttpRequest):
    """A request of somebody who is logged in; `facts` say what they may see."""

    user: User
    facts: UserFacts


def agent_page(
    view: Callable[Concatenate[AgentRequest, ...], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, ...], HttpResponseBase]:
    """Only for people who are logged in; times in the zone of their browser; kept by no shared cache.

    A part of a page asked for by a script after the session ended gets 401 and the login's address, not the login page.
    """

    @wraps(view)
    def wrapped(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            if wants_part(request):
                return HttpResponse(status=401, headers={"HX-Redirect": resolve_url(settings.LOGIN_URL)})
            return redirect_to_login(request.get_full_path())
        request.facts = facts_for(request.user)
        with timezone.override(zone_of(request.COOKIES)):
            response = view(request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["HX-Request", "Cookie"])
        return response

    return wrapped


def wants_part(request: HttpRequest) -> bool:
    """Was this asked for by a script that puts the answer into an open page?"""
    return request.headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in request.headers


def zone_of(cookies: Mapping[str, str]) -> zoneinfo.ZoneInfo:
    """The browser's time zone as its cookie says, the installation's when that is missing or no zone."""
    name = cookies.get(ZONE_COOKIE, "")
    try:
        return zoneinfo.ZoneInfo(name) if name else zoneinfo.ZoneInfo(settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # a name with a folder or odd characters in it gives the last two
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)
