"""Desk as an app of the browser: its manifest, its service worker, its offline page, and replies from notifications."""

from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from desk import error_pages
from desk.languages import ENGLISH, translated
from desk.letters import installation_name
from desk.text import cut
from tickets.services.notifications import replying
from tickets.views.base import AgentRequest, agent_page, conversation_url

SHORT_NAME_CHARS = 12
BACKGROUND, THEME = "#f4f5f8", "#2f55d4"
ICONS = (("desk/app-icon-192.png", "192x192"), ("desk/app-icon-512.png", "512x512"))


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Answer with the web app manifest, by which a browser installs Desk as an app."""
    name = installation_name()
    icons = [
        {"src": static(path), "sizes": sizes, "type": "image/png", "purpose": purpose}
        for path, sizes in ICONS
        for purpose in ("any", "maskable")
    ]
    content = {
        "id": "/inbox/",
        "name": name,
        "short_name": cut(name, SHORT_NAME_CHARS),
        "description": gettext("Answer your customers."),
        "start_url": reverse("inbox"),
        "scope": "/",
        "display": "standalone",
        "background_color": BACKGROUND,
        "theme_color": THEME,
        "icons": icons,
    }
    response = JsonResponse(content, content_type="application/manifest+json")
    response["Cache-Control"] = "no-cache"
    return response


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """Answer with the service worker, which is for the whole site and therefore has no name that changes.

    Browsers compare it when a page registers it, at least once a day, and take a changed one at once.
    """
    headers = {"Service-Worker-Allowed": "/", "Cache-Control": "no-cache"}
    return HttpResponse(_worker(), content_type="text/javascript; charset=utf-8", headers=headers)


@cache
def _worker() -> bytes:
    path = finders.find("desk/service-worker.js")
    if path is None:
        raise Http404
    return Path(str(path)).read_bytes()


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """Answer with the page that the service worker keeps and shows when Desk cannot be reached; it has no data."""
    response = render(request, "tickets/offline.html", {"styles": error_pages.STYLES})
    response["Content-Language"] = get_language() or ENGLISH
    return response


@csrf_exempt  # the service worker has no page with a CSRF token; the token of the notification is one, for this reply
@require_POST
@agent_page
def reply(request: AgentRequest) -> HttpResponse:
    """Send the reply `text` that was written in a notification, once for its `token`.

    204 when it is queued; 409 with {reason, kept}: it was not sent, and `kept` says whether it became a draft.
    """
    refused = replying.reply(request.user, request.POST.get("token", ""), request.POST.get("text", ""))
    if refused is None:
        return HttpResponse(status=204)
    kept = refused.conversation_id is not None
    url = conversation_url(refused.conversation_id) if refused.conversation_id is not None else reverse("inbox")
    return JsonResponse({"reason": translated(refused.reason), "kept": kept, "url": url}, status=409)
