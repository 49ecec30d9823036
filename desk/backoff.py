"""Decide when to retry what failed: three times within seconds, then at doubling intervals, for at most a day."""

from datetime import timedelta

from django.conf import settings

GIVE_UP_AFTER = timedelta(hours=24)
MAX_TRIES = 30  # however short the base


def delay_after(tries: int) -> timedelta | None:
    """Return how long to wait after failure number `tries` (from 1), or None when it is time to give up.

    The delay is DESK_RETRY_BASE_SECONDS, doubled after each failure. With 2 seconds the first three retries come after
    2, 4 and 8 seconds, and the last about 18 hours after the first failure.
    """
    base = settings.DESK_RETRY_BASE_SECONDS
    waited = base * (2.0 ** (tries - 1) - 1)
    pause = base * 2.0 ** (tries - 1)
    if tries >= MAX_TRIES or (tries > 3 and waited + pause > GIVE_UP_AFTER.total_seconds()):
        return None
    return timedelta(seconds=min(pause, GIVE_UP_AFTER.total_seconds()))
