"""When a reply is sent later: the choices, the messaging window, and what is sent when its time has come."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.matching import present
from tickets.rules.scheduling import (
    BEFORE_CLOSING,
    MOST_EARLY,
    MOST_LATE,
    Choice,
    DueFacts,
    fits,
    latest,
    reason_not_to_send,
    time_of,
)
from tickets.rules.sending import ALLOWED, Refusal, Verdict

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"]
zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.datetimes(
    datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-01-01"), timezones=st.just(UTC)
)
lengths = st.timedeltas(timedelta(days=-8), timedelta(days=8))
CLOSED = Verdict(False, Refusal.WINDOW_CLOSED, "The messaging window closed.")
STRANGER = Verdict(False, Refusal.NOT_ASSOCIATED, "You are not an agent of this channel.")


@given(moments, zones, st.none() | lengths)
def test_each_choice_is_a_time_to_come_as_the_wall_shows_it(
    now: datetime, zone: ZoneInfo, left: timedelta | None
) -> None:
    closes_at = None if left is None or left <= timedelta(0) else now + left
    found = {choice: time for choice in Choice if (time := time_of(choice, now, zone, closes_at))}
    assert all(now < time.at <= now + timedelta(days=8) for time in found.values())
    assert found[Choice.HOUR].at - now == timedelta(hours=1)
    local = now.astimezone(zone)
    for choice, hour in ((Choice.EVENING, 18), (Choice.TOMORROW, 9), (Choice.MONDAY, 9)):
        if choice in found:
            wall = found[choice].at.astimezone(zone)
            assert (wall.hour, wall.minute) == (hour, 0)
    assert (Choice.EVENING in found) == (local.hour < 18)
    assert found[Choice.TOMORROW].at.astimezone(zone).date() == local.date() + timedelta(days=1)
    if Choice.LAST in found:
        assert fits(found[Choice.LAST].at, closes_at)
        assert not fits(found[Choice.LAST].at + timedelta(minutes=1), closes_at)


@given(moments, moments)
def test_what_fits_is_sent_while_the_window_is_open(at: datetime, closes_at: datetime) -> None:
    assert fits(at, closes_at) == (at <= present(latest(closes_at)))
    if fits(at, closes_at):
        assert at <= closes_at - BEFORE_CLOSING
    assert not fits(at, None)


def test_in_the_night_of_the_clocks_nine_is_nine() -> None:
    now = datetime(2026, 10, 24, 16, 30, tzinfo=UTC)  # half past six in the evening; the clocks go back in the night
    assert time_of(Choice.EVENING, now, BERLIN, None) is None
    assert present(time_of(Choice.TOMORROW, now, BERLIN, None)).at == datetime(2026, 10, 25, 8, tzinfo=UTC)


@given(st.sampled_from([ALLOWED, CLOSED, STRANGER]), st.sampled_from(["Alice", ""]), st.booleans(), lengths)
def test_a_due_reply_is_sent_only_in_the_name_of_somebody_who_may(
    verdict: Verdict, author: str, is_active: bool, late: timedelta
) -> None:
    reason = reason_not_to_send(DueFacts(verdict=verdict, author=author, author_is_active=is_active, late=late))
    may = verdict.allowed and bool(author) and is_active and -MOST_EARLY <= late <= MOST_LATE
    assert (reason == "") == may
    assert "You" not in reason.split()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (DueFacts(verdict=ALLOWED), "was deleted"),
        (DueFacts(verdict=STRANGER, author="Alice", author_is_active=False), "Alice was deactivated"),
        (DueFacts(verdict=STRANGER, author="Alice"), "Alice may no longer answer"),
        (DueFacts(verdict=CLOSED, author="Alice", late=timedelta(days=2)), "window closed"),
        (DueFacts(verdict=ALLOWED, author="Alice", late=timedelta(days=2)), "Desk was not running"),
        (DueFacts(verdict=ALLOWED, author="Alice", late=-timedelta(hours=2)), "clock of the machine was wrong"),
    ],
)
def test_the_reason_says_what_it_is(facts: DueFacts, words: str) -> None:
    assert words in reason_not_to_send(facts)
