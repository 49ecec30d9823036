"""What Health shows of the recovery of missed messages: up to when a Page is complete, and the last run."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext, pgettext

from channels_im.models import Channel, Page, PageRecovery, RecoveryRun
from channels_im.services.facebook import recovery_requests
from desk.languages import translated

State = RecoveryRun.State


@dataclass(frozen=True)
class RecoveryView:
    """`complete_until` is None when it is not known; `state` describes the last run, `counts` what it found."""

    complete_until: datetime | None
    run: RecoveryRun | None
    state: str
    counts: str
    may_be_requested: bool


def of_all(channels: Collection[Channel]) -> dict[int, RecoveryView]:
    """Return what Health shows of each channel's Page, by the channel's primary key; in two queries."""
    of_page = RecoveryRun.objects.filter(page=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    pages = [channel.page_id for channel in channels]
    newest = RecoveryRun.objects.filter(pk__in=Page.objects.filter(pk__in=pages).values(run=Subquery(of_page)))
    runs = {run.page_id: run for run in newest}
    recoveries = {row.page_id: row for row in PageRecovery.objects.filter(page__in=pages)}
    return {
        channel.pk: _view(channel, runs.get(channel.page_id), recoveries.get(channel.page_id)) for channel in channels
    }


def _view(channel: Channel, run: RecoveryRun | None, recovery: PageRecovery | None) -> RecoveryView:
    known = recovery_requests.complete_until_by(channel.page, recovery, run, is_active=channel.is_active)
    return RecoveryView(
        complete_until=known,
        run=run,
        state=_state(channel, run) if run else "",
        counts=_counts(run) if run else "",
        may_be_requested=not obstacle(channel) and not (run is not None and run.state in recovery_requests.OPEN),
    )


def is_open(view: RecoveryView) -> bool:
    """Return whether a run is at work, so that the page should show its progress."""
    now = timezone.now()
    run = view.run
    if run is None or run.state not in recovery_requests.OPEN:
        return False
    return run.retry_after is None or (run.retry_after - now).total_seconds() < 60


def obstacle(channel: Channel) -> str:
    """Return why nothing can be recovered now, as a sentence, or ""."""
    if not channel.is_active:
        return gettext("Activate the channel first.")
    return "" if channel.page.is_connected else gettext("Re-authenticate the Page first.")


def _state(channel: Channel, run: RecoveryRun) -> str:
    now = timezone.now()
    if run.state == State.DONE:
        return pgettext("a recovery is", "Done")
    if run.state == State.FAILED:
        return gettext("Stopped: %(reason)s") % {"reason": translated(run.error)}
    limit = max(
        (at for at in (channel.page.background_limited_until, run.retry_after) if at and at > now), default=None
    )
    if blocked := obstacle(channel):
        return " ".join((gettext("Waiting."), blocked))
    if limit is not None:
        waiting = gettext("Waiting until %(time)s.") % {"time": f"{timezone.localtime(limit):%H:%M}"}
        return f"{waiting} {translated(run.error)}".strip()
    return gettext("Reading from Facebook …") if run.until else gettext("Starting …")


def _counts(run: RecoveryRun) -> str:
    values = {"read": run.read_count, "recovered": run.inserted_count, "beyond": run.beyond_reach_count}
    if run.beyond_reach_count:
        return gettext("%(read)s read, %(recovered)s recovered, %(beyond)s out of reach") % values
    return gettext("%(read)s read, %(recovered)s recovered") % values
