"""Add headers to every page, answer probes and addresses that make no sense, and note for the history who asks."""

import re
from collections.abc import Callable

from django.core.handlers.exception import response_for_exception
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse

from desk import audit_log, health, metrics_page

UNUSABLE = re.compile(r"Field '\w+' expected a number|Exceeds the limit \(\d+ digits\)|.*NUL \(0x00\)")

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'{dialog}"
)


class ContentSecurityPolicy:
    """Allow scripts and styles only from our own files: a customer's text cannot run, even if a template is wrong."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        from django.conf import settings

        self.get_response = get_response
        # Chromium applies form-action to redirects too, and the form *Link Facebook* redirects to Meta's dialog.
        self.policy = POLICY.format(dialog=f" {settings.META_DIALOG_URL}")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        return response


class NoStore:
    """Keep answers out of every cache, also the browser's, unless their view says otherwise.

    After a logout, nobody at the same computer reads conversations by going back. Static files are answered earlier.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class Probes:
    """Answer /healthz, /readyz and /metrics under every host name: probes call an address, not the public name.

    Their answers contain no link, so a false name has no effect. Everything behind this checks the name.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        views = {"/healthz": health.healthz, "/readyz": health.readyz, "/metrics": metrics_page.show}
        probe = views.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


class UnusableValues:
    """Answer 404 when a value in an address is none that the database can look for, such as a number beyond its range.

    Django's own lists and forms of Setup pass such values on. Only requests that read are answered like this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if request.method not in ("GET", "HEAD") or not _is_about_a_value(exception):
            return None
        why = "This address contains a value that nothing can have."  # English only: for the log
        return response_for_exception(request, Http404(why))


def _is_about_a_value(exception: Exception) -> bool:
    """Return whether the database, or the field that prepares a value for it, refused a value."""
    if isinstance(exception, OverflowError | DataError):
        return True
    return isinstance(exception, ValueError) and bool(UNUSABLE.match(str(exception)))


class AuditOrigin:
    """Let the history know the address from which a request came (desk.audit_log)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with audit_log.origin_of(request):
            return self.get_response(request)
