"""Sending a reply later: the times that the menu offers, what the messaging window allows, what is due. Pure.

Wall times, and the nights in which the clocks change, are those of tickets.rules.snoozing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from desk.sentences import sentence
from tickets.rules import snoozing
from tickets.rules.sending import Refusal, Verdict
from tickets.rules.snoozing import Resolved

SOON = timedelta(hours=1)
EVENING = 18  # o'clock
#: Before the messaging window closes, so that the reply has left before: the worker may have to try again.
BEFORE_CLOSING = timedelta(minutes=5)
#: A reply that is later than this, because Desk was not running, may no longer fit.
MOST_LATE = timedelta(hours=12)
#: A reply that is due before its time was planned while the clock of the machine was wrong.
MOST_EARLY = timedelta(minutes=2)


class Choice(StrEnum):
    """What the menu offers; the values are those of the form."""

    HOUR = "hour"
    EVENING = "evening"
    TOMORROW = "tomorrow"
    MONDAY = "monday"
    LAST = "last"
    TIME = "time"


def time_of(choice: Choice, now: datetime, zone: tzinfo, closes_at: datetime | None) -> Resolved | None:
    """Return when a reply is sent by this choice; None when the choice is not possible, or names no time.

    `closes_at` is when the messaging window closes, None when it is closed.
    """
    match choice:
        case Choice.HOUR:
            return Resolved(now + SOON)
        case Choice.EVENING:
            evening = snoozing.at_hour(now, zone, EVENING)
            return evening if evening.at > now else None
        case Choice.TOMORROW:
            return snoozing.time_of(snoozing.Choice.TOMORROW, now, zone)
        case Choice.MONDAY:
            return snoozing.time_of(snoozing.Choice.MONDAY, now, zone)
        case Choice.LAST:
            last = latest(closes_at)
            return Resolved(last) if last is not None and last > now else None
    return None


def latest(closes_at: datetime | None) -> datetime | None:
    """Return the latest time to which a reply can be scheduled, to the minute; None when the window is closed."""
    return None if closes_at is None else (closes_at - BEFORE_CLOSING).replace(second=0, microsecond=0)


def fits(at: datetime, closes_at: datetime | None) -> bool:
    """Return whether the messaging window, which closes at `closes_at`, lets a reply be sent at `at`."""
    last = latest(closes_at)
    return last is not None and at <= last


@dataclass(frozen=True)
class DueFacts:
    """What decides whether a reply whose time has come is sent.

    `author` is the name of who wrote it, "" when they were deleted; `verdict` is that of `sending.may_send` for them.
    """

    verdict: Verdict
    author: str = ""
    author_is_active: bool = True
    late: timedelta = timedelta(0)


def reason_not_to_send(facts: DueFacts) -> str:
    """Return why a due reply is not sent, in a sentence for people; "" when it is sent."""
    if not facts.author:
        return sentence("The colleague who wrote it was deleted. Nothing is sent in their name.")
    if not facts.author_is_active:
        return sentence("%(user)s was deactivated. Nothing is sent in their name.", user=facts.author)
    if facts.verdict.code == Refusal.NOT_ASSOCIATED:
        return sentence("%(user)s may no longer answer in this conversation.", user=facts.author)
    if not facts.verdict.allowed:
        return facts.verdict.sentence
    if facts.late < -MOST_EARLY:
        return sentence("The clock of the machine was wrong when it was scheduled.")
    if facts.late > MOST_LATE:
        return sentence("Desk was not running at that time, and afterwards it was too late to send it unasked.")
    return ""
