"""Keep what was typed into a form that cannot be saved now, because the session ended or the page became outdated.

The fields are kept in the browser's session for `KEPT_S`, and shown only to the user who opened the form. Who that was
follows from the form's CSRF token: each login makes a new secret, and a signed cookie tells whose secrets they were.
Another site cannot know the token, so nobody else can place a form here. Passwords, tokens, codes and files are not
kept.
"""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CSRF_SECRET_LENGTH
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from desk.languages import translated
from desk.models import User
from desk.requests import UserRequest
from desk.sentences import sentence

SALT = "desk.form-owner"
KEPT = "desk_kept_form"
KEPT_S = 30 * 60
MAX_CHARACTERS = 256 * 1024
MAX_OWNERS = 8  # logins of this browser whose forms are recognised; the newest
SECRET = re.compile(r"pass(word|code|phrase)|token|secret|credential|otp|recovery|^code$|signature", re.IGNORECASE)
#: What buttons and lists send: nobody has typed it.
CONTROLS = re.compile(
    r"^(next|post|typed_name|action\w*|_\w+|select_across|index|channel|client_key|initial-.+|.+_FORMS|csrf\w+)$"
)
NEVER = re.compile(r"/accounts/(?!email/|kept/|canned-replies/)|/admin/log(in|out)/|.*/(delete|erase|revoke)/$")
TYPED = re.compile(r"\w")
NO_LONGER = sentence("What you typed is no longer kept.")
IS_KEPT = sentence("What you typed is kept for 30 minutes. Log in as the same user to save it.")


def owner_of(request: HttpRequest) -> int | None:
    """Return the id of the user who opened the posted form in this browser, None when that is unknown."""
    return _owners(request).get(_fingerprint(_posted_secret(request)))


def keep(request: HttpRequest, owner: int) -> bool:
    """Keep the posted fields for the user `owner`; return whether there was something to keep that fits."""
    fields, left_out = _fields(request)
    size = sum(len(name) + len(value) for name, value in fields)
    is_typed = any(TYPED.search(value) and not CONTROLS.match(name) for name, value in fields)
    if NEVER.match(request.path) or not is_typed or size > MAX_CHARACTERS:
        return False
    request.session[KEPT] = {
        "owner": owner,
        "path": request.get_full_path(),
        "fields": fields,
        "left_out": left_out,
        "until": time.time() + KEPT_S,
    }
    if not request.user.is_authenticated:
        request.session.set_expiry(KEPT_S)
    return True


def login_url(request: HttpRequest) -> str:
    """Return the address of the login page, which leads to what was kept, and let it say so."""
    messages.info(request, IS_KEPT)
    return f"{reverse('account_login')}?{urlencode({'next': reverse('kept_form')})}"


def discard_of_others(session: SessionBase, user: User) -> None:
    """Delete what was kept unless this user, who logs in, typed it; the session lasts as any other again."""
    if KEPT not in session:
        return
    if session.get("_session_expiry") == KEPT_S:
        session.set_expiry(None)
    if session[KEPT]["owner"] != user.pk:
        del session[KEPT]


def find(request: HttpRequest) -> dict[str, Any] | None:
    """Return what is kept for the user of this request; delete what is too old or of somebody else."""
    kept = request.session.get(KEPT)
    if kept and (kept["owner"] != request.user.pk or kept["until"] < time.time()):
        del request.session[KEPT]
        return None
    return kept


