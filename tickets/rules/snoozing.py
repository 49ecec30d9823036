"""Snoozing: when a conversation comes back, for each choice of the menu. Pure.

A person chooses a time by the clock on their wall. A wall time that the clocks skip, or show twice, is resolved here in
one way, and `Resolved.shift` says which of the two it was.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

LATER = timedelta(hours=3)
BEFORE_CLOSING = timedelta(hours=2)
MORNING = 9  # o'clock
LONGEST = timedelta(days=366)
#: As <input type="datetime-local"> sends it.
WALL_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?")


class Choice(StrEnum):
    """What the menu offers; the values are those of the form."""

    LATER = "later"
    TOMORROW = "tomorrow"
    MONDAY = "monday"
    BEFORE_CLOSING = "before_closing"
    REPLY = "reply"
    TIME = "time"


class Shift(StrEnum):
    """What is special about a wall time: nothing, the clocks skip it, or they show it twice."""

    NONE = ""
    SKIPPED = "skipped"
    TWICE = "twice"


@dataclass(frozen=True)
class Resolved:
    """The moment that a wall time means, in UTC."""

    at: datetime
    shift: Shift = Shift.NONE


def resolve(wall: datetime, zone: tzinfo) -> Resolved:
    """Return the moment of a naive wall time in `zone`.

    A time that is skipped when the clocks go forward becomes as much later; of one that they show twice when they go
    back the first is meant. Raises OverflowError for a time at the very end of the calendar.
    """
    first = wall.replace(tzinfo=zone, fold=0)
    second = wall.replace(tzinfo=zone, fold=1)
    at = first.astimezone(UTC)
    if first.utcoffset() == second.utcoffset():
        return Resolved(at)
    is_shown = at.astimezone(zone).replace(tzinfo=None) == wall
    return Resolved(at, Shift.TWICE if is_shown else Shift.SKIPPED)


def parse_wall(text: str) -> datetime | None:
    """Return the wall time that the field of a form sent, without seconds; None when it is none."""
    if not WALL_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text[:16])
    except ValueError:
        return None


def time_of(choice: Choice, now: datetime, zone: tzinfo, closes_at: datetime | None = None) -> Resolved | None:
    """Return when the conversation comes back by this choice; None when the choice is not possible, or names no time.

    `closes_at` is when the messaging window closes; it counts only while more than BEFORE_CLOSING is left.
    """
    match choice:
        case Choice.LATER:
            return Resolved((now + LATER).astimezone(UTC))
        case Choice.TOMORROW:
            return at_hour(now, zone, MORNING, days=1)
        case Choice.MONDAY:
            return at_hour(now, zone, MORNING, days=7 - now.astimezone(zone).weekday())
        case Choice.BEFORE_CLOSING if closes_at is not None and closes_at - BEFORE_CLOSING > now:
            return Resolved((closes_at - BEFORE_CLOSING).astimezone(UTC))
    return None


def at_hour(now: datetime, zone: tzinfo, hour: int, days: int = 0) -> Resolved:
    """Return the moment of this full hour on the wall, so many days after today."""
    day = now.astimezone(zone).date() + timedelta(days=days)
    return resolve(datetime.combine(day, time(hour)), zone)


def is_possible(at: datetime, now: datetime) -> bool:
    """Return whether a conversation can be snoozed until `at`: a time to come, and not too far away."""
    return now < at <= now + LONGEST


def is_shut(at: datetime, closes_at: datetime | None) -> bool:
    """Return whether the messaging window will be closed at `at`, unless the customer writes before."""
    return closes_at is None or at >= closes_at
