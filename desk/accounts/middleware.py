"""End sessions that reached a limit, and lead users to the two-step login they must have, before any view runs."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from desk.accounts import gate, mfa, sessions
from desk.languages import translated
from desk.sentences import sentence

ENDED = sentence("Your session has ended. Log in again.")
SET_UP_MFA = sentence("Your account must be protected by a second step. Set it up to continue.")


class Gate:
    """Ask `desk.accounts.gate` about each request of a session. Every view is behind it, unless named there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Without the cookie there is no user: nothing is read from the database for webhooks and API clients.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            if sessions.has_ended(request.session, request.user):
                logout(request)
                messages.info(request, ENDED)
            elif sessions.is_activity(request):
                sessions.record_activity(request)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Answer for the view when the user must set up the two-step login first."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return None
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in gate.BEFORE_MFA or gate.admits(request.user, request.session):
            return None
        if not mfa.must_set_up(request.user):
            return redirect(settings.LOGIN_URL)
        target = reverse("mfa_index")
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=401, headers={"HX-Redirect": target})
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(translated(SET_UP_MFA), status=403, content_type="text/plain; charset=utf-8")
        return redirect(target)
