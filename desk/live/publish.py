"""Announce writes to open pages, across processes (the streams are in desk.live.sse).

PostgreSQL: NOTIFY, received by one connection per web process. SQLite: rows of LiveEvent, read by one poller per
process. Either way an announcement belongs to the transaction that makes it: after a rollback nobody receives it.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.utils import timezone

from desk.bulk_rows import insert_each
from desk.models import LiveEvent

T = TypeVar("T")
Payload = dict[str, Any]

CHANNEL = "desk_live"
SYNC: Payload = {"kind": "sync"}  # announcements may be missing: the page reads everything again
#: The key of when the message that an announcement reports came and was stored; for desk.live.arrivals only.
ARRIVED = "arrived"


@dataclass(frozen=True)
class _Batch:
    """What one transaction announces, caches and writes at its end."""

    payloads: dict[str, Payload] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)
    rows: dict[Callable[[list[Any]], None], list[Any]] = field(default_factory=dict)


_current_batch: ContextVar[_Batch | None] = ContextVar("current_batch", default=None)


def announce(kind: str, received_at: datetime | None = None, /, **ids: Any) -> None:
    """Announce to open pages that something changed, when the current transaction commits.

    `kind` is the name of the event ("conversation", "channel", "viewers", "presence"); `ids` are small JSON values, ids
    only: the page reads the content again through a view that checks who may see it. At most 7,900 bytes (PostgreSQL).
    `received_at` is when the new message that this is about came, to measure when it is shown.
    """
    payload = {"kind": kind, **ids}
    batch = _current_batch.get()
    key = _dump(payload) if batch is not None else ""
    if received_at is not None:
        payload[ARRIVED] = [round(received_at.timestamp(), 3), round(time.time(), 3)]
    if batch is None:
        _write([payload])
    elif key not in batch.payloads or (received_at is not None and ARRIVED not in batch.payloads[key]):
        batch.payloads[key] = payload  # of several new messages the first one, which waited longest


@contextmanager
def batched() -> Iterator[None]:
    """Collect what is announced inside and write it once, at the end, without duplicates. Use it in a transaction."""
    batch = _Batch()
    token = _current_batch.set(batch)
    try:
        yield
    finally:
        _current_batch.reset(token)
    for write, rows in batch.rows.items():
        write(rows)
    if batch.payloads:
        _write(list(batch.payloads.values()))


def write_at_end(rows: list[Any], write: Callable[[list[Any]], None]) -> None:
    """Call `write` with `rows`: inside `batched()` once at its end with the rows of all calls, otherwise now."""
    batch = _current_batch.get()
    if batch is None:
        write(rows)
    else:
        batch.rows.setdefault(write, []).extend(rows)


def cached_in_batch(name: str, compute: Callable[[], T]) -> T:
    """Return `compute()`, computed once inside `batched()`, and at each call outside of it."""
    batch = _current_batch.get()
    if batch is None:
        return compute()
    if name not in batch.cache:
        batch.cache[name] = compute()
    cached: T = batch.cache[name]
    return cached


def _write(payloads: list[Payload]) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
                [CHANNEL, list(map(_dump, payloads))],
            )
    else:
        now = timezone.now()
        insert_each([LiveEvent(payload=payload, created_at=now) for payload in payloads])


def _dump(payload: Payload) -> str:
    return json.dumps(payload, separators=(",", ":"))
