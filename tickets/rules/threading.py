"""Decide which ticket a message joins: the threading rules. Pure.

A customer message that comes more than the intermission (60 minutes by default, at most 24 hours) after the previous
message of the conversation opens a new ticket. A ticket is whatever the caller uses for one (the type variable T).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Neighbour(Generic[T]):
    """A message that counts for threading: its time (Meta's clock), its ticket, and whether the customer wrote it."""

    at: datetime
    ticket: T
    by_customer: bool = True


@dataclass(frozen=True)
class Join(Generic[T]):
    """The message joins this ticket."""

    ticket: T


@dataclass(frozen=True)
class Open:
    """The message opens a new ticket."""


OPEN = Open()


def place_customer(
    at: datetime, before: Neighbour[T] | None, after: Neighbour[T] | None, intermission: timedelta
) -> Join[T] | Open:
    """Return the ticket for a customer message of time `at`.

    `before` is the newest counted message not later than `at`. `after` is the oldest later one, without the answers
    that stand in the ticket of `before`: they joined it only because this message was not there. None: there is none.
    The message joins the ticket of `before` when the gap is at most `intermission`, else the ticket of `after` when
    that gap is, else it opens a new one. An answer that began the conversation answers this message: it joins that
    ticket, however long ago. The same rule serves the newest message and one that arrives late: it never moves a
    message of the customer and never merges tickets. Answers may follow it (`follows`).
    """
    if before is not None and at - before.at <= intermission:
        return Join(before.ticket)
    if after is not None and before is None and not after.by_customer:
        return Join(after.ticket)
    if after is not None and after.at - at <= intermission:
        return Join(after.ticket)
    return OPEN


def follows(ticket: T | None, before: Neighbour[T] | None) -> bool:
    """Return whether a line of Desk or the Page that stands in `ticket` goes with a late customer message above it.

    `before` is the message before that customer message, and its ticket another one; no other message of the customer
    stands between. The line had joined the older ticket, or none, only because the customer message was not there.
    """
    return ticket is None or (before is not None and ticket == before.ticket)


def place_reply(
    at: datetime, before: Neighbour[T] | None, after: Neighbour[T] | None, intermission: timedelta
) -> Join[T] | Open:
    """Return the ticket for a message sent at `at`: that of the message before it, however long ago that was.

    One that is the conversation's first message opens a ticket, or joins that of `after`, the oldest later message,
    when the gap is at most `intermission` or `after` is an answer too.
    """
    if before is not None:
        return Join(before.ticket)
    return place_customer(at, None, after, intermission)


def reopens(at: datetime, closed_at: datetime | None) -> bool:
    """Return whether a customer message of `at` reopens the ticket it joins: only one from after the closing does."""
    return closed_at is not None and at > closed_at
