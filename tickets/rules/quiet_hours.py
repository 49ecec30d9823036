"""Quiet hours: from when until when, on which days, a person wants no notifications.

The hours are those of the clock on the wall in the person's time zone. When that clock is changed in spring or autumn,
quiet hours follow it: they may be an hour shorter or longer that night, but begin and end at the time on the clock.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

MINUTE = timedelta(minutes=1)
LONGEST = timedelta(days=8)  # a whole week and the end of its last day
ALL_DAYS = frozenset(range(7))


@dataclass(frozen=True)
class QuietHours:
    """From `begins` until before `ends`, on the `days` (0 is Monday) on which they begin.

    With `ends` at or before `begins` they end on the next day; the same time means a whole day. Whole minutes.
    """

    begins: time
    ends: time
    days: frozenset[int] = ALL_DAYS

    def include(self, at: datetime, zone: tzinfo) -> bool:
        """Return whether the aware time `at` is within the quiet hours of somebody in this time zone."""
        local = at.astimezone(zone)
        clock, today = local.time().replace(tzinfo=None, fold=0), local.weekday()
        if self.begins < self.ends:
            return today in self.days and self.begins <= clock < self.ends
        begun_today = today in self.days and clock >= self.begins
        begun_yesterday = (today - 1) % 7 in self.days and clock < self.ends
        return begun_today or begun_yesterday

    def end_after(self, at: datetime, zone: tzinfo) -> datetime | None:
        """Return when the quiet hours that include `at` are over: `at` itself when none do, None if they never end."""
        if not self.include(at, zone):
            return at
        # Minute by minute: it is a thousand steps at most nights, and right however the clock is changed.
        moment = at.replace(second=0, microsecond=0)
        for _minute in range(int(LONGEST / MINUTE)):
            moment += MINUTE
            if not self.include(moment, zone):
                return moment
        return None
