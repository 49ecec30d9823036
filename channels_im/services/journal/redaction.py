"""Remove one contact from the journal: their events go, those of others in the same deliveries stay.

This changes the bytes that Meta signed; each changed delivery says so (`REDACTED`). A delivery that was about nobody
else is deleted. Their deliveries are found by the index (`mentions.py`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BinaryField, F, Func, IntegerField, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from channels_im.messenger.events import Event, parse_delivery
from channels_im.messenger.values import as_account_id, load_json, without_deep_values
from channels_im.models import WebhookDelivery
from channels_im.services.journal import mentions
from channels_im.services.journal.progress import pack, unpack
from desk.sentences import sentence

REDACTED = "desk_redacted_events"
REDACTION_NOTE = sentence("Part of this delivery was erased together with a customer.")
#: What stands where another person's event named the contact.
REPLACEMENT = "erased"
#: A delivery committed late may have a lower id than one seen before it.
LOOKBACK = timedelta(minutes=1)
BATCH_SIZE = 100  # deliveries
ITEM_LISTS = ("messaging", "standby", "calls", "changes")

State = WebhookDelivery.State
#: Not processed, or not entirely: an administrator or the worker may still do it.
WAITING = (State.PENDING, State.PARKED, State.FAILED)


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


class DeliveryWaitingError(Exception):
    """A delivery about this contact is not processed yet."""


class Fate(Enum):
    """What becomes of the row of a delivery."""

    KEEP = "keep"
    CHANGE = "change"
    DELETE = "delete"


@dataclass
class RedactionResult:
    """What was removed: `deliveries` changed or deleted, `events`, and the keys of those events."""

    deliveries: int = 0
    events: int = 0
    keys: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class SearchResult:
    """The deliveries that may hold a contact's id, found before any lock is taken."""

    page_id: str
    psid: str
    ids: tuple[int, ...]
    began_at: datetime


def search(page_id: str, psid: str) -> SearchResult:
    """Find the deliveries that name the page-scoped id `psid`.

    Reads the index, and the bodies of those deliveries that are not indexed yet: what was not drained so far, and, for
    a while after an update from a version without the index, older ones.
    """
    began_at = timezone.now()
    return SearchResult(page_id, psid, tuple(_deliveries_with(psid)), began_at)


def redact(found: SearchResult, *, spare_waiting: bool = False) -> RedactionResult:
    """Remove the contact from the deliveries found, and from those that came since; in the caller's transaction.

    Raises DeliveryBusyError when a worker is processing one of them: it would write the events again. With
    `spare_waiting`, raises DeliveryWaitingError when one of them waits, is parked or failed.
    """
    ids = sorted({*found.ids, *_deliveries_with(found.psid, since=found.began_at - LOOKBACK)})
    result = RedactionResult()
    for start in range(0, len(ids), BATCH_SIZE):
        rows = WebhookDelivery.objects.select_for_update().filter(pk__in=ids[start : start + BATCH_SIZE])
        fates = [(delivery, _redact_one(delivery, found, result, spare_waiting)) for delivery in rows.order_by("pk")]
        WebhookDelivery.objects.filter(pk__in=[row.pk for row, fate in fates if fate is Fate.DELETE]).delete()
        changed = [row for row, fate in fates if fate is Fate.CHANGE]
        WebhookDelivery.objects.bulk_update(changed, ["body", "progress", "error"])
        mentions.forget(changed, found.psid)
    return result


def _deliveries_with(psid: str, since: datetime | None = None) -> list[int]:
    """Return the deliveries with this id. Those not indexed are read first: a worker may index them meanwhile."""
    needle = Value(psid.encode(), output_field=BinaryField())
    unread: QuerySet[WebhookDelivery, WebhookDelivery] = mentions.not_indexed()
    if since is not None:
        unread = unread.filter(received_at__gte=since)
    by_body = unread.annotate(found_at=_Position(F("body"), needle)).filter(found_at__gt=0)
    ids = set(by_body.order_by().values_list("pk", flat=True))
    return sorted(ids.union(mentions.deliveries_that_name(psid).values_list("delivery_id", flat=True)))


