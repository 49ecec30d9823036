"""Quiet hours follow the clock on the wall, also in the nights in which it is changed."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.matching import present
from tickets.rules.quiet_hours import ALL_DAYS, QuietHours

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"]
BERLIN = ZoneInfo("Europe/Berlin")
zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.datetimes(
    datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2028-01-01"), timezones=st.just(UTC)
)
clock_times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
quiet_hours = st.builds(
    QuietHours, clock_times, clock_times, st.frozensets(st.integers(0, 6), min_size=1).map(frozenset)
)


@given(quiet_hours, moments, zones)
def test_they_include_what_the_clock_shows_between_their_beginning_and_end(
    hours: QuietHours, at: datetime, zone: ZoneInfo
) -> None:
    wall = at.astimezone(zone).replace(tzinfo=None)
    spans = []
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        begins, ends = datetime.combine(day, hours.begins), datetime.combine(day, hours.ends)
        if ends <= begins:
            ends += timedelta(days=1)
        if day.weekday() in hours.days:
            spans.append(begins <= wall < ends)
    assert hours.include(at, zone) == any(spans)


@pytest.mark.slow
@given(quiet_hours, moments, zones)
def test_they_end_at_the_first_minute_that_is_not_quiet(hours: QuietHours, at: datetime, zone: ZoneInfo) -> None:
    end = hours.end_after(at, zone)
    if not hours.include(at, zone):
        assert end == at
    elif end is None:
        assert hours.begins == hours.ends
        assert hours.days == ALL_DAYS
    else:
        assert end > at
        assert not hours.include(end, zone)
        assert hours.include(end - timedelta(minutes=1), zone) or end - timedelta(minutes=1) < at
        for step in range(1, 8):
            assert hours.include(at + (end - at) * step / 8, zone)


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-11-20T21:00", "2026-11-21T06:00"),
        ("2026-10-24T21:00", "2026-10-25T06:00"),  # the clock is put back: an hour longer
        ("2027-03-27T21:00", "2027-03-28T05:00"),  # the clock is put forward: an hour shorter
    ],
)
def test_a_night_ends_at_seven_on_the_wall_whatever_was_done_to_the_clock(at: str, end: str) -> None:
    hours = QuietHours(time(20), time(7))
    found = present(hours.end_after(datetime.fromisoformat(at).replace(tzinfo=UTC), BERLIN))
    assert f"{found:%Y-%m-%dT%H:%M}" == end


def test_an_end_that_the_clock_skips_is_when_it_jumps() -> None:
    hours = QuietHours(time(23), time(2, 30))
    found = hours.end_after(datetime(2027, 3, 28, 0, 10, tzinfo=UTC), BERLIN)  # ten past one
    assert found == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)  # three o'clock


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday_night = QuietHours(time(22), time(6), frozenset({4}))
    assert friday_night.include(datetime(2026, 11, 20, 23, 0, tzinfo=UTC), UTC)
    assert friday_night.include(datetime(2026, 11, 21, 5, 59, tzinfo=UTC), UTC)
    assert not friday_night.include(datetime(2026, 11, 21, 23, 0, tzinfo=UTC), UTC)
    assert not friday_night.include(datetime(2026, 11, 20, 5, 0, tzinfo=UTC), UTC)
