"""Read how long messages took: percentiles of what desk.timings has counted, of a period or by hour."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

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


def since(moment: datetime) -> dict[str, Times]:
    """Return the times of each kind since a moment, to five minutes."""
    rows = TimingCount.objects.filter(slot__gt=moment - timings.SLOT).order_by().values_list("kind", "bound_ms")
    counts: dict[str, dict[int, int]] = {}
    for kind, bound, count in rows.annotate(total=Sum("count")):
        counts.setdefault(kind, {})[bound] = count
    return {kind: times_of([counts.get(kind, {})]) for kind in (timings.STORED, timings.SHOWN, timings.SCREEN)}


def by_hour(kind: str, moment: datetime) -> dict[datetime, Times]:
    """Return the times of one kind since a moment, for each hour in UTC in which there was a message."""
    rows = TimingCount.objects.filter(slot__gt=moment - timings.SLOT, kind=kind).order_by()
    counts: dict[datetime, dict[int, int]] = {}
    hours = rows.annotate(hour=UtcHour("slot")).values_list("hour", "bound_ms")
    for hour, bound, count in hours.annotate(total=Sum("count")):
        counts.setdefault(utc_part(hour), {})[bound] = count
    return {hour: times_of([part]) for hour, part in counts.items()}
