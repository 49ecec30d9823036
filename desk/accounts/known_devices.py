"""Recognise a browser in which a user has logged in before, by a signed cookie.

The cookie lets nobody in. Failed logins of such a browser are counted by themselves (desk.accounts.adapter), so a
stranger who tries many passwords cannot lock the user out of it.
"""

import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from desk.models import User

SALT = "desk.known-device"
MAX_AGE_S = 180 * 86_400
MAX_NAMES = 20  # of users who share the browser; the newest


def id_for(request: HttpRequest, name: str) -> str:
    """Return the id of this browser if a user with this name has logged in with it, else ""."""
    content = _read(request)
    return content["id"] if name.lower() in content["names"] else ""


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let the response set the cookie for this user, besides those it names already."""
    content = _read(request)
    name = user.get_username().lower()
    names = [*(known for known in content["names"] if known != name), name][-MAX_NAMES:]
    value = {"id": content["id"] or secrets.token_urlsafe(12), "names": names}
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps(value, salt=SALT, compress=True),
        max_age=MAX_AGE_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",  # English only: a value of cookies
    )


def _read(request: HttpRequest) -> dict[str, Any]:
    cookie = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    try:
        return signing.loads(cookie, salt=SALT, max_age=MAX_AGE_S)
    except signing.BadSignature:
        return {"id": "", "names": []}
