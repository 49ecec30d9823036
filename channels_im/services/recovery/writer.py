"""Write what Desk has missed of a conversation into the journal, in the form of a webhook delivery.

The app above knows which messages are stored: it registers the function that finds the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from channels_im.messenger import recovered_events
from channels_im.messenger.graph_messages import GraphMessage
from channels_im.messenger.recovered_events import NotRecoveredSpan
from channels_im.models import Page, WebhookDelivery
from channels_im.services.journal import store

Source = WebhookDelivery.Source


@dataclass(frozen=True)
class MissedMessage:
    """A message of which Desk has nothing, with the time at which it stands in Meta's order."""

    message: GraphMessage
    at: datetime


class Finder(Protocol):
    """Return those of a customer's messages that Desk has missed, oldest first.

    `shown` are messages in Meta's order, newest first. What was stored once is not missed, also when
    it was unsent or its author erased since.
    """

    def __call__(self, page: Page, psid: str, shown: Sequence[GraphMessage]) -> list[MissedMessage]: ...


_registered: list[Finder] = []


def register_finder(find: Finder) -> None:
    """Register the function that finds missed messages; called from `AppConfig.ready()` of an app above this one."""
    _registered[:] = [find]


@dataclass(frozen=True)
class Written:
    """How many messages were written to the journal, and how many are beyond reach."""

    inserted: int
    beyond_reach: int


def write_missed(
    page: Page, psid: str, shown: Sequence[GraphMessage], source: WebhookDelivery.Source = Source.RECOVERED
) -> Written:
    """Write what Desk has missed of these messages (newest first) to the journal; return how many.

    Messages without details cannot be recovered: one item names them all. `source` says why they are written.
    """
    with transaction.atomic():
        missed = _registered[0](page, psid, shown)
        items = [
            recovered_events.message_item(one.message, page.page_id, psid, one.at)
            for one in missed
            if one.message.has_details
        ]
        beyond_reach = [one for one in missed if not one.message.has_details]
        if beyond_reach:
            newest = beyond_reach[-1]
            span = NotRecoveredSpan(
                len(beyond_reach), beyond_reach[0].at, newest.at, newest.message.mid, source == Source.IMPORTED
            )
            items.append(recovered_events.not_recovered_item(span, page.page_id, psid, newest.at))
        if items:
            store.add_recovered(recovered_events.delivery_body(page.page_id, items, timezone.now()), source)
    return Written(len(items) - bool(beyond_reach), len(beyond_reach))
