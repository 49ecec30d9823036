"""Into which ticket a message goes: the threading rules of design section 5 and 10. Pure.

The seed: "Any replies coming in after 60 minutes will create a new ticket. You can extend this period up to 24 hours."
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Neighbour:
    """A message that counts for threading: when it was said (Meta's time) and its ticket."""

    at: datetime
    ticket: Hashable


@dataclass(frozen=True)
class Join:
    """The message belongs to this ticket."""

    ticket: Hashable


@dataclass(frozen=True)
class Open:
    """The message opens a ticket of its own."""


OPEN = Open()


def place_customer(
    at: datetime, before: Neighbour | None, after: Neighbour | None, intermission: timedelta
) -> Join | Open:
    """Place what a customer said at `at`.

    `before` is the newest counted message not later than `at`, `after` the oldest later one: None when there is none.
    It joins the ticket of the message before it when that gap is within `intermission` (exactly at the limit still is),
    else of the one after it, else it opens its own. For a message that is the newest this is the plain rule; for one
    that comes late it is the rule of late messages: neither moves others nor merges tickets.
    """
    if before is not None and at - before.at <= intermission:
        return Join(before.ticket)
    if after is not None and after.at - at <= intermission:
        return Join(after.ticket)
    return OPEN


def place_reply(
    at: datetime, before: Neighbour | None, after: Neighbour | None, intermission: timedelta
) -> Join | Open:
    """Place what went out at `at`: silence never cuts off an answer, so it joins the ticket of what was said before.

    An echo that comes first opens a ticket, or joins the one after it when that is within `intermission`.
    """
    if before is not None:
        return Join(before.ticket)
    return place_customer(at, None, after, intermission)


def reopens(at: datetime, closed_at: datetime | None) -> bool:
    """Say whether a customer message of `at` reopens the ticket it joined: not when it is from before the closing."""
    return closed_at is not None and at > closed_at
