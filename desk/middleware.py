"""Answer probes and addresses that make no sense, and note for the history who asks."""

import logging
import re
from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.core.handlers.exception import response_for_exception
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse

from desk import audit_log, health, metrics_page

logger = logging.getLogger(__name__)

UNUSABLE = re.compile(r"Field '\w+' expected a number|Exceeds the limit \(\d+ digits\)|.*NUL \(0x00\)")


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
    """Refuse a value that the database cannot look for or store, such as a number beyond its range, or NUL.

    Django's own lists and forms of Setup pass such values on. In an address nothing is found (404), in what is sent
    it is refused (400); that is logged as an error, since a form of ours checks its values itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not is_about_a_value(exception):
            return None
        if request.method in ("GET", "HEAD"):
            why = "This address contains a value that nothing can have."  # English only: for the log
            return response_for_exception(request, Http404(why))
        logger.error("A value was refused that no check had refused before: %s", request.path, exc_info=exception)
        return response_for_exception(request, BadRequest(str(exception)))


def is_about_a_value(exception: Exception) -> bool:
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
