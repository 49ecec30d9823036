"""Read what changed from the database once for all open pages of this process, instead of once per page."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import close_old_connections, connections

from desk.live.publish import Payload

logger = logging.getLogger(__name__)

Reader = TypeVar("Reader", bound=Hashable)  # who reads a stream, and what they may see
Read = Callable[[Collection[Payload], Collection[Reader]], Mapping[Reader, list[Payload]]]
"""From events and readers to the payloads for each reader; called in a thread."""

BATCH_DELAY_S = 0.05  # a burst of changes becomes one read
MIN_PAUSE_S, MAX_PAUSE_S = 0.15, 2
BATCH_SIZE = 50  # events; the others are in the next read


class Fanout(Generic[Reader]):
    """Collect events, read what changed, deliver it to the readers of the streams.

    Never two reads at once; after each a pause as long as the read took. `readers()` returns who has a stream open,
    `deliver(payloads_by_reader)` passes each reader theirs. A read that fails is logged and not repeated: pages
    request by themselves what is not delivered to them.
    """

    def __init__(
        self,
        read: Read[Reader],
        readers: Callable[[], Collection[Reader]],
        deliver: Callable[[Mapping[Reader, list[Payload]]], None],
    ) -> None:
        self._read, self._readers, self._deliver = read, readers, deliver
        self._pending: dict[str, Payload] = {}
        self._arrived = asyncio.Event()

    def add(self, payload: Payload) -> None:
        """Add an event to the next read. Called in the event loop."""
        self._pending[json.dumps(payload, sort_keys=True)] = payload
        self._arrived.set()

    async def run(self) -> None:
        """Read until cancelled, in a thread that keeps its database connection."""
        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="live-fanout")
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(BATCH_DELAY_S)
                began = time.monotonic()
                payloads, readers = self._take_batch(), set(self._readers())
                if readers:
                    try:
                        self._deliver(await loop.run_in_executor(thread, self._read_in_thread, payloads, readers))
                    except Exception:
                        logger.exception("Could not read for the open pages what changed")
                await asyncio.sleep(min(MAX_PAUSE_S, max(MIN_PAUSE_S, time.monotonic() - began)))
        finally:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)

    def _take_batch(self) -> list[Payload]:
        keys = list(self._pending)[:BATCH_SIZE]
        payloads = [self._pending.pop(key) for key in keys]
        if not self._pending:
            self._arrived.clear()
        return payloads

    def _read_in_thread(self, payloads: list[Payload], readers: set[Reader]) -> Mapping[Reader, list[Payload]]:
        close_old_connections()
        try:
            return self._read(payloads, readers)
        finally:
            close_old_connections()
