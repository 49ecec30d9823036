"""Keep to Meta's limit for the Conversations API: 2 calls per second and Page, over all processes.

Each call reserves a place in time on the Page's row and waits for it. Recovery reserves one place at a time, so that
the look-up of a reply waits for one call at most.
"""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from channels_im.models import PageRecovery

#: A little more than half a second: calls do not arrive at Meta as evenly as they are sent.
SPACING = timedelta(milliseconds=600)
#: A place further ahead is of a wrong clock.
LONGEST_WAIT = timedelta(seconds=30)


def wait_for_turn(page_pk: int) -> None:
    """Wait until the Conversations API may be called once for this Page."""
    wait_until(reserve(page_pk))


def wait_until(turn: datetime) -> None:
    """Wait until the time that `reserve` has given. Makes no query."""
    pause = (turn - timezone.now()).total_seconds()
    if pause > 0:
        time.sleep(min(pause, LONGEST_WAIT.total_seconds()))


def reserve(page_pk: int) -> datetime:
    """Reserve the next free place and return its time."""
    row, _created = PageRecovery.objects.get_or_create(page_id=page_pk)
    while True:
        now = timezone.now()
        free_at = row.next_call_at
        at = free_at if free_at is not None and now < free_at <= now + LONGEST_WAIT else now
        if PageRecovery.objects.filter(pk=row.pk, next_call_at=free_at).update(next_call_at=at + SPACING):
            return at
        row.refresh_from_db(fields=["next_call_at"])
