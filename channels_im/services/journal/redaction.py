"""Remove one contact from the journal: their events go, those of others in the same deliveries stay.

This changes the bytes that Meta signed; each changed delivery says so (`REDACTED`). A delivery that was about nobody
else is deleted.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BinaryField, F, Func, IntegerField, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from channels_im.messenger.events import Event, UnreadableDeliveryError, parse_delivery
from channels_im.messenger.values import load_json
from channels_im.models import WebhookDelivery
from channels_im.services.journal.progress import pack, unpack

REDACTED = "desk_redacted_events"
REDACTION_NOTE = "Part of this delivery was erased together with a customer."
#: A delivery committed late may have a lower id than one seen before it.
LOOKBACK = timedelta(minutes=1)
BATCH_SIZE = 100  # deliveries
ITEM_LISTS = ("messaging", "standby", "changes")

State = WebhookDelivery.State


class DeliveryBusyError(Exception):
    """A worker is processing a delivery about this contact. Try again in a few seconds."""


class _Position(Func):
    """The position of some bytes in the body; 0 when they are not there."""

    function = "INSTR"
    output_field = IntegerField()

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> tuple[str, Any]:
        swapped = self.copy()
        swapped.set_source_expressions(self.get_source_expressions()[::-1])
        return swapped.as_sql(compiler, connection, function="POSITION", arg_joiner=" IN ", **context)


@dataclass
class RedactionResult:
    """What was removed: `deliveries` changed or deleted, `events`, and the keys of those events."""

    deliveries: int = 0
    events: int = 0
    keys: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class SearchResult:
    """The deliveries that hold a contact's id, found before any lock is taken: the slow part of a redaction."""

    page_id: str
    psid: str
    ids: tuple[int, ...]
    began_at: datetime


def search(page_id: str, psid: str) -> SearchResult:
    """Find the deliveries that hold the page-scoped id `psid` (digits). Reads every body once."""
    began_at = timezone.now()
    return SearchResult(page_id, psid, tuple(_deliveries_with(psid).values_list("pk", flat=True)), began_at)


def redact(found: SearchResult) -> RedactionResult:
    """Remove the contact from the deliveries found, and from those that came since; in the caller's transaction.

    Raises DeliveryBusyError when a worker is processing one of them: it would write the events again.
    """
    since = _deliveries_with(found.psid).filter(received_at__gte=found.began_at - LOOKBACK).values_list("pk", flat=True)
    ids = sorted({*found.ids, *since})
    result = RedactionResult()
    for start in range(0, len(ids), BATCH_SIZE):
        rows = WebhookDelivery.objects.select_for_update().filter(pk__in=ids[start : start + BATCH_SIZE])
        for delivery in rows.order_by("pk"):
            _redact_one(delivery, found, result)
    return result


def _deliveries_with(psid: str) -> QuerySet[WebhookDelivery, WebhookDelivery]:
    needle = Value(psid.encode(), output_field=BinaryField())
    return WebhookDelivery.objects.annotate(found_at=_Position(F("body"), needle)).filter(found_at__gt=0).order_by("pk")


def _redact_one(delivery: WebhookDelivery, found: SearchResult, result: RedactionResult) -> None:
    before = _parse(bytes(delivery.body))
    if before is None:
        # It could not be read and never will be: there is nothing of others to save.
        delivery.delete()
        result.deliveries += 1
        return
    redacted = [event for event in before if _is_of_contact(event, found)]
    if not redacted:
        return
    if delivery.state == State.PROCESSING:
        raise DeliveryBusyError
    result.deliveries += 1
    result.events += len(redacted)
    result.keys |= {event.key for event in redacted}
    if len(redacted) == len(before):
        delivery.delete()
        return
    delivery.body = _remove_items(bytes(delivery.body), found)
    delivery.progress = _renumber(delivery.progress, before, _parse(delivery.body) or [])
    delivery.error = REDACTION_NOTE if delivery.error else ""
    delivery.save(update_fields=["body", "progress", "error"])


def _parse(body: bytes) -> list[Event] | None:
    try:
        return parse_delivery(body)
    except UnreadableDeliveryError:
        return None


def _is_of_contact(event: Event, found: SearchResult) -> bool:
    if event.page_id != found.page_id:
        return False
    # An event without a psid may hold the id somewhere else.
    if event.psid:
        return event.psid == found.psid
    return bool(re.search(rf"(?<!\d){re.escape(found.psid)}(?!\d)", json.dumps(event.raw)))


def _remove_items(body: bytes, found: SearchResult) -> bytes:
    """Return the delivery without the items that are about this contact."""
    data = load_json(body, prune=True)
    removed = 0
    for entry in data["entry"]:
        if not isinstance(entry, dict):
            continue
        for name in ITEM_LISTS:
            items = entry.get(name)
            if items is None:
                continue
            items = items if isinstance(items, list) else [items]
            remaining = [item for item in items if not _item_is_of_contact(item, name, entry.get("id"), found)]
            removed += len(items) - len(remaining)
            entry[name] = remaining
    data[REDACTED] = removed
    return json.dumps(data).encode()


def _item_is_of_contact(item: Any, list_name: str, page_id: Any, found: SearchResult) -> bool:
    """Parse one raw item alone: the parser knows who the customer of an item is."""
    delivery = {"entry": [{"id": page_id, list_name: [item]}]}
    events: Iterable[Event] = _parse(json.dumps(delivery).encode()) or ()
    return any(_is_of_contact(event, found) for event in events)


def _renumber(progress: dict[str, Any], before: list[Event], after: list[Event]) -> dict[str, Any]:
    """Return the progress of the events that stay, under their new indexes."""
    entries = unpack(progress)
    old_indexes = {(event.page_id, event.key): index for index, event in enumerate(before)}
    renumbered = {}
    for index, event in enumerate(after):
        saved = entries.get(old_indexes.get((event.page_id, event.key), -1))
        if saved is not None:
            renumbered[index] = saved
    return pack(renumbered)
