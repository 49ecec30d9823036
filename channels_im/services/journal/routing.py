"""Routing: whether the events of a Page are processed, parked until its channel is active again, or ignored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q

from channels_im.models import Channel, Page, ParkedDelivery, WebhookDelivery
from channels_im.services.facebook import subscriptions
from channels_im.services.journal.store import Sender

LAST_EVENT_PRECISION = timedelta(seconds=5)


class Handling(StrEnum):
    """What is done with an event."""

    PROCESS = "process"
    PARK = "park"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Route:
    """The Page Meta named, if we know it, and its channel that is not deleted, if it has one."""

    page: Page | None
    channel: Channel | None

    @property
    def handling(self) -> Handling:
        """Return what to do with the Page's events.

        Those of a Page that must be re-authenticated are processed: only sending needs the token.
        """
        if self.channel is None:
            return Handling.IGNORE
        return Handling.PROCESS if self.channel.is_active else Handling.PARK

    def sender(self, psid: str | None) -> Sender:
        """Return the sender `psid` of this Page, or the Page itself for None. Raises ValueError without a channel."""
        if self.page is None or self.channel is None:
            raise ValueError("This route has no channel.")
        return Sender(self.page, self.channel, psid)


UNKNOWN_PAGE = Route(None, None)


def routes_for(page_ids: Iterable[str]) -> dict[str, Route]:
    """Return the route of each of Meta's page ids that we know; use UNKNOWN_PAGE for all others."""
    pages = {page.pk: page for page in Page.objects.filter(page_id__in=set(page_ids))}
    channels = {channel.page_id: channel for channel in Channel.objects.existing().filter(page__in=pages)}
    for channel in channels.values():
        channel.page = pages[channel.page_id]
    return {page.page_id: Route(page, channels.get(page.pk)) for page in pages.values()}


def park(parked: Iterable[tuple[WebhookDelivery, Page]]) -> None:
    """Record for which Pages these deliveries wait; an earlier record stays as it is."""
    ParkedDelivery.objects.bulk_create(
        [ParkedDelivery(delivery=delivery, page=page) for delivery, page in parked], ignore_conflicts=True
    )


def request_unsubscription(pages: Iterable[Page]) -> None:
    """Request that Meta sends no more events of these Pages, unless that is already requested or done."""
    unwanted = Page.objects.filter(pk__in={page.pk for page in pages}, subscription_due_at=None)
    unwanted = unwanted.exclude(subscription=Page.Subscription.UNSUBSCRIBED)
    subscriptions.request_check(*unwanted.values_list("pk", flat=True))


def save_last_event_times(newest: dict[Page, datetime]) -> None:
    """Save when each Page last sent something, to within LAST_EVENT_PRECISION."""
    for page, at in newest.items():
        is_older = Q(last_event_at=None) | Q(last_event_at__lt=at - LAST_EVENT_PRECISION)
        if page.last_event_at is None or page.last_event_at < at - LAST_EVENT_PRECISION:
            Page.objects.filter(is_older, pk=page.pk).update(last_event_at=at)
