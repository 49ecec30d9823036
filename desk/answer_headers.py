"""Add to every answer the headers that protect it: no foreign scripts, frames, guessed types, embedding or caches.

Django's middleware adds them to pages; the ASGI application adds them to what is answered beside Django, such as a
body that is refused. Whoever makes an answer may say something else, as a file or the service worker does.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from desk.plain_asgi import Receive, Scope, Send

# Chromium applies form-action to redirects too, and the form *Link Facebook* redirects to Meta's dialog.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self' {dialog}"
)


@cache
def headers() -> dict[str, str]:
    """Return the headers of answers that say nothing else, by name."""
    return {
        # Only our own scripts and styles: a customer's text cannot run, even if a template is wrong.
        "Content-Security-Policy": POLICY.format(dialog=settings.META_DIALOG_URL),
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
        "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        # Pages of other subdomains send our cookies with what they embed.
        "Cross-Origin-Resource-Policy": "same-origin",
        # After a logout, nobody at the same computer reads conversations by going back.
        "Cache-Control": "private, no-store",
    }


class AnswerHeaders:
    """The middleware. Static files are answered earlier: they may be cached, and other sites may embed them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in headers().items():
            response.headers.setdefault(name, value)
        return response


def with_answer_headers(
    application: Callable[[Scope, Receive, Send], Awaitable[None]],
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the ASGI application with these headers on answers without them. Static files stay as they are."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(settings.STATIC_URL):
            await application(scope, receive, send)
            return

        async def send_with_headers(event: Any) -> None:
            if event["type"] == "http.response.start":
                own = list(event.get("headers", ()))
                names = {bytes(name).lower() for name, _value in own}
                event = {**event, "headers": own + [pair for pair in _raw() if pair[0] not in names]}
            await send(event)

        await application(scope, receive, send_with_headers)

    return wrapped


@cache
def _raw() -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers().items())
