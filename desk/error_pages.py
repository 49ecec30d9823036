"""The pages for errors: what happened, what to do, and a way back, with the right status.

They need no query and no list of static files, so they also work while the database is away or an update is incomplete.
API clients get JSON; scripts that requested a part of a page get the sentence as plain text.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_NO_CSRF_COOKIE
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import trans_real

from desk import logs, permission_words, sentences
from desk.accounts import kept_forms
from desk.languages import translated
from desk.plain_asgi import Scope

STYLES = ("desk/tokens.css", "desk/base.css", "setup/account.css")
NOT_FOUND = sentences.sentence(
    "This address does not exist, or what was here has been deleted. Check the address for a typing error."
)
REFUSED = sentences.sentence("Desk cannot read this request. Go back, reload the page and try again.")
NOT_HERE = sentences.sentence("This address takes no such request. It was probably opened by hand or from a bookmark.")
TOO_MANY = sentences.sentence("Too many attempts came from here. Wait a few minutes, then try again.")
NOT_SAVED = sentences.sentence("What you typed was not saved. Go back in your browser to find it again.")
NO_COOKIE = sentences.sentence(
    "Your browser sent no cookie. Allow cookies for this site, reload the page and try again. What you typed was not "
    "saved. Go back in your browser to find it again."
)
FOREIGN = sentences.sentence(
    "This form was sent from another site, so nothing was done. Open the page in Desk and try again."
)
OUTDATED = sentences.sentence(
    "The page was open for too long, or you logged in again meanwhile, so nothing was done. Go back in your browser, "
    "copy what you typed, reload the page and try again."
)
OTHER_USER = sentences.sentence(
    "This form was opened by another user of this browser, so nothing was saved and nothing is shown. Go back in your "
    "browser to find what was typed. To save it, log in as the user who opened the form."
)
LOGGED_OUT = sentences.sentence(
    "You were logged out meanwhile, so nothing was done. Log in again and try again. What you typed was not saved. "
    "Go back in your browser to find it again."
)
ACTIONS = {"add": "add", "change": "change", "delete": "delete", "changelist": "view", "history": "view"}


@dataclass(frozen=True)
class Way:
    """A link that leads on from an error."""

    label: str
    url: str


def handler_400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read."""
    return show(request, 400, sentences.sentence("This request cannot be read"), REFUSED)


def handler_403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for which the user has no permission, with what is missing."""
    sentence = str(exception) or missing_permission(request)
    user = getattr(request, "user", None)
    known = user if user is not None and user.is_authenticated else None
    ways = None if known else [Way(sentences.sentence("Log in"), reverse("account_login"))]
    return show(
        request,
        403,
        sentences.sentence("You cannot open this page"),
        sentence,
        ways=ways,
        needs_request=True,
        user=known,
    )


def handler_404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for an address that does not exist."""
    return show(request, 404, sentences.sentence("Page not found"), NOT_FOUND)


