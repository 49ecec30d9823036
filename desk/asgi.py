"""ASGI application of Desk: Django, and beside it plain ASGI for the webhook's POST and the live stream.

The live stream never ends by itself: start the server with a time limit for its graceful shutdown, for example
with the limits of headers and connections, `uvicorn desk.asgi:application --http desk.http_protocol:LimitedProtocol
--no-proxy-headers --timeout-graceful-shutdown 3`. Desk itself reads what the proxy says (DESK_BEHIND_PROXY); the server
must not, or every program on this machine could choose its address.
"""

import asyncio
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
django.setup(set_prefix=False)

from channels_im import webhook  # noqa: E402 - models can be imported only after the applications are set up
from channels_im.webhook import asgi  # noqa: E402
from desk import body_limits, error_pages, garbage, timings  # noqa: E402
from desk.answer_headers import with_answer_headers  # noqa: E402
from desk.asgi_handler import Handler  # noqa: E402
from desk.health_deadline import WithDeadline  # noqa: E402
from desk.live.sse import LiveStream  # noqa: E402
from desk.plain_asgi import Receive, Scope, Send  # noqa: E402
from desk.request_ids import with_request_id  # noqa: E402
from desk.unavailable import answered  # noqa: E402
from desk.uptime import WebHeartbeat  # noqa: E402
from tickets.views import live_rows, live_state, live_thread, uploads  # noqa: E402

django_application = Handler()
readyz = WithDeadline(django_application)
live = LiveStream(live_rows.facts_of, live_rows.reader_of, live_rows.visible, live_state.read, live_thread.read)
APPLICATIONS: dict[str, body_limits.Application] = {"/live/": live, "/readyz": readyz}  # all other paths: Django


@with_request_id
@with_answer_headers
@answered
async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass each request to the application that answers it; refuse WebSockets."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["path"] == webhook.PATH and scope["method"] == "POST":
        await asgi.post(scope, receive, send)  # limits the body by itself: it answers Meta as the view does
    else:
        inner = APPLICATIONS.get(scope["path"], django_application)
        page_for, text_for = error_pages.for_refused_body, error_pages.in_language_of
        await body_limits.call(inner, scope, receive, send, uploads.is_known, page_for, text_for)


async def _lifespan(receive: Receive, send: Send) -> None:
    heartbeat, flusher = WebHeartbeat(), timings.Flusher()
    while True:
        phase = (await receive())["type"].removeprefix("lifespan.")
        if phase == "startup":
            garbage.settle()
            heartbeat.start()
            flusher.start()
        else:
            heartbeat.stop()
            await asyncio.to_thread(flusher.stop)
        await send({"type": f"lifespan.{phase}.complete"})
        if phase == "shutdown":
            return
