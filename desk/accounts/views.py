"""The list of a user's sessions."""

import re

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods

from desk.accounts import sessions as service
from desk.requests import UserRequest

BROWSERS = (  # English only: names
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
SYSTEMS = (  # English only: names
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def sessions(request: UserRequest) -> HttpResponse:
    """List the user's sessions. POST ends one (`session`: its id), the others (`others`) or all (`everywhere`)."""
    own = UserSession.objects.filter(user=request.user)
    if request.method == "POST":
        return _end(request)
    current = request.session.session_key
    if not own.filter(session_key=current).exists():
        UserSession.objects.create_from_request(request)
    rows = [
        {"row": row, "device": device_of(row.user_agent), "is_current": row.session_key == current}
        for row in UserSession.objects.purge_and_list(request.user)
    ]
    rows.sort(key=lambda row: (not row["is_current"], -row["row"].last_seen_at.timestamp()))
    return render(request, "usersessions/usersession_list.html", {"rows": rows})


def _end(request: UserRequest) -> HttpResponse:
    own = UserSession.objects.filter(user=request.user)
    if "everywhere" in request.POST:
        service.end_all(request.user)
        logout(request)
        return redirect("account_login")
    ended = own.exclude(session_key=request.session.session_key)
    if "others" not in request.POST:
        pk = request.POST.get("session", "")
        ended = ended.filter(pk=int(pk)) if re.fullmatch(r"[0-9]{1,18}", pk) else ended.none()
    count = len([row.end() for row in ended])
    words = ngettext("%(count)s session was logged out.", "%(count)s sessions were logged out.", count)
    messages.success(request, words % {"count": count})
    return redirect("sessions")


def device_of(user_agent: str) -> str:
    """Return browser and system in words, such as "Firefox on Windows"."""
    browser = next((name for mark, name in BROWSERS if f"{mark}/" in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    if browser and system:
        return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or gettext("Unknown device")
