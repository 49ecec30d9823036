"""What changed, read from the database once for all open pages of this process, and not by each page for itself."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)

Payload = dict[str, Any]
Read = Callable[[Collection[Payload], Collection[Hashable]], Mapping[Any, list[Payload]]]
"""From events and readers to what each reader is handed; called in a thread."""

SOON_S = 0.05  # a burst of changes is one reading
LEAST_PAUSE_S, MOST_PAUSE_S = 0.15, 2
MOST_AT_ONCE = 50  # events; the others are in the next reading


class Fanout:
    """Gathers events, reads what they mean, hands it out; never two readings at once, and pauses as long as one took.

    `readers()` says who is there, `hand_out(found)` gives each theirs. A reading that fails is logged and left: pages
    ask by themselves for what they are not handed.
    """

    def __init__(
        self,
        read: Read,
        readers: Callable[[], Collection[Hashable]],
        hand_out: Callable[[Mapping[Any, list[Payload]]], None],
    ) -> None:
        self._read, self._readers, self._hand_out = read, readers, hand_out
        self._changed: dict[str, Payload] = {}
        self._arrived = asyncio.Event()

    def add(self, payload: Payload) -> None:
        """Something changed. Called in the event loop."""
        self._changed[json.dumps(payload, sort_keys=True)] = payload
        self._arrived.set()

    async def run(self) -> None:
        """Read for ever, in a thread that keeps its connection to the database."""
        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="shared-reading")
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(SOON_S)
                began = time.monotonic()
                payloads, readers = self._take(), set(self._readers())
                if readers:
                    try:
                        self._hand_out(await loop.run_in_executor(thread, self._read_in_thread, payloads, readers))
                    except Exception:
                        logger.exception("What changed could not be read for the open pages")
                await asyncio.sleep(min(MOST_PAUSE_S, max(LEAST_PAUSE_S, time.monotonic() - began)))
        finally:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)

    def _take(self) -> list[Payload]:
        keys = list(self._changed)[:MOST_AT_ONCE]
        payloads = [self._changed.pop(key) for key in keys]
        if not self._changed:
            self._arrived.clear()
        return payloads

    def _read_in_thread(self, payloads: list[Payload], readers: set[Hashable]) -> Mapping[Any, list[Payload]]:
        close_old_connections()
        try:
            return self._read(payloads, readers)
        finally:
            close_old_connections()
