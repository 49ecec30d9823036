"""Answer `/readyz` in time, also when the database or the disk does not answer at all."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from desk.plain_asgi import Receive, Scope, Send

logger = logging.getLogger(__name__)

DEADLINE_S = 8.0
SENTENCE = "Desk did not finish its own check in time: the database or the storage of files does not answer."


class WithDeadline:
    """An ASGI application that answers 503 when the one inside takes longer than DEADLINE_S.

    The thread of a check that hangs stays occupied until it ends; meanwhile no second one is started.
    """

    def __init__(self, application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._application = application
        self._overdue: set[asyncio.Task[list[MutableMapping[str, Any]]]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one probe."""
        if not self._overdue:
            task = asyncio.create_task(self._events(scope))
            done, _pending = await asyncio.wait({task}, timeout=DEADLINE_S)
            if done:
                for event in task.result():
                    await send(event)
                return
            self._overdue.add(task)
            task.add_done_callback(self._ended)
            logger.error("/readyz was not answered within %s seconds", DEADLINE_S)
        body = json.dumps({"status": "degraded", "database": "unreachable", "problems": [SENTENCE]}).encode()
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
        self._overdue.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("A late check of /readyz failed: %s", type(task.exception()).__name__)
