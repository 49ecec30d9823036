"""How long a session lasts: a limit without activity, and one altogether. Also its row in the user's list.

Activity is what a person does. Requests that an open page makes by itself do not count, so a page that is left open
ends like one that is closed.
"""

from importlib import import_module

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from desk.models import User

STARTED_AT, ACTIVE_AT = "desk_started_at", "desk_active_at"  # seconds since 1970
WRITE_EVERY_S = 60
ACTIVITY_HEADER = "X-Desk-Activity"  # sent by static/desk/js/activity.js


def start(session: SessionBase) -> None:
    """Begin to count both limits. A session without this has ended."""
    session[STARTED_AT] = session[ACTIVE_AT] = _now()


def has_ended(session: SessionBase, user: User) -> bool:
    """Return whether one of the limits has been reached."""
    started_at, active_at, now = session.get(STARTED_AT), session.get(ACTIVE_AT), _now()
    if started_at is None or active_at is None:
        return True
    return now - active_at >= idle_limit_s(user) or now - started_at >= settings.DESK_SESSION_MAX


def idle_limit_s(user: User) -> int:
    """Return after how many seconds without activity a session of this user ends."""
    if user.is_staff or user.is_superuser:
        return min(settings.DESK_SESSION_IDLE, settings.DESK_SESSION_IDLE_STAFF)
    return settings.DESK_SESSION_IDLE


def record_activity(request: HttpRequest) -> None:
    """Record that the person is here, at most once a minute."""
    if _now() - request.session[ACTIVE_AT] < WRITE_EVERY_S:
        return
    request.session[ACTIVE_AT] = _now()
    UserSession.objects.create_from_request(request)


def is_activity(request: HttpRequest) -> bool:
    """Return whether a person caused this request: they opened a page, or used one in the last minute.

    Browsers say what they fetch, but only under https and on localhost. Our scripts mark their requests.
    """
    if request.headers.get(ACTIVITY_HEADER) == "yes":
        return True
    target = request.headers.get("Sec-Fetch-Dest")
    if target is not None:
        return target == "document"
    return not {"HX-Request", "X-Requested-With"} & request.headers.keys()


def end_all(user: User) -> int:
    """End every session of a user, on every device; return how many. Their live streams end with them."""
    engine = import_module(settings.SESSION_ENGINE)
    rows = UserSession.objects.filter(user=user)
    with transaction.atomic():
        keys = list(rows.values_list("session_key", flat=True))
        for key in keys:
            engine.SessionStore().delete(key)
        rows.delete()
    return len(keys)


def _now() -> int:
    return int(timezone.now().timestamp())
