"""Where the events of a Page go: to its channel, into the park until the channel is on again, or nowhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q

from channels_im.models import Channel, Page, ParkedDelivery, WebhookDelivery
from channels_im.services.facebook import subscriptions
from channels_im.services.journal.store import Sender

EVENT_TIME_STEP = timedelta(seconds=5)


class Handling(StrEnum):
    """What is done with an event."""

    TAKE = "take"
    PARK = "park"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Route:
    """The Page Meta named, if we know it, and its channel that is not deleted, if it has one."""

    page: Page | None
    channel: Channel | None

    @property
    def way(self) -> Handling:
        """A Page that must be re-authenticated still takes in: only sending needs the token."""
        if self.channel is None:
            return Handling.IGNORE
        return Handling.TAKE if self.channel.is_active else Handling.PARK

    def sender(self, psid: str | None) -> Sender:
        """Return the sender `psid` of this Page (None: the Page alone); only where the way is TAKE."""
        if self.page is None or self.channel is None:
            raise ValueError("There is no channel to take anything in.")
        return Sender(self.page, self.channel, psid)


UNKNOWN_PAGE = Route(None, None)


def routes_for(page_ids: Iterable[str]) -> dict[str, Route]:
    """Return the route of each of Meta's page ids that we know; NOWHERE is meant for all others."""
    pages = {page.pk: page for page in Page.objects.filter(page_id__in=set(page_ids))}
    channels = {channel.page_id: channel for channel in Channel.objects.existing().filter(page__in=pages)}
    for channel in channels.values():
        channel.page = pages[channel.page_id]
    return {page.page_id: Route(page, channels.get(page.pk)) for page in pages.values()}


def park(parked: Iterable[tuple[WebhookDelivery, Page]]) -> None:
    """Note for which Pages these deliveries wait; a note made before stays as it is."""
    ParkedDelivery.objects.bulk_create(
        [ParkedDelivery(delivery=delivery, page=page) for delivery, page in parked], ignore_conflicts=True
    )


def request_unsubscription(pages: Iterable[Page]) -> None:
    """Ask Meta to send no more for these Pages, unless that was asked or done already."""
    unwanted = Page.objects.filter(pk__in={page.pk for page in pages}, subscription_due_at=None)
    unwanted = unwanted.exclude(subscription=Page.Subscription.UNSUBSCRIBED)
    subscriptions.request_check(*unwanted.values_list("pk", flat=True))


def note_last_event(newest: dict[Page, datetime]) -> None:
    """Keep when a Page last sent something, to within a few seconds."""
    for page, at in newest.items():
        old = Q(last_event_at=None) | Q(last_event_at__lt=at - EVENT_TIME_STEP)
        if page.last_event_at is None or page.last_event_at < at - EVENT_TIME_STEP:
            Page.objects.filter(old, pk=page.pk).update(last_event_at=at)