def handler_429(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a request that came too often."""
    return show(request, 429, sentences.sentence("Too many attempts"), TOO_MANY)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form with an old or missing CSRF token: keep what its user typed, else say how to find it again."""
    user = request.user
    login_url = reverse("account_login")
    if user.is_authenticated and request.path == login_url:
        return redirect("home")  # logged in meanwhile in another tab
    title = sentences.sentence("This page was out of date")
    if reason.startswith(REASON_BAD_ORIGIN.partition(" - ")[0]):
        return show(request, 403, sentences.sentence("Nothing was done"), FOREIGN)
    owner = kept_forms.owner_of(request)
    if owner is not None and user.is_authenticated and owner != user.pk:
        return show(request, 403, sentences.sentence("You are logged in as somebody else"), OTHER_USER)
    if owner is not None and not wants_part(request) and kept_forms.keep(request, owner):
        if user.is_authenticated:
            return kept_forms.show(request, status=403)
        return redirect(kept_forms.login_url(request))
    if reason == REASON_NO_CSRF_COOKIE:
        return show(request, 403, title, NO_COOKIE)
    if not user.is_authenticated:
        ways = [Way(sentences.sentence("Log in"), login_url)]
        return show(request, 403, sentences.sentence("You were logged out meanwhile"), LOGGED_OUT, ways=ways)
    return show(request, 403, title, OUTDATED)


def missing_permission(request: HttpRequest) -> str:
    """Return which permission a page of Setup needs, as far as its address tells."""
    match = request.resolver_match
    name = match.url_name or "" if match and match.namespace == "admin" else ""
    model_name, _, page = name.rpartition("_")  # such as desk_department and delete
    for model in apps.get_models():
        opts = model._meta
        if page in ACTIONS and f"{opts.app_label}_{opts.model_name}" == model_name:
            return permission_words.sentence_for(f"{opts.app_label}.{ACTIONS[page]}_{opts.model_name}")
    return sentences.sentence(
        "Your account may not open this page. Ask an administrator which permission you need, and quote its address."
    )


def wants_part(request: HttpRequest) -> bool:
    """Return whether a script made this request, to use the answer in an open page."""
    return request.headers.get("HX-Request") == "true" or request.headers.get("X-Requested-With") is not None


def show(
    request: HttpRequest,
    status: int,
    title: str,
    sentence: str,
    *,
    ways: list[Way] | None = None,
    code: str = "error",
    needs_request: bool = False,
    **context: Any,
) -> HttpResponse:
    """Answer with the page for an error; JSON for the API, and plain text for scripts."""
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": sentence, "code": code}, status=status)
    if wants_part(request):
        return HttpResponse(translated(sentence), status=status, content_type="text/plain; charset=utf-8")
    chosen = ways if ways is not None else ways_back(request.path, request.method or "", status)
    page = render(status, title, sentence, chosen, request=request if needs_request else None, **context)
    return HttpResponse(page, status=status)


def ways_back(path: str, method: str, status: int) -> list[Way]:
    """Return the links of an error page: try again where that can help, the place the user came from, the inbox."""
    ways = []
    if status in (408, 500, 503) and method in ("GET", "HEAD"):
        ways.append(Way(sentences.sentence("Try again"), path))
    if path.startswith("/admin/") and path != "/admin/":
        ways.append(Way(sentences.sentence("Go to Setup"), "/admin/"))
    return [*ways, Way(sentences.sentence("Go to the inbox"), "/inbox/")]


def render(
    status: int,
    title: str,
    sentence: str,
    ways: list[Way],
    *,
    request: HttpRequest | None = None,
    **context: Any,
) -> str:
    """Return the HTML of an error page. Without `request` nothing is read from the database or the session."""
    facts = {
        "title": title,
        "sentence": sentence,
        "ways": ways,
        "styles": [static_url(name) for name in STYLES],
        "icon": static_url("desk/favicon.svg"),
        "request_id": logs.request_id() if status >= 500 else "",
    }
    return render_to_string("error.html", {**facts, **context}, request=request)


def static_url(name: str) -> str:
    """Return the address of a static file; the plain one when the list of names lacks it."""
    try:
        return staticfiles_storage.url(name)
    except (ValueError, OSError):
        return f"{settings.STATIC_URL}{name}"


def is_navigation(headers: dict[bytes, bytes]) -> bool:
    """Return whether a browser requested a whole page, by the raw headers of a request that Django has not seen."""
    is_script = b"hx-request" in headers or b"x-requested-with" in headers
    return b"text/html" in headers.get(b"accept", b"") and not is_script


def for_refused_body(scope: Scope, status: int, sentence: str) -> bytes | None:
    """Return the page for a body that was refused (desk.body_limits), None for a script or program."""
    if not is_navigation(dict(scope["headers"])):
        return None
    return outside_django(status, scope, sentence)


def in_language_of(scope: Scope, sentence: str) -> str:
    """Return a sentence in a language that the browser asks for, where Django has not seen the request."""
    with translation.override(_language_of(dict(scope["headers"]))):
        return translated(sentence)


def outside_django(status: int, scope: Scope, sentence: str) -> bytes:
    """Return the page for a request that was refused before Django had it, in a language that the browser asks for."""
    path, method = scope["path"], scope["method"]
    titles = {
        401: sentences.sentence("Log in first"),
        408: sentences.sentence("The request took too long"),
        413: sentences.sentence("This is too large"),
    }
    title = titles.get(status, sentences.sentence("Not available at the moment"))
    ways = [Way(sentences.sentence("Log in"), "/accounts/login/")] if status == 401 else ways_back(path, method, status)
    more = "" if method in ("GET", "HEAD") else NOT_SAVED
    with translation.override(_language_of(dict(scope["headers"]))):
        return render(status, title, sentence, ways, more=more).encode()


def _language_of(headers: dict[bytes, bytes]) -> str:
    for code, _weight in trans_real.parse_accept_lang_header(headers.get(b"accept-language", b"").decode("latin-1")):
        with suppress(LookupError):
            return translation.get_supported_language_variant(code)
    return settings.LANGUAGE_CODE


class ErrorPages:
    """Give the answer 405, which Django leaves empty, a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = not request.path.startswith(("/api/", "/webhooks/", "/meta/"))
        if response.status_code == 405 and is_page and not response.streaming and not response.content:
            page = show(request, 405, sentences.sentence("This cannot be opened"), NOT_HERE)
            page.headers["Allow"] = response.headers.get("Allow", "")  # English only: a header
            return page
        return response
