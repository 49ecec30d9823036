"""The Facebook login dialog: log in, continue as, choose the Pages, choose the permissions, Done or Cancel.

Source: LOGIN/guides/advanced/manual-flow, LOGIN/facebook-login-for-business.
"""

import hmac
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox import grants, tokens, views
from sandbox.store import Doc
from sandbox.world import World

SCOPE_TEXT = {
    "public_profile": "Receive your name and profile picture",
    "email": "Receive your email address",
    "business_management": "Manage your business portfolios",
    "pages_show_list": "Show a list of the Pages you manage",
    "pages_messaging": "Manage and access Page conversations in Messenger",
    "pages_manage_metadata": "Manage accounts, settings and webhooks for a Page",
    "pages_read_engagement": "Read content posted on the Page",
    "pages_manage_engagement": "Create and manage comments, and block people on a Page",
    "pages_manage_posts": "Create and manage content on your Page",
    "pages_read_user_content": "Read user content on your Page",
    "pages_utility_messaging": "Send utility messages from your Page",
    "pages_user_locale": "See the locale of people who write to your Page",
    "pages_user_timezone": "See the time zone of people who write to your Page",
    "pages_user_gender": "See the gender of people who write to your Page",
}
PASSWORD_VALID_S = 60  # with auth_type=reauthenticate, how long a typed password counts


@dataclass
class LoginRequest:
    """A checked request for the dialog; `query` is its query string."""

    redirect_uri: str
    state: str
    scopes: list[str]
    auth_types: set[str]
    all_or_none: bool
    query: str


class DialogError(Exception):
    """The request for the dialog is invalid: an error page says so, and the browser is not redirected to the app."""


def parse_request(request: Request, world: World) -> LoginRequest:
    """Return the checked request. Raise DialogError with Facebook's sentence when it is invalid."""
    query = request.query_params
    config = world.config
    if query.get("client_id") != config.app_id:
        raise DialogError("Invalid App ID: The provided app ID does not look like a valid app ID.")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in config.redirect_uris:
        raise DialogError(
            "URL blocked: This redirect failed because the redirect URI is not white-listed in the app's client OAuth"
            " settings. Make sure that the client and web OAuth logins are on and add all your app domains as valid"
            f" OAuth redirect URIs. It was: {redirect_uri or '(empty)'}. Known: {', '.join(config.redirect_uris)}."
        )
    if not query.get("state"):
        raise DialogError("The parameter state is required.")
    if query.get("response_type", "code") != "code":
        raise DialogError("The sandbox plays only response_type=code.")
    config_id = query.get("config_id")
    if config_id:
        if config_id not in config.login_configs:
            raise DialogError(f"Invalid configuration: there is no login configuration {config_id}.")
        scopes = list(config.login_configs[config_id])
    else:
        scopes = [part for part in re.split(r"[\s,]+", query.get("scope", "")) if part]
    unknown = [scope for scope in scopes if scope not in tokens.KNOWN_SCOPES]
    if unknown:
        raise DialogError(
            f"Invalid Scopes: {', '.join(unknown)}. This message is only shown to developers. Users of your app will"
            " ignore these permissions if present."
        )
    scopes = list(dict.fromkeys(["public_profile", *scopes]))
    auth_types = {part for part in re.split(r"[\s,]+", query.get("auth_type", "")) if part}
    return LoginRequest(redirect_uri, query["state"], scopes, auth_types, bool(config_id), request.url.query)


