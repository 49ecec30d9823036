"""Times with the precision of Meta's timestamps: milliseconds."""

from datetime import UTC, datetime

from django.utils import timezone


def now_ms() -> datetime:
    """Return the current time, cut to the millisecond: a watermark of the same moment is then not before it."""
    now = timezone.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def now_after(at: datetime | None) -> datetime:
    """Return the current time, but not before `at`: what is done now stands after what is known of that time.

    Meta's clock, which says when a customer wrote, may be ahead of ours.
    """
    return now_ms() if at is None else max(now_ms(), at)


def from_ms(milliseconds: int) -> datetime:
    """Return Meta's timestamp (milliseconds since 1970) as an aware time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
