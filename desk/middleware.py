"""Add response headers to every page, answer probes, and note for the history where a request comes from."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from desk import audit_log, health

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
    """Answer /healthz and /readyz under every host name: probes call an address of the machine, not the public name.

    Their answers contain no link, so a false name has no effect. Everything behind this checks the name.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = {"/healthz": health.healthz, "/readyz": health.readyz}.get(request.path_info)
        return probe(request) if probe else self.get_response(request)


class AuditOrigin:
    """Let the history know the address from which a request came (desk.audit_log)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with audit_log.origin_of(request):
            return self.get_response(request)
