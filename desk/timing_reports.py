"""Read how long messages took: percentiles of what desk.timings has counted, of a period or by hour."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum

from desk import timings
from desk.models import TimingCount
from desk.utc_parts import UtcHour, utc_part


@dataclass(frozen=True)
class Times:
    """How many messages there were in a period, and in how many seconds half and 95 % of them were there."""

    count: int
    p50: float | None
    p95: float | None


def percentile(counts: Mapping[int, int], percent: int) -> float | None:
    """Return the time in seconds within which `percent` % of the messages were there; None without any.

    `counts` are messages by the upper bound of their bucket (ms). Inside a bucket they count as evenly spread.
    """
    total, before = sum(counts.values()), 0
    for bound, count in sorted(counts.items()):
        if count and (before + count) * 100 >= total * percent:
            lower = max((each for each in timings.BOUNDS_MS if each < bound), default=0)
            return (lower + (bound - lower) * (total * percent / 100 - before) / count) / 1000
        before += count
    return None


def times_of(parts: Iterable[Mapping[int, int]]) -> Times:
    """Return the times of all these counts together."""
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(part)
    return Times(sum(counts.values()), percentile(counts, 50), percentile(counts, 95))


def between(since: datetime, until: datetime) -> dict[str, Times]:
    """Return the times of each kind between two moments, to five minutes."""
    counts: dict[str, dict[int, int]] = {}
    rows = _rows(since, until).values_list("kind", "bound_ms")
    for kind, bound, count in rows.annotate(total=Sum("count")):
        counts.setdefault(kind, {})[bound] = count
    return {kind: times_of([counts.get(kind, {})]) for kind in (timings.STORED, timings.SHOWN, timings.SCREEN)}


def by_hour(kind: str, since: datetime, until: datetime) -> dict[datetime, Times]:
    """Return the times of one kind between two moments, for each hour in UTC in which there was a message."""
    counts: dict[datetime, dict[int, int]] = {}
    hours = _rows(since, until).filter(kind=kind).annotate(hour=UtcHour("slot")).values_list("hour", "bound_ms")
    for hour, bound, count in hours.annotate(total=Sum("count")):
        counts.setdefault(utc_part(hour), {})[bound] = count
    return {hour: times_of([part]) for hour, part in counts.items()}


def _rows(since: datetime, until: datetime) -> QuerySet[TimingCount, TimingCount]:
    """Return the counts of a period. A clock that was ahead may have left some of the future."""
    return TimingCount.objects.filter(slot__gt=since - timings.SLOT, slot__lte=until).order_by()
