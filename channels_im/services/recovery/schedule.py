"""When recovery is requested without anybody asking: after Desk was down, and every night."""

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from channels_im.models import Channel, RecoveryRun
from channels_im.services.facebook import recovery_requests
from desk.backup.after_restore import Circumstances
from desk.sentences import sentence

logger = logging.getLogger(__name__)

NIGHTLY_TASK = "channels_im.tasks.recover_nightly"
NIGHT = range(1, 5)  # hours in UTC
EVERY = timedelta(hours=20)
Reason, State = RecoveryRun.Reason, RecoveryRun.State


def after_interruption(since: datetime) -> None:
    """Request the recovery of every active channel: Desk was down since then."""
    for channel in Channel.objects.existing().filter(is_active=True).order_by("pk"):
        recovery_requests.request(channel.page_id, Reason.OUTAGE, since - recovery_requests.MARGIN)


def after_restore(circumstances: Circumstances) -> list[str]:
    """Request the recovery of what came after the backup was made; return a sentence for the administrator.

    Not when the old Desk was stopped before: Meta repeats what it could not deliver, and the nightly recovery finds
    the rest.
    """
    if circumstances.moved:
        return []
    after_interruption(datetime.fromisoformat(circumstances.made_at))
    if not Channel.objects.existing().filter(is_active=True).exists():
        return []
    return [
        sentence("Messages that arrived after the backup was made are recovered from Facebook when the worker runs.")
    ]


def recover_nightly() -> int:
    """Request the nightly recovery of the Pages whose turn it is in this hour of the night; return how many.

    Each Page has an hour and a minute of its own, so that the calls are spread.
    """
    now = timezone.now()
    if now.hour not in NIGHT:
        return 0
    count = 0
    for channel in Channel.objects.existing().filter(is_active=True).select_related("page").order_by("pk"):
        page = channel.page
        newest = RecoveryRun.objects.filter(page=page).order_by("-pk").first()
        is_recent = newest is not None and (newest.finished_at is None or newest.finished_at > now - EVERY)
        if NIGHT[page.pk % len(NIGHT)] != now.hour or is_recent:
            continue
        start = now + timedelta(seconds=page.pk * 47 % 3000)
        recovery_requests.request(page.pk, Reason.NIGHTLY, recovery_requests.last_complete(page), start_after=start)
        count += 1
    return count
