"""What the sandbox's pages share: templates, and the session of a person who is logged in to "Facebook"."""

import secrets
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from sandbox.store import Doc
from sandbox.world import World

COOKIE = "sandbox_session"
SANDBOX_PAGES = [("/", "Home"), ("/messenger/", "Messenger"), ("/faults/", "Faults"), ("/traffic/", "Traffic")]
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


def _clock(milliseconds: float, form: str = "%d %b, %H:%M") -> str:
    return time.strftime(form, time.localtime(milliseconds / 1000))


def _size(count: int) -> str:
    return f"{count / 1048576:.1f} MB" if count >= 1048576 else f"{max(1, round(count / 1024))} kB"


def _ago(seconds: float) -> str:
    for length, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {word} ago"
    return "just now"


templates.env.filters |= {"clock": _clock, "filesize": _size, "ago": _ago}
templates.env.globals["sandbox_pages"] = SANDBOX_PAGES
templates.env.trim_blocks = templates.env.lstrip_blocks = True


def render(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    """Answer with a template; its context always has `world` and the logged-in person `me`."""
    world: World = request.app.state.world
    return templates.TemplateResponse(
        request, name, {"world": world, "me": logged_in(request), **context}, status_code=status
    )


def logged_in(request: Request) -> Doc | None:
    """Return the person who is logged in, or None."""
    world: World = request.app.state.world
    session = world.store.sessions.get(request.cookies.get(COOKIE, ""))
    return world.store.people.get(session["person"]) if session else None


def start_session(request: Request, response: Response, person: Doc) -> None:
    """Log a person in."""
    world: World = request.app.state.world
    key = secrets.token_urlsafe(32)
    world.store.put("sessions", key, {"person": person["id"], "at": world.now()})
    response.set_cookie(COOKIE, key, httponly=True, samesite="lax", max_age=90 * 86400)


def session_age_s(request: Request) -> float:
    """Return how long ago the person typed the password, in seconds; infinity without a session."""
    world: World = request.app.state.world
    session = world.store.sessions.get(request.cookies.get(COOKIE, ""))
    return world.now() - session["at"] if session else float("inf")


def end_session(request: Request, response: Response) -> None:
    """Log out."""
    request.app.state.world.store.drop("sessions", request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE)