async def dialog(request: Request) -> Response:
    """GET: show the first step. POST: show the next one (step=continue, pages, permissions) or end the dialog.

    The steps that end it are done, reconnect and cancel.
    """
    world: World = request.app.state.world
    try:
        login_request = parse_request(request, world)
    except DialogError as error:
        return views.render(request, "dialog_error.html", 400, message=str(error))
    form = await request.form() if request.method == "POST" else FormData()
    step = form.get("step", "")
    if step == "cancel":
        return _redirect_back(
            login_request,
            error="access_denied",
            error_code="200",
            error_description="Permissions error",
            error_reason="user_denied",
        )
    person = views.logged_in(request)
    must_log_in = "reauthenticate" in login_request.auth_types and views.session_age_s(request) > PASSWORD_VALID_S
    if person is None or must_log_in:
        return _login_page(request, f"{request.url.path}?{login_request.query}", person)
    if person["checkpoint"] or person["unconfirmed"]:
        return views.render(request, "dialog_error.html", 403, message=_cannot_log_in(person))
    former = world.store.grants.get(person["id"])
    requested = [
        scope
        for scope in login_request.scopes
        if "rerequest" in login_request.auth_types or former is None or former["scopes"].get(scope) != "declined"
    ]
    context: dict[str, Any] = {
        "login_request": login_request,
        "person": person,
        "former": former,
        "requested": requested,
        "scope_text": SCOPE_TEXT,
    }
    if step == "reconnect" and former is not None:
        added = {scope: "granted" for scope in requested if scope not in former["scopes"]}
        return _finish(world, login_request, person, former["pages"], added)
    pages = grants.person_pages(world, person["id"])
    if step in {"", "continue"} or step not in {"pages", "permissions", "done"}:
        if step == "continue" or form.get("go") == "pages":
            ticked = {page["id"] for page in pages if tokens.covers(former, page["id"])}
            return views.render(request, "dialog_pages.html", pages=pages, ticked=ticked, **context)
        return views.render(request, "dialog_continue.html", pages=pages, **context)
    own = {page["id"] for page in pages}
    chosen = [str(key) for key in form.getlist("pages") if key in own]
    if step == "pages":
        return views.render(request, "dialog_pages.html", pages=pages, ticked=set(chosen), **context)
    if step == "permissions":
        return views.render(request, "dialog_permissions.html", pages=pages, chosen=chosen, **context)
    granted = set(requested) if login_request.all_or_none else {*form.getlist("scopes"), "public_profile"}
    scopes = {scope: "granted" if scope in granted else "declined" for scope in requested}
    return _finish(world, login_request, person, chosen, scopes)


def _finish(
    world: World, login_request: LoginRequest, person: Doc, pages: list[str] | str, scopes: dict[str, str]
) -> Response:
    grants.grant(world, person, pages, scopes)
    world.announce()
    return _redirect_back(login_request, code=grants.new_code(world, person, login_request.redirect_uri))


def _redirect_back(login_request: LoginRequest, **answer: str) -> Response:
    separator = "&" if urlsplit(login_request.redirect_uri).query else "?"
    query = urlencode({**answer, "state": login_request.state})
    # Facebook appends #_=_ to the redirect URI.
    return RedirectResponse(f"{login_request.redirect_uri}{separator}{query}#_=_", 302)


def _cannot_log_in(person: Doc) -> str:
    if person["checkpoint"]:
        return (
            f"{person['name']}, we noticed unusual activity: confirm that it is you on facebook.com first. (In the"
            " sandbox: switch the checkpoint off on the faults page.)"
        )
    return f"{person['name']}, confirm your account first. (In the sandbox: switch it off on the faults page.)"


def _login_page(request: Request, target: str, person: Doc | None, problem: str = "", email: str = "") -> Response:
    return views.render(
        request,
        "login.html",
        200 if not problem else 401,
        target=target,
        problem=problem,
        email=email or (person["email"] if person else ""),
    )


async def login(request: Request) -> Response:
    """POST /login: log in with email address (or id) and password, and redirect to the path `next`."""
    world: World = request.app.state.world
    form = await request.form()
    target = _local_path(form)
    name, password = str(form.get("email", "")).strip().lower(), str(form.get("pass", ""))
    person = next(
        (person for person in world.store.people.values() if name in {person["email"].lower(), person["id"]}), None
    )
    if person is None or not hmac.compare_digest(person["password"].encode(), password.encode()):
        return _login_page(request, target, None, "The password that you've entered is incorrect.", name)
    response = RedirectResponse(target, 303)
    views.start_session(request, response, person)
    return response


async def logout(request: Request) -> Response:
    """POST /logout: log out of "Facebook", and redirect to the path `next`."""
    response = RedirectResponse(_local_path(await request.form()), 303)
    views.end_session(request, response)
    return response


def _local_path(form: FormData) -> str:
    """Return the field `next` when it is a path of this host (no scheme, no //host, no backslash), else "/"."""
    path = str(form.get("next") or "/")
    return "/" if not path.startswith("/") or path.startswith("//") or "\\" in path else path
