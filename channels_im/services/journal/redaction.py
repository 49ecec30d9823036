"""Taking one person out of the journal: their events go, those of others in the same deliveries stay.

The bytes Meta signed are changed by this; each delivery says so (`REDACTED`). A delivery that was about nobody else is
deleted.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BinaryField, F, Func, IntegerField, QuerySet, Value
from django.utils import timezone

from channels_im.messenger.events import Event, UnreadableDeliveryError, parse_delivery
from channels_im.models import WebhookDelivery

REDACTED = "desk_redacted_events"
NOTE = "Part of this delivery was erased together with a customer."
#: A delivery committed late may have a lower id than one seen before it.
LOOK_BACK = timedelta(minutes=1)
AT_ONCE = 100
LISTS = ("messaging", "standby", "changes")

State = WebhookDelivery.State


class DeliveryBusyError(Exception):
    """A delivery about this customer is being processed at this moment. Try again in a few seconds."""


class _Position(Func):
    """Where the bytes stand in the body; 0 for nowhere."""

    function = "INSTR"
    output_field = IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        turned = self.copy()
        turned.set_source_expressions(self.get_source_expressions()[::-1])
        return turned.as_sql(compiler, connection, function="POSITION", arg_joiner=" IN ", **context)


@dataclass
class Redacted:
    """What was taken out: `deliveries` changed or deleted, `events`, and the keys by which those events were known."""

    deliveries: int = 0
    events: int = 0
    keys: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Search:
    """A first look through the whole journal, made before any lock is taken: the slow part of a redaction."""

    page_id: str
    psid: str
    ids: tuple[int, ...]
    began_at: datetime


def search(page_id: str, psid: str) -> Search:
    """Find the deliveries that hold the page-scoped id `psid` (digits). Reads every body once."""
    began_at = timezone.now()
    return Search(page_id, psid, tuple(_holding(psid).values_list("pk", flat=True)), began_at)


def redact(found: Search) -> Redacted:
    """Take the person out of the deliveries found, and of those that came since; in the caller's transaction.

    Raises Busy when a worker has one of them in its hands: what it holds would come back.
    """
    since = _holding(found.psid).filter(received_at__gte=found.began_at - LOOK_BACK).values_list("pk", flat=True)
    ids = sorted({*found.ids, *since})
    done = Redacted()
    for start in range(0, len(ids), AT_ONCE):
        rows = WebhookDelivery.objects.select_for_update().filter(pk__in=ids[start : start + AT_ONCE]).order_by("pk")
        for delivery in rows:
            _redact_one(delivery, found, done)
    return done


def _holding(psid: str) -> QuerySet[WebhookDelivery, WebhookDelivery]:
    needle = Value(psid.encode(), output_field=BinaryField())
    return WebhookDelivery.objects.annotate(found_at=_Position(F("body"), needle)).filter(found_at__gt=0).order_by("pk")


def _redact_one(delivery: WebhookDelivery, found: Search, done: Redacted) -> None:
    before = _events(bytes(delivery.body))
    if before is None:
        # It could not be read and never will be: there is nothing of others to save.
        delivery.delete()
        done.deliveries += 1
        return
    theirs = [event for event in before if _is_theirs(event, found)]
    if not theirs:
        return
    if delivery.state == State.PROCESSING:
        raise DeliveryBusyError
    done.deliveries += 1
    done.events += len(theirs)
    done.keys |= {event.key for event in theirs}
    if len(theirs) == len(before):
        delivery.delete()
        return
    delivery.body = _without(bytes(delivery.body), found)
    delivery.progress = _moved(delivery.progress, before, _events(delivery.body) or [])
    delivery.error = NOTE if delivery.error else ""
    delivery.save(update_fields=["body", "progress", "error"])


def _events(body: bytes) -> list[Event] | None:
    try:
        return parse_delivery(body)
    except UnreadableDeliveryError:
        return None


def _is_theirs(event: Event, found: Search) -> bool:
    if event.page_id != found.page_id:
        return False
    # An event that names nobody may name them somewhere else.
    if event.psid:
        return event.psid == found.psid
    return bool(re.search(rf"(?<!\d){re.escape(found.psid)}(?!\d)", json.dumps(event.raw)))


def _without(body: bytes, found: Search) -> bytes:
    """The delivery without the items that are about this person."""
    data = json.loads(body.decode("utf-8-sig", "replace"))
    gone = 0
    for entry in data["entry"]:
        if not isinstance(entry, dict):
            continue
        for name in LISTS:
            items = entry.get(name)
            if items is None:
                continue
            items = items if isinstance(items, list) else [items]
            kept = [item for item in items if not _is_about(item, name, entry.get("id"), found)]
            gone += len(items) - len(kept)
            entry[name] = kept
    data[REDACTED] = gone
    return json.dumps(data).encode()


def _is_about(item: Any, name: str, page_id: Any, found: Search) -> bool:
    """Ask the parser, which knows who the customer of an item is."""
    alone = {"entry": [{"id": page_id, name: [item]}]}
    events: Iterable[Event] = _events(json.dumps(alone).encode()) or ()
    return any(_is_theirs(event, found) for event in events)


def _moved(progress: dict[str, Any], before: list[Event], after: list[Event]) -> dict[str, Any]:
    """The fates of the events that stay, under their new places."""
    places = {(event.page_id, event.key): str(place) for place, event in enumerate(before)}
    moved = {}
    for place, event in enumerate(after):
        known = progress.get(places.get((event.page_id, event.key), ""))
        if known is not None:
            moved[str(place)] = known
    return moved
