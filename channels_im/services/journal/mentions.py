"""The index from a person to the deliveries that name them: written by the drain, read when a person is erased.

A delivery names an id where the id is the customer of an event, where it is a whole value anywhere in the JSON, and,
in items without a customer (feed changes, opt-ins by `user_ref` …) and in bodies that are not JSON, where it stands
anywhere between other characters than digits. `redaction.py` removes exactly what this finds.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from channels_im.messenger.events import Event, parse_delivery
from channels_im.messenger.values import as_account_id
from channels_im.models import DeliveryMention, WebhookDelivery
from desk.queue import enqueue

TASK = "channels_im.tasks.index_journal"
BATCH_SIZE = 200  # deliveries per transaction
MAX_BATCHES = 50  # per run of the task; it enqueues itself for the rest
#: Numbers that are times, and so never ids.
TIMES = frozenset({"time", "timestamp", "watermark"})

_DIGITS = re.compile(r"[0-9]+")

State = WebhookDelivery.State


def digest_of(account_id: str) -> int:
    """Return the signed 64-bit number under which an id is indexed."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], signed=True)


def whole_id(value: object) -> str:
    """Return a JSON value as an id of digits, or "" when it is none."""
    found = None if isinstance(value, dict | list) else as_account_id(value)
    return found if found and found.isascii() and found.isdigit() else ""


def numbers_in(value: object) -> set[str]:
    """Return every run of digits in a JSON value or a text."""
    return set(_DIGITS.findall(value if isinstance(value, str) else json.dumps(value)))


def named_in(body: bytes, events: Iterable[Event] | None = None) -> set[str]:
    """Return all ids that the body of a delivery names. Raises nothing.

    `events` are those of the body, where the caller has parsed it already.
    """
    try:
        data = json.loads(body.decode("utf-8-sig", "replace"))
        events = parse_delivery(body) if events is None else events
        found = set(_whole_ids(data))
    except Exception:  # also what a fault of the parser raises: the drain reports that, and must not stop here
        return numbers_in(body.decode(errors="replace"))
    for event in events:
        found |= {event.psid} if event.psid else numbers_in(event.raw)
        found.discard(event.page_id)
    return found


def _whole_ids(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _whole_ids(child, name)
    elif isinstance(value, list):
        for child in value:
            yield from _whole_ids(child, key)
    elif key not in TIMES and (found := whole_id(value)):
        yield found


# --- The index --------------------------------------------------------------------------------------------------------
def record(deliveries: Sequence[tuple[WebhookDelivery, Iterable[Event] | None]]) -> int:
    """Index deliveries that are not yet, and return how many; with each delivery the events of its body, or None.

    The deliveries must be claimed or locked. One whose claim was taken back meanwhile is left out: its body may have
    been changed.
    """
    named = {row: named_in(bytes(row.body), events) for row, events in deliveries if row.indexed_at is None}
    if not named:
        return 0
    with transaction.atomic():
        locked = WebhookDelivery.objects.select_for_update().filter(pk__in=[row.pk for row in named]).order_by("pk")
        claims = dict(locked.values_list("pk", "claimed_by"))
        held = {row.pk: ids for row, ids in named.items() if claims.get(row.pk) == row.claimed_by}
        rows = [
            DeliveryMention(digest=digest, delivery_id=pk)
            for pk, ids in held.items()
            for digest in sorted({digest_of(one) for one in ids})
        ]
        DeliveryMention.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)
        WebhookDelivery.objects.filter(pk__in=held).update(indexed_at=timezone.now())
    return len(held)


def deliveries_that_name(account_id: str) -> QuerySet[DeliveryMention, DeliveryMention]:
    """Return the index rows of an id. Another id may have the same digest: look into the body as well."""
    return DeliveryMention.objects.filter(digest=digest_of(account_id))


def forget(deliveries: Iterable[WebhookDelivery], account_id: str) -> None:
    """Remove an id from the index of deliveries whose bodies were changed, unless a body still names it."""
    clean = [delivery.pk for delivery in deliveries if account_id not in named_in(bytes(delivery.body))]
    deliveries_that_name(account_id).filter(delivery__in=clean).delete()


def not_indexed() -> QuerySet[WebhookDelivery, WebhookDelivery]:
    """Return the deliveries whose bodies must be read: not drained yet, or older than the index."""
    return WebhookDelivery.objects.filter(indexed_at=None)


def request_indexing() -> int:
    """Enqueue the indexing of deliveries that were drained before the index existed; return 1 if there are any.

    Deliveries that wait are indexed by the drain.
    """
    if not _drained().exists():
        return 0
    enqueue(TASK)
    return 1


def index_drained() -> int:
    """Index drained deliveries in small batches, newest first; return how many."""
    count = 0
    for _batch in range(MAX_BATCHES):
        with transaction.atomic():
            pks = list(_drained().order_by("-id").values_list("pk", flat=True)[:BATCH_SIZE])
            rows = WebhookDelivery.objects.select_for_update().filter(pk__in=pks, indexed_at=None).order_by("pk")
            count += record([(row, None) for row in rows.exclude(state=State.PROCESSING)])
        if len(pks) < BATCH_SIZE:
            return count
    enqueue(TASK)
    return count


def _drained() -> QuerySet[WebhookDelivery, WebhookDelivery]:
    return not_indexed().exclude(state__in=(State.PENDING, State.PROCESSING))
