"""Answer `/readyz` in time, also when the database or the disk does not answer at all."""

import asyncio
import io
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.handlers.asgi import ASGIRequest

from desk.health import for_strangers
from desk.plain_asgi import Receive, Scope, Send
from desk.probe_access import may_see_details

logger = logging.getLogger(__name__)

DEADLINE_S = 8.0
SENTENCE = (  # English only: for programs
    "Desk did not finish its own check in time: the database or the storage of files does not answer."
)


class WithDeadline:
    """An ASGI application that answers 503 when the one inside takes longer than DEADLINE_S.

    Probes that come while a check runs share its answer, so that however many they are, one thread is busy with those
    of strangers, and one with those who may see details.
    """

    def __init__(self, application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._application = application
        self._checks: dict[bool, asyncio.Task[list[MutableMapping[str, Any]]]] = {}
        self._began: dict[bool, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one probe."""
        loop = asyncio.get_running_loop()
        detailed = may_see_details(ASGIRequest(scope, io.BytesIO()))
        check = self._checks.get(detailed)
        if check is None or check.done() or check.get_loop() is not loop:
            check = self._checks[detailed] = asyncio.create_task(self._events(scope))
            check.add_done_callback(self._ended)
            self._began[detailed] = loop.time()
        await asyncio.wait({check}, timeout=max(0.0, self._began[detailed] + DEADLINE_S - loop.time()))
        if check.done():
            for event in check.result():
                await send(event)
            return
        logger.error("/readyz was not answered within %s seconds", DEADLINE_S)
        answer = {"status": "degraded", "database": "unreachable", "problems": [SENTENCE], "failing": ["database"]}
        body = json.dumps(answer if detailed else for_strangers(answer)).encode()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _events(self, scope: Scope) -> list[MutableMapping[str, Any]]:
        """Return what the application inside answers. Its caller never disconnects."""
        events: list[MutableMapping[str, Any]] = []
        requests: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> MutableMapping[str, Any]:
            if not requests:
                await asyncio.Event().wait()
            return requests.pop()

        async def send(event: MutableMapping[str, Any]) -> None:
            events.append(event)

        await self._application(scope, receive, send)
        return events

    def _ended(self, task: "asyncio.Task[list[MutableMapping[str, Any]]]") -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.error("A check of /readyz failed: %s", type(task.exception()).__name__)
