"""Outages: when replies from a Page were not possible, shown in its conversations later."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.models import Page, PageOutage
from channels_im.services.facebook import reasons
from desk.prepared import PreparedModels, Value
from desk.sentences import sentence

MAX_OUTAGES = 20  # the newest ones of a Page in one stretch of a conversation


@dataclass(frozen=True)
class OutageEvent:
    """The moment at which an outage began or ended, in words; `key` is stable."""

    key: str
    moment: datetime
    sentence: str


def begin(page: Page) -> None:
    """Record that `page` waits for re-authentication; update the reason when that is already recorded.

    Call it under the Page's lock.
    """
    values = {"reason": page.reauth_reason, "began_at": page.reauth_since}
    PageOutage.objects.update_or_create(page=page, ended_at=None, defaults=values)


def end(page: Page) -> None:
    """Record that `page` is connected again."""
    PageOutage.objects.filter(page=page, ended_at=None).update(ended_at=timezone.now())


def events_between(page_id: int, since: datetime, until: datetime | None = None) -> list[OutageEvent]:
    """Return what began or ended at `since` or later and before `until` (None: up to now), in order; one query."""
    values: dict[str, Value] = {"page_id": page_id, "since": since}
    if until is not None:
        values["until"] = until
    events = []
    for outage in _newest.rows((), **values):
        reason = reasons.INSIDE_A_SENTENCE[Page.Reason(outage.reason)]
        began = sentence("The Page must be re-authenticated: %(reason_text)s. Replies are held", reason_text=reason)
        events.append(OutageEvent(f"outage-{outage.pk}", outage.began_at, began))
        if outage.ended_at:
            events.append(
                OutageEvent(f"outage-{outage.pk}-ended", outage.ended_at, sentence("The Page was re-authenticated"))
            )
    within = [event for event in events if event.moment >= since and (until is None or event.moment < until)]
    return sorted(within, key=lambda event: event.moment)


def _overlapping(*, page_id: int, since: datetime, until: datetime | None = None) -> QuerySet[PageOutage, PageOutage]:
    overlaps = Q(began_at__gte=since) | Q(ended_at__gte=since)
    if until is not None:
        overlaps &= Q(began_at__lt=until)
    return PageOutage.objects.filter(overlaps, page_id=page_id).order_by("-began_at")[:MAX_OUTAGES]


_newest = PreparedModels(_overlapping)