def show(request: HttpRequest, status: int = 200) -> HttpResponse:
    """Show what was kept, with one button that saves it."""
    kept = find(request)
    if kept is None:
        messages.info(request, NO_LONGER)
        return redirect("home")
    typed = [
        (name.replace("_", " ").replace("-", " ").strip().capitalize(), value)
        for name, value in kept["fields"]
        if not CONTROLS.match(name) and re.search(r"[^\W\d]", value) and value not in ("on", "yes")
    ]
    button = gettext("Send") if kept["path"].endswith("/reply/") else gettext("Save")
    left_out = ", ".join(translated(what) for what in kept["left_out"])
    context = {"kept": kept, "typed": typed, "left_out": left_out, "button": button}
    return render(request, "account/kept_form.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def kept_form(request: UserRequest) -> HttpResponse:
    """Show what was kept; POST discards it and leads to the empty form."""
    if request.method != "POST":
        return show(request)
    kept = find(request)
    request.session.pop(KEPT, None)
    return redirect(kept["path"] if kept else "home")


class KeptForms:
    """Keep forms that arrive after the session ended, and note whose forms carry which CSRF secret."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(("/api/", "/webhooks/", "/meta/")):
            return self.get_response(request)
        has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
        before = find(request) if has_session and request.user.is_authenticated else None
        response = self.get_response(request)
        if response.status_code >= 500:
            return response
        if request.method == "POST":
            response = self._after_post(request, response, before)
        if has_session and response.status_code < 400:
            self._remember_owner(request, response)
        return response

    def _after_post(self, request: HttpRequest, response: HttpResponse, before: dict[str, Any] | None) -> HttpResponse:
        is_taken = before is not None and before["path"] == request.get_full_path() and response.status_code < 400
        if is_taken and request.session.get(KEPT) == before:
            del request.session[KEPT]  # the view has it now
        logins = (reverse("account_login"), reverse("admin:login"))
        location = response.headers.get("Location", "")  # English only: a header
        is_to_login = response.status_code == 302 and location.startswith(logins)
        if not is_to_login or request.user.is_authenticated or settings.FORM_COOKIE_NAME not in request.COOKIES:
            return response
        owner = owner_of(request)
        if owner is not None and keep(request, owner):
            return redirect(login_url(request))
        return response

    def _remember_owner(self, request: HttpRequest, response: HttpResponse) -> None:
        secret = request.META.get("CSRF_COOKIE", "")
        if not secret or not request.user.is_authenticated:
            return
        owners, mark = _owners(request), _fingerprint(secret)
        if owners.get(mark) == request.user.pk:
            return
        owners.pop(mark, None)
        newest = dict([*owners.items(), (mark, request.user.pk)][-MAX_OWNERS:])
        response.set_cookie(
            settings.FORM_COOKIE_NAME,
            signing.dumps(newest, salt=SALT),
            max_age=settings.SESSION_COOKIE_AGE,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",  # English only: a value of cookies
        )


def _fields(request: HttpRequest) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the posted fields that may be kept, and the names of those that may not: secrets and files."""
    fields = [(name, value) for name, values in request.POST.lists() for value in values]
    allowed = [(name, value) for name, value in fields if name != "csrfmiddlewaretoken" and not SECRET.search(name)]
    secrets = [name for name, value in fields if SECRET.search(name) and name != "csrfmiddlewaretoken" and value]
    files = [file.name for _name, values in request.FILES.lists() for file in values]
    left_out = [sentence("passwords and codes")] if secrets else []
    return allowed, left_out + [sentence("the file “%(name)s”", name=name) for name in files]


def _posted_secret(request: HttpRequest) -> str:
    try:
        token = request.POST.get("csrfmiddlewaretoken", "")
    except (OSError, SuspiciousOperation, BadRequest, MultiPartParserError):
        return ""  # the body broke off, or is none of a form
    if len(token) != 2 * CSRF_SECRET_LENGTH or set(token) - set(CSRF_ALLOWED_CHARS):
        return ""
    # Django's token: a random mask, and the secret moved along the alphabet by it.
    mask, masked = token[:CSRF_SECRET_LENGTH], token[CSRF_SECRET_LENGTH:]
    shifts = zip(map(CSRF_ALLOWED_CHARS.index, masked), map(CSRF_ALLOWED_CHARS.index, mask), strict=True)
    return "".join(CSRF_ALLOWED_CHARS[there - by] for there, by in shifts)


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(f"{SALT}:{secret}".encode()).hexdigest()[:32] if secret else ""


def _owners(request: HttpRequest) -> dict[str, int]:
    try:
        return signing.loads(
            request.COOKIES.get(settings.FORM_COOKIE_NAME, ""), salt=SALT, max_age=settings.SESSION_COOKIE_AGE
        )
    except signing.BadSignature:
        return {}
