"""Read what changed from the database once for all open pages of this process, instead of once per page."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import close_old_connections, connections

from desk.live import arrivals
from desk.live.arrivals import Arrival
from desk.live.publish import Payload

logger = logging.getLogger(__name__)

Reader = TypeVar("Reader", bound=Hashable)  # who reads a stream, and what they may see
Read = Callable[[Collection[Payload], Collection[Reader]], Mapping[Reader, list[Payload]]]
"""From events and readers to the payloads for each reader; called in a thread."""

MAX_PAUSE_S = 2
BATCH_SIZE = 50  # events; the others are in the next read


@dataclass(frozen=True)
class Pace:
    """How long a read waits for more events, so that a burst is one read, and how long it pauses afterwards.

    The pause is `pause` times what the read took, at least `min_pause_s`.
    """

    delay_s: float
    min_pause_s: float
    pause: float


AT_ONCE = Pace(0, 0, 0.25)  # for what somebody looks at
IN_BATCHES = Pace(0.03, 0.05, 1)  # for what all open pages get


class Fanout(Generic[Reader]):
    """Collect events, read what changed, deliver it to the readers of the streams.

    Never two reads at once, and after each a pause. `readers()` returns who has a stream open,
    `deliver(payloads_by_reader)` passes each reader theirs. A read that fails is logged and not repeated: pages
    request by themselves what is not delivered to them.
    """

    def __init__(
        self,
        read: Read[Reader],
        readers: Callable[[], Collection[Reader]],
        deliver: Callable[[Mapping[Reader, list[Payload]]], None],
        pace: Pace = IN_BATCHES,
    ) -> None:
        self._read, self._readers, self._deliver, self._pace = read, readers, deliver, pace
        self._pending: dict[str, Payload] = {}
        self._arrivals: dict[int, list[Arrival]] = {}  # of the pending events, by conversation
        self._arrived = asyncio.Event()

    def add(self, payload: Payload, arrival: Arrival | None = None) -> None:
        """Add an event to the next read, and the arrival of a message that it reports. Called in the event loop."""
        self._pending[json.dumps(payload, sort_keys=True)] = payload
        if arrival is not None:
            self._arrivals.setdefault(payload["conversation"], []).append(arrival)
        self._arrived.set()

    async def run(self) -> None:
        """Read until cancelled, in a thread that keeps its database connection."""
        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="live-fanout")
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(self._pace.delay_s)
                began = time.monotonic()
                (payloads, arrived), readers = self._take_batch(), set(self._readers())
                if readers:
                    try:
                        made = await loop.run_in_executor(thread, self._read_in_thread, payloads, readers)
                        self._deliver(arrivals.added_to(made, arrived))
                    except Exception:
                        logger.exception("Could not read for the open pages what changed")
                pause = self._pace.pause * (time.monotonic() - began)
                await asyncio.sleep(min(MAX_PAUSE_S, max(self._pace.min_pause_s, pause)))
        finally:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)

    def _take_batch(self) -> tuple[list[Payload], dict[int, list[Arrival]]]:
        keys = list(self._pending)[:BATCH_SIZE]
        payloads = [self._pending.pop(key) for key in keys]
        if not self._pending:
            self._arrived.clear()
        conversations = {payload["conversation"] for payload in payloads}
        return payloads, {pk: self._arrivals.pop(pk) for pk in conversations & self._arrivals.keys()}

    def _read_in_thread(self, payloads: list[Payload], readers: set[Reader]) -> Mapping[Reader, list[Payload]]:
        close_old_connections()
        try:
            return self._read(payloads, readers)
        finally:
            close_old_connections()
