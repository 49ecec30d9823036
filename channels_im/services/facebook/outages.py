"""When a Page could not be answered from, for those who read its conversations later."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from channels_im.models import Page, PageOutage

MAX_OUTAGES = 20  # in one stretch of a conversation; of a Page that flaps the newest


@dataclass(frozen=True)
class OutageEvent:
    """The moment at which an outage began or ended, in words; `key` is stable."""

    key: str
    moment: datetime
    sentence: str


def begin(page: Page) -> None:
    """Remember that `page` waits for re-authentication, or, when that is known, why. Called under the Page's lock."""
    values = {"reason": page.reauth_reason, "began_at": page.reauth_since}
    PageOutage.objects.update_or_create(page=page, ended_at=None, defaults=values)


def end(page: Page) -> None:
    """Remember that `page` is connected again."""
    PageOutage.objects.filter(page=page, ended_at=None).update(ended_at=timezone.now())


def events_between(page_id: int, since: datetime, until: datetime | None = None) -> list[OutageEvent]:
    """What began or ended at `since` or later and before `until` (None: up to now), in order; one query."""
    within = Q(began_at__gte=since) | Q(ended_at__gte=since)
    if until is not None:
        within &= Q(began_at__lt=until)
    found = []
    for outage in PageOutage.objects.filter(within, page_id=page_id).order_by("-began_at")[:MAX_OUTAGES]:
        reason = outage.get_reason_display()
        began = f"The Page must be re-authenticated: {reason[0].lower()}{reason[1:]}. Replies are held"
        found.append(OutageEvent(f"outage-{outage.pk}", outage.began_at, began))
        if outage.ended_at:
            found.append(OutageEvent(f"outage-{outage.pk}-ended", outage.ended_at, "The Page was re-authenticated"))
    inside = [turn for turn in found if turn.moment >= since and (until is None or turn.moment < until)]
    return sorted(inside, key=lambda turn: turn.moment)
