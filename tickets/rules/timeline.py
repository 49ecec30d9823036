"""The order of a timeline that comes from several tables: newest first, page by page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: The kinds of entries in the order in which they are shown when they have the same time, the newest first.
KINDS = ("note", "internal", "ticket", "origin", "conversation")
MAX_ID = 2**63 - 1


@dataclass(frozen=True, order=True)
class Place:
    """The place of an entry: its time, the rank of its kind (higher is shown first) and the id in its table."""

    at: datetime
    rank: int
    number: int

    @classmethod
    def of(cls, at: datetime, kind: str, number: int) -> "Place":
        """Return the place of an entry of this kind."""
        return cls(at, len(KINDS) - KINDS.index(kind), number)

    def write(self) -> str:
        """Return the place as text for an address."""
        return f"{int((self.at - EPOCH).total_seconds())}.{self.at.microsecond}-{self.rank}-{self.number}"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(text: str) -> Place | None:
    """Return the place that `Place.write` wrote, or None when it wrote no such text."""
    moment, *numbers = text.split("-") if not text.startswith("-") else [""]
    seconds, _, micros = moment.partition(".")
    parts = [seconds, micros, *numbers]
    if len(parts) != 4 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        return None
    try:
        at = datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(micros))
    except (ValueError, OverflowError, OSError):
        return None
    return Place(at, int(numbers[0]), int(numbers[1]))


@dataclass(frozen=True)
class Entry:
    """An entry and what it shows."""

    place: Place
    kind: str
    shown: Any


def newest(sources: Iterable[Sequence[Entry]], before: Place | None, size: int) -> tuple[list[Entry], Place | None]:
    """Return the `size` newest entries before a place, and the place after which the next page begins, None at the end.

    Each source has its own newest entries, at least `size` + 1 of them when there are so many before that place.
    """
    entries = [entry for source in sources for entry in source if before is None or entry.place < before]
    entries.sort(key=lambda entry: entry.place, reverse=True)
    page = entries[:size]
    return page, page[-1].place if len(entries) > size else None
