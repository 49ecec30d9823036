"""Request the recovery of missed messages, and say up to when a Page is complete. `services.recovery.runs` does it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from channels_im.models import Channel, Page, PageRecovery, RecoveryRun
from desk.queue import enqueue

TASK = "channels_im.tasks.drain_recovery"
#: Clocks differ, and the last events before an interruption may have been lost with it.
MARGIN = timedelta(minutes=10)
#: How far back is looked when nothing else is known, and on request.
LAST_DAY, REQUESTED_SPAN = timedelta(days=1), timedelta(days=7)

Reason, State = RecoveryRun.Reason, RecoveryRun.State
OPEN = (State.WAITING, State.RUNNING)
#: Reasons that say that something was missed, and not only that somebody looks.
_INTERRUPTIONS = frozenset({Reason.OUTAGE, Reason.SUBSCRIPTION, Reason.REAUTHENTICATION, Reason.ACTIVATION})


def request(
    page_pk: int, reason: RecoveryRun.Reason, since: datetime, *, start_after: datetime | None = None
) -> RecoveryRun:
    """Request a run that looks for messages since this time; it begins after the commit, or at `start_after`.

    A Page has one run at a time: one that has not begun reaches further back, one that has begun is repeated.
    """
    now = timezone.now()
    since = min(since, now)
    with transaction.atomic():
        PageRecovery.objects.get_or_create(page_id=page_pk)
        recovery = PageRecovery.objects.select_for_update().get(page_id=page_pk)
        known = complete_until(Page.objects.get(pk=page_pk))
        if reason in _INTERRUPTIONS:
            known = since if known is None else min(known, since)
        if known != recovery.complete_until:
            recovery.complete_until = known
            recovery.save(update_fields=["complete_until"])
        run = RecoveryRun.objects.select_for_update().filter(page_id=page_pk, state__in=OPEN).first()
        if run is None:
            run = RecoveryRun.objects.create(page_id=page_pk, reason=reason, since=since, retry_after=start_after)
        else:
            run.since = min(since, run.since)
            run.is_requested_again = run.is_requested_again or run.until is not None
            if run.until is None and start_after is None:
                run.retry_after = None
            run.save(update_fields=["since", "is_requested_again", "retry_after"])
        if start_after is None:
            enqueue(TASK)
    return run


def request_on_demand(page: Page, span: timedelta = REQUESTED_SPAN) -> RecoveryRun:
    """Request a run for an administrator, back to `span` ago, or further when the Page has not been complete since."""
    known = complete_until(page)
    since = timezone.now() - span
    return request(page.pk, Reason.REQUEST, since if known is None else min(since, known - MARGIN))


def freeze(page: Page) -> None:
    """Store up to when the Page is complete: from now on webhooks no longer say so."""
    known = complete_until(page)
    if known is not None:
        PageRecovery.objects.update_or_create(page=page, defaults={"complete_until": known})


def discard(page_pk: int) -> None:
    """Discard the run of a Page whose channel was deleted; one that a worker is at ends by itself."""
    RecoveryRun.objects.filter(page_id=page_pk, state=State.WAITING).delete()


def last_complete(page: Page) -> datetime:
    """Return up to when nothing is known to be missing, minus a margin; a day ago when nothing is known."""
    return (complete_until(page) or timezone.now() - LAST_DAY) - MARGIN


def complete_until(page: Page) -> datetime | None:
    """Return up to when Desk has all messages that Meta gives, or None when that is not known."""
    recovery = PageRecovery.objects.filter(page=page).first()
    newest = RecoveryRun.objects.filter(page=page).order_by("-pk").first()
    is_active = Channel.objects.existing().filter(page=page, is_active=True).exists()
    return complete_until_by(page, recovery, newest, is_active=is_active)


def complete_until_by(
    page: Page, recovery: PageRecovery | None, newest: RecoveryRun | None, *, is_active: bool
) -> datetime | None:
    """Return what `complete_until` does, by rows that were read before; `newest` is the newest run of the Page.

    It advances when a run has ended without an error, and with each webhook while nothing is known to be missing.
    """
    stored = recovery.complete_until if recovery else None
    is_receiving = is_active and page.is_connected and page.subscription == Page.Subscription.SUBSCRIBED
    if not is_receiving or (newest is not None and newest.state != State.DONE):
        return stored
    return max((at for at in (stored, page.last_event_at) if at is not None), default=None)
