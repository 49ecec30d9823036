"""Measure when a message that an announcement reports is written to an open page for the first time (desk.timings).

The announcement has `arrived`: when the message came and when it was stored. Fanout hands this on to what it reads of
the conversation, and the stream that writes it first records the times. Pages see nothing of it.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from desk import timings
from desk.live.publish import ARRIVED, Payload

#: The key of the arrivals in what is made for a reader; it is never written to a stream.
SHOWS = "_shows"
#: The kinds of payloads that bring a message to the screen: its row in the list, or the open conversation.
SHOWING = frozenset({"row", "thread"})


class Arrival:
    """A message that came at `received_at` and was announced at `stored_at` (seconds since the epoch)."""

    def __init__(self, received_at: float, stored_at: float) -> None:
        self._received_at, self._stored_at = received_at, stored_at
        self._is_shown = False

    def record_shown(self) -> None:
        """Record that an open page has got the message now; only the first one counts. Called in the event loop."""
        if not self._is_shown:
            self._is_shown = True
            now = time.time()
            timings.record(timings.SHOWN, now - self._stored_at)
            timings.record(timings.SCREEN, now - self._received_at)


def taken_from(payload: Payload) -> tuple[Payload, Arrival | None]:
    """Return an announcement as pages may see it, and the arrival that it reports."""
    if ARRIVED not in payload:
        return payload, None
    received_at, stored_at = payload[ARRIVED]
    return {name: value for name, value in payload.items() if name != ARRIVED}, Arrival(received_at, stored_at)


def added_to(
    payloads_by_reader: Mapping[Any, list[Payload]], arrivals: Mapping[int, Collection[Arrival]]
) -> Mapping[Any, list[Payload]]:
    """Return the payloads with the arrivals, by conversation, that they bring to the screen."""
    if not arrivals:
        return payloads_by_reader
    return {
        reader: [
            {**payload, SHOWS: arrivals[payload["conversation"]]} if _shows(payload, arrivals) else payload
            for payload in payloads
        ]
        for reader, payloads in payloads_by_reader.items()
    }


def _shows(payload: Payload, arrivals: Mapping[int, Collection[Arrival]]) -> bool:
    # A row without views takes the conversation off the list.
    return payload["kind"] in SHOWING and payload.get("conversation") in arrivals and payload.get("views") != []


def merged(before: Payload | None, payload: Payload) -> Payload:
    """Return the payload, which takes the place of one that was not written yet and showed these messages too."""
    earlier = before.get(SHOWS) if before else None
    return {**payload, SHOWS: [*earlier, *payload.get(SHOWS, ())]} if earlier else payload


def record_shown(payloads: Iterable[Payload]) -> None:
    """Record that these payloads were written to a stream."""
    for payload in payloads:
        for arrival in payload.get(SHOWS, ()):
            arrival.record_shown()
