"""The Facebook login dialog: log in, continue as, choose the Pages, permissions one by one, Done or Cancel.

Source: LOGIN/guides/advanced/manual-flow, LOGIN/facebook-login-for-business.
"""

import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

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
REAUTHENTICATED_S = 60


@dataclass
class Ask:
    """What an app asks of the person: a checked dialog request."""

    redirect_uri: str
    state: str
    scopes: list[str]
    auth_types: set[str]
    all_or_none: bool
    query: str


class DialogError(Exception):
    """A request no person can answer: shown as a page, never redirected."""


def read_ask(request: Request, world: World) -> Ask:
    """Return the checked request; DialogError with Facebook's sentence otherwise."""
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
    return Ask(redirect_uri, query["state"], scopes, auth_types, bool(config_id), request.url.query)


async def dialog(request: Request) -> Response:
    """GET shows the step that is due; POST (step=pages, permissions, done, reconnect, cancel) goes on."""
    world: World = request.app.state.world
    try:
        ask = read_ask(request, world)
    except DialogError as error:
        return views.render(request, "dialog_error.html", 400, message=str(error))
    form = await request.form() if request.method == "POST" else {}
    step = form.get("step", "")
    if step == "cancel":
        return _back(
            ask,
            error="access_denied",
            error_code="200",
            error_description="Permissions error",
            error_reason="user_denied",
        )
    person = views.logged_in(request)
    if person is None or ("reauthenticate" in ask.auth_types and views.session_age_s(request) > REAUTHENTICATED_S):
        return _login_page(request, str(request.url.path) + "?" + ask.query, person)
    if person["checkpoint"] or person["unconfirmed"]:
        return views.render(request, "dialog_error.html", 403, message=_stuck(person))
    former = world.store.grants.get(person["id"])
    asked = [
        scope
        for scope in ask.scopes
        if "rerequest" in ask.auth_types or former is None or former["scopes"].get(scope) != "declined"
    ]
    context = {"ask": ask, "person": person, "former": former, "asked": asked, "scope_text": SCOPE_TEXT}
    if step == "reconnect" and former is not None:
        granted = {scope: "granted" for scope in asked if scope not in former["scopes"]}
        return _finish(world, ask, person, former["pages"], granted)
    pages = grants.person_pages(world, person["id"])
    if step in {"", "continue"} or step not in {"pages", "permissions", "done"}:
        if step == "continue" or form.get("go") == "pages":
            ticked = {page["id"] for page in pages if tokens.covers(former, page["id"])}
            return views.render(request, "dialog_pages.html", pages=pages, ticked=ticked, **context)
        return views.render(request, "dialog_continue.html", pages=pages, **context)
    own = {page["id"] for page in pages}
    chosen = [key for key in form.getlist("pages") if key in own]
    if step == "pages":
        return views.render(request, "dialog_pages.html", pages=pages, ticked=set(chosen), **context)
    if step == "permissions":
        return views.render(request, "dialog_permissions.html", pages=pages, chosen=chosen, **context)
    wanted = set(asked) if ask.all_or_none else set(form.getlist("scopes")) | {"public_profile"}
    outcome = {scope: "granted" if scope in wanted else "declined" for scope in asked}
    return _finish(world, ask, person, chosen, outcome)


def _finish(world: World, ask: Ask, person: Doc, pages: list[str] | str, scopes: dict[str, str]) -> Response:
    grants.grant(world, person, pages, scopes)
    world.announce()
    return _back(ask, code=grants.new_code(world, person, ask.redirect_uri))


def _back(ask: Ask, **answer: str) -> Response:
    joint = "&" if urlsplit(ask.redirect_uri).query else "?"
    # Facebook appends #_=_ to the way back.
    return RedirectResponse(f"{ask.redirect_uri}{joint}{urlencode({**answer, 'state': ask.state})}#_=_", 302)


def _stuck(person: Doc) -> str:
    if person["checkpoint"]:
        return (
            f"{person['name']}, we noticed unusual activity: confirm that it is you on facebook.com first. (In the"
            " sandbox: switch the checkpoint off on the faults page.)"
        )
    return f"{person['name']}, confirm your account first. (In the sandbox: switch it off on the faults page.)"


def _login_page(request: Request, goal: str, person: Doc | None, problem: str = "", email: str = "") -> Response:
    return views.render(
        request,
        "login.html",
        200 if not problem else 401,
        goal=goal,
        problem=problem,
        email=email or (person["email"] if person else ""),
    )


async def login(request: Request) -> Response:
    """POST /login: e-mail address (or id) and password, then back to `next` on this host."""
    world: World = request.app.state.world
    form = await request.form()
    goal = str(form.get("next") or "/")
    # Only paths of this host: no scheme, no //host, no backslash.
    if not goal.startswith("/") or goal.startswith("//") or "\\" in goal:
        goal = "/"
    name, password = str(form.get("email", "")).strip().lower(), str(form.get("pass", ""))
    person = next(
        (person for person in world.store.people.values() if name in {person["email"].lower(), person["id"]}), None
    )
    if person is None or not hmac.compare_digest(person["password"].encode(), password.encode()):
        return _login_page(request, goal, None, "The password that you've entered is incorrect.", name)
    response = RedirectResponse(goal, 303)
    views.start_session(request, response, person)
    return response


async def logout(request: Request) -> Response:
    """POST /logout: out of "Facebook", and back to `next`."""
    form = await request.form()
    goal = str(form.get("next") or "/")
    response = RedirectResponse(goal if goal.startswith("/") and not goal.startswith("//") else "/", 303)
    views.end_session(request, response)
    return response