def _redact_one(delivery: WebhookDelivery, found: SearchResult, result: RedactionResult, spare_waiting: bool) -> Fate:
    """Remove the contact from a delivery, and return what the caller has to do with its row."""
    body = bytes(delivery.body)
    before = _parse(body)
    if before is None:
        # It could not be read and never will be: there is nothing of others to save.
        if body and found.psid in mentions.numbers_in(body.decode(errors="replace")):
            _require_idle(delivery, spare_waiting)
            result.deliveries += 1
            return Fate.DELETE
        return Fate.KEEP
    redacted = [event for event in before if _is_of_contact(event, found)]
    data = load_json(body, prune=True)
    remaining = _without_contact(data, found)
    if not redacted and remaining == data and not _is_named_too_deep(body, found):
        return Fate.KEEP
    _require_idle(delivery, spare_waiting)
    result.deliveries += 1
    result.events += len(redacted)
    result.keys |= {event.key for event in redacted}
    if len(redacted) == len(before):
        return Fate.DELETE
    remaining[REDACTED] = len(redacted)
    delivery.body = json.dumps(remaining).encode()
    delivery.progress = _renumber(delivery.progress, [event in redacted for event in before])
    delivery.error = REDACTION_NOTE if delivery.error else ""
    return Fate.CHANGE


def _is_named_too_deep(body: bytes, found: SearchResult) -> bool:
    """Return whether the id stands in what the parser leaves out because it is nested too deeply."""
    text = body.decode("utf-8-sig", "replace")
    kept = without_deep_values(text)
    return kept != text and found.psid in mentions.numbers_in(text) - mentions.numbers_in(kept)


def _require_idle(delivery: WebhookDelivery, spare_waiting: bool) -> None:
    if delivery.state == State.PROCESSING:
        raise DeliveryBusyError
    if spare_waiting and delivery.state in WAITING:
        raise DeliveryWaitingError


def _parse(body: bytes) -> list[Event] | None:
    """Return the events of a body, None when it cannot be read, also because of a fault of the parser."""
    try:
        return parse_delivery(body)
    except Exception:
        return None


def _is_of_contact(event: Event, found: SearchResult) -> bool:
    if event.page_id not in (found.page_id, ""):
        return False
    # An event without a psid may hold the id somewhere else.
    return event.psid == found.psid if event.psid else found.psid in mentions.numbers_in(event.raw)


def _without_contact(data: dict[str, Any], found: SearchResult) -> dict[str, Any]:
    """Return the delivery without the items about this contact; where other items name them, the id is replaced.

    Entries of other Pages stay as they are: the same id is another person there.
    """
    entries = []
    for entry in data["entry"]:
        if not isinstance(entry, dict):
            if found.psid not in mentions.numbers_in(entry):
                entries.append(entry)
            continue
        page_id = as_account_id(entry.get("id")) or ""
        if page_id not in (found.page_id, ""):
            entries.append(entry)
            continue
        remaining = {name: _without_items(name, items, entry.get("id"), found) for name, items in entry.items()}
        has_items = any(entry.get(name) is not None for name in ITEM_LISTS)
        if has_items or not _is_about_contact({"entry": [entry]}, found):
            entries.append(_replaced(remaining, found.psid))
    outside = {name: value for name, value in data.items() if name != "entry"}
    return {**_replaced(outside, found.psid), "entry": entries}


def _without_items(name: str, value: Any, page_id: Any, found: SearchResult) -> Any:
    if name not in ITEM_LISTS or value is None:
        return value
    items = value if isinstance(value, list) else [value]
    remaining = [item for item in items if not _is_about_contact({"entry": [{"id": page_id, name: [item]}]}, found)]
    return value if len(remaining) == len(items) else remaining


def _is_about_contact(delivery: dict[str, Any], found: SearchResult) -> bool:
    """Parse one raw item alone: the parser knows who the customer of an item is."""
    events: Iterable[Event] = _parse(json.dumps(delivery).encode()) or ()
    return any(_is_of_contact(event, found) for event in events)


def _replaced(value: Any, psid: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _replaced(child, psid, name) for name, child in value.items()}
    if isinstance(value, list):
        return [_replaced(child, psid, key) for child in value]
    return REPLACEMENT if key not in mentions.TIMES and mentions.whole_id(value) == psid else value


def _renumber(progress: dict[str, Any], removed: list[bool]) -> dict[str, Any]:
    """Return the progress of the events that stay, under their new indexes; `removed` says which go, in order."""
    entries = unpack(progress)
    staying = [index for index, is_removed in enumerate(removed) if not is_removed]
    return pack({new: entries[old] for new, old in enumerate(staying) if old in entries})
