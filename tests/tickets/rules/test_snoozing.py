"""When a snoozed conversation comes back: the choices, the messaging window, and the two nights of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.matching import present
from tickets.rules.snoozing import (
    BEFORE_CLOSING,
    LATER,
    LONGEST,
    Choice,
    Shift,
    is_possible,
    is_shut,
    parse_wall,
    resolve,
    time_of,
)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"]
BERLIN = ZoneInfo("Europe/Berlin")
EPOCH, END = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-01-01")
zones = st.sampled_from(ZONES).map(ZoneInfo)
walls = st.datetimes(EPOCH, END).map(lambda at: at.replace(second=0, microsecond=0))
moments = st.datetimes(EPOCH, END, timezones=st.just(UTC))


@given(walls, zones)
def test_a_wall_time_is_the_moment_at_which_the_clock_shows_it_unless_it_is_skipped(
    wall: datetime, zone: ZoneInfo
) -> None:
    found = resolve(wall, zone)
    shown = found.at.astimezone(zone).replace(tzinfo=None)
    if found.shift is Shift.SKIPPED:
        assert timedelta(0) < shown - wall <= timedelta(hours=1)
    else:
        assert shown == wall
    earlier = found.at - timedelta(minutes=30), found.at - timedelta(hours=1)
    assert all(at.astimezone(zone).replace(tzinfo=None) != wall for at in earlier), "of two the first is meant"


@pytest.mark.parametrize(
    ("wall", "at", "shift"),
    [
        ("2027-03-28T01:59", "00:59", Shift.NONE),
        ("2027-03-28T02:30", "01:30", Shift.SKIPPED),  # half past three
        ("2027-03-28T03:00", "01:00", Shift.NONE),
        ("2026-10-25T02:30", "00:30", Shift.TWICE),
        ("2026-10-25T03:00", "02:00", Shift.NONE),
    ],
)
def test_in_the_nights_of_the_clocks(wall: str, at: str, shift: Shift) -> None:
    found = resolve(present(parse_wall(wall)), BERLIN)
    assert (f"{found.at:%H:%M}", found.shift) == (at, shift)


@given(moments, zones)
def test_the_mornings_are_at_nine_on_the_wall_and_still_to_come(now: datetime, zone: ZoneInfo) -> None:
    tomorrow = present(time_of(Choice.TOMORROW, now, zone)).at.astimezone(zone)
    monday = present(time_of(Choice.MONDAY, now, zone)).at.astimezone(zone)
    assert (tomorrow.hour, tomorrow.minute) == (monday.hour, monday.minute) == (9, 0)
    assert tomorrow.date() == now.astimezone(zone).date() + timedelta(days=1)
    assert monday.weekday() == 0
    assert now < monday <= now + timedelta(days=8)
    assert present(time_of(Choice.LATER, now, zone)).at == now + LATER


@given(moments, st.none() | st.timedeltas(timedelta(days=-8), timedelta(days=8)))
def test_before_the_window_closes_is_offered_while_there_is_time(now: datetime, left: timedelta | None) -> None:
    closes_at = None if left is None else now + left
    found = time_of(Choice.BEFORE_CLOSING, now, BERLIN, closes_at)
    assert (found is not None) == (left is not None and left > BEFORE_CLOSING)
    if found is not None:
        assert found.at == present(closes_at) - BEFORE_CLOSING > now
        assert not is_shut(found.at, closes_at)


def test_the_window_is_shut_from_the_moment_at_which_it_closes() -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert [is_shut(at, at + timedelta(seconds=1)), is_shut(at, at), is_shut(at, None)] == [False, True, True]


def test_the_past_and_what_is_too_far_away_are_not_possible() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert [is_possible(at, now) for at in (now, now + minute, now + LONGEST, now + LONGEST + minute)] == [
        *(False, True, True, False)
    ]


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01T09:00", "2026-11-20", "2026-11-20T9", "0000-00-00T00:00"])
def test_what_is_no_wall_time_is_none(text: str) -> None:
    assert parse_wall(text) is None


def test_choices_without_a_time_have_none() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert [time_of(choice, now, BERLIN, None) for choice in (Choice.REPLY, Choice.TIME)] == [None, None]
