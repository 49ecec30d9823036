"""When something that failed is tried again: soon three times, then ever later, for a day (design section 6)."""

from datetime import timedelta

from django.conf import settings

GIVE_UP_AFTER = timedelta(hours=24)
MAX_TRIES = 30  # however short the base


def delay_after(tries: int) -> timedelta | None:
    """Return how long to wait after the `tries`-th failure (from 1), or None when a day of tries is over.

    DESK_RETRY_BASE_SECONDS, doubled each time: with 2 seconds the first three come after 2, 4 and 8 seconds and the
    last after about 18 hours.
    """
    base = settings.DESK_RETRY_BASE_SECONDS
    waited = base * (2.0 ** (tries - 1) - 1)
    pause = base * 2.0 ** (tries - 1)
    if tries >= MAX_TRIES or (tries > 3 and waited + pause > GIVE_UP_AFTER.total_seconds()):
        return None
    return timedelta(seconds=min(pause, GIVE_UP_AFTER.total_seconds()))
