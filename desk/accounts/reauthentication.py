"""Ask for the password again before what is dangerous in the hands of somebody who finds an open page."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows import login, reauthentication
from allauth.core.internal.httpkit import serialize_request
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from desk.accounts import kept_forms, sessions
from desk.models import User
from desk.sentences import sentence

P = ParamSpec("P")
R = TypeVar("R", bound=HttpRequest)
NO_PASSWORD = sentence("This needs your password again, and your account has none. Ask an administrator for one.")
LEFT_OUT = ("HTTP_COOKIE", "HTTP_X_REQUESTED_WITH", "HTTP_AUTHORIZATION")


def record_login(request: HttpRequest, user: User, **_signal: Any) -> None:
    """Begin the session's limits, and count the login as the password being given. A receiver of `user_logged_in`."""
    sessions.start(request.session)
    kept_forms.discard_of_others(request.session, user)
    records = login.get_authentication_records(request, user)
    method = records[-1]["method"] if records else "password"
    login.record_authentication(request, user, method=method, reauthenticated=True)


def recent_password_required(
    view: Callable[Concatenate[R, P], HttpResponse],
) -> Callable[Concatenate[R, P], HttpResponse]:
    """Let a POST reach the view only when the password was given in the last minutes; otherwise ask for it.

    The POST is kept in the session and carried out after that: nothing that was typed is lost. Uploaded files are not
    kept.
    """

    @wraps(view)
    def wrapped(request: R, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        return ask(request) if is_needed(request) else view(request, *args, **kwargs)

    return wrapped


def is_needed(request: HttpRequest) -> bool:
    """Return whether the password must be asked for before this request is carried out."""
    return request.method == "POST" and not reauthentication.did_recently_reauthenticate(request)


def is_due(request: HttpRequest) -> bool:
    """Return whether the password must be asked for before a page is shown whose form must not be kept meanwhile."""
    return not reauthentication.did_recently_reauthenticate(request)


def ask_first(request: HttpRequest) -> HttpResponse:
    """Redirect to the page that asks for the password, and from there to this one.

    A POST is not carried out after that: its fields are kept without passwords, and shown with a button to save them.
    """
    user = request.user
    is_kept = request.method == "POST" and isinstance(user, User) and kept_forms.keep(request, user.pk)
    return _redirect(request, reverse("kept_form") if is_kept else request.path)


def ask(request: HttpRequest) -> HttpResponse:
    """Keep the POST, and redirect to the page that asks for the password. Raise PermissionDenied without one."""
    # Without the query, which allauth would compare with the path. It is part of what is kept.
    answer = _redirect(request, request.path)
    kept = json.loads(serialize_request(request))
    for name in LEFT_OUT:  # credentials that need not be stored, and what would make the answer a part of a page
        kept["META"].pop(name, None)
    request.session[reauthentication.STATE_SESSION_KEY] = {"request": json.dumps(kept)}
    return answer


def _redirect(request: HttpRequest, target: str) -> HttpResponse:
    methods = get_adapter().get_reauthentication_methods(request.user)
    if not methods:
        raise PermissionDenied(NO_PASSWORD)
    return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({'next': target})}")
