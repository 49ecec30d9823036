"""How many messages came in and went out, for Health. The app that stores messages registers who counts them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class HourCount:
    """The messages of a Page (primary key) in an hour; `hour` is when that began."""

    page: int
    hour: datetime
    incoming: int
    outgoing: int


Counter = Callable[[datetime, datetime], list[HourCount]]

_registered: list[Counter] = []


def register_counter(count: Counter) -> None:
    """Register `count(since, until)`, which counts the messages of each Page and hour. Call it from `ready()`."""
    _registered[:] = [count]


def by_hour(since: datetime, until: datetime) -> list[HourCount]:
    """Return the messages of each Page and hour from `since` to `until`, by Meta's time; no row for an hour without."""
    return [row for count in _registered for row in count(since, until)]
