"""Where somebody came from when they opened the pages of their account: the link back leads there."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from desk.sentences import sentence

KEY = "desk_way_back"
MAX_CHARACTERS = 500


@dataclass(frozen=True)
class WayBack:
    """The link back: its address and its words."""

    url: str
    label: str


class RememberWayBack:
    """Remember the page of Desk from which the browser comes to a page of the account."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "GET" and request.path.startswith("/accounts/"):
            _remember(request)
        return self.get_response(request)


def context(request: HttpRequest) -> dict[str, Callable[[], WayBack]]:
    """Give every template `way_back`. The session is read only where a template shows it."""
    return {"way_back": lambda: find(request)}


def find(request: HttpRequest) -> WayBack:
    """Return the way back of this session: the last page outside the account, or the start page."""
    path = request.session.get(KEY, "")
    if path.startswith("/admin/"):
        return WayBack(path, sentence("Back to Setup"))
    if path.startswith("/inbox/"):
        return WayBack(path, sentence("Back to the inbox"))
    return WayBack(reverse("home"), sentence("Back to Desk"))


def _remember(request: HttpRequest) -> None:
    try:
        came_from = urlsplit(request.headers.get("Referer", ""))  # English only: a header
    except ValueError:
        return  # no address
    if came_from.netloc != request.get_host() or not came_from.path.startswith(("/admin/", "/inbox/")):
        return
    path = came_from.path + (f"?{came_from.query}" if came_from.query else "")
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated
    if has_session and len(path) <= MAX_CHARACTERS and request.session.get(KEY) != path:
        request.session[KEY] = path
