"""Give each request an id: X-Request-ID of the caller if it is well-formed, else a new one. The answer returns it.

The log carries it (desk.logs). Under ASGI every request gets it, also those beside Django; the middleware does the same
for other servers.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from desk.logs import request_id, request_id_from, working_on
from desk.plain_asgi import Receive, Scope, Send

HEADER = "X-Request-ID"
_RAW = HEADER.lower().encode()


class RequestIds:
    """The middleware. Inside an ASGI request that has an id, it keeps that one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        known = request_id()
        if known:
            return self.get_response(request)
        new = request_id_from(request.headers.get(HEADER, ""))
        with working_on(request_id=new):
            response = self.get_response(request)
        response.headers[HEADER] = new
        return response


def with_request_id(
    application: Callable[[Scope, Receive, Send], Awaitable[None]],
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the ASGI application with an id for each HTTP request."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _RAW), b"")
        new = request_id_from(given.decode("latin-1"))

        async def send_with_id(event: Any) -> None:
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event.get("headers", ()), (_RAW, new.encode())]}
            await send(event)

        with working_on(request_id=new):
            await application(scope, receive, send_with_id)

    return wrapped
