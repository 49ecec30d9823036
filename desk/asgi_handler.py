"""Run Django under an ASGI server with middleware and views that are all synchronous.

Django's own handler switches threads for each synchronous middleware and gives each request a new thread, which opens a
new database connection. Here one thread of a pool runs the whole request, from the first middleware to the last, and
the threads keep their connections (CONN_MAX_AGE).
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponseBase


class Handler(ASGIHandler):
    """The ASGI application for everything that Django answers, on `DESK_WEB_THREADS` threads."""

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(settings.DESK_WEB_THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the middleware chain for synchronous calls."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one HTTP request."""
        await self.handle(scope, receive, send)

    async def read_body(self, receive: Any) -> "tempfile.SpooledTemporaryFile[bytes]":
        """Return the body as a file, as Django does, and leave no open file behind when it is not read to its end."""
        limit = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        body = tempfile.SpooledTemporaryFile(limit, mode="w+b")  # noqa: SIM115 - Django closes it with the request
        write = sync_to_async(body.write, thread_sensitive=False)
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    await write(part)  # to the disk
                else:
                    body.write(part)
                if not message.get("more_body", False):
                    body.seek(0)
                    return body
        except BaseException:
            body.close()
            raise

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response of middleware and view, run in one thread of the pool."""
        return await sync_to_async(self._respond, thread_sensitive=False, executor=self._pool)(request)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        close_old_connections()  # Django's signals run it in another thread, which has no connections
        try:
            return self.get_response(request)
        finally:
            close_old_connections()
