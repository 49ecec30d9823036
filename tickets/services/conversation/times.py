"""Times as Meta keeps them: to the millisecond."""

from datetime import UTC, datetime

from django.utils import timezone


def now_ms() -> datetime:
    """Return the present, cut to the millisecond: a watermark of the same moment is not before it."""
    now = timezone.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return Meta's timestamp as an aware time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
