"""What open pages are told at once: announcements of writes, across processes (the streams are in desk.live.sse).

PostgreSQL: NOTIFY, heard by one connection per web process. SQLite: rows of LiveEvent, read by one poller per process.
Either way an announcement belongs to the transaction that makes it: rolled back, nobody hears of it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from desk.models import LiveEvent

CHANNEL = "desk_live"


@dataclass(frozen=True)
class _Batch:
    """What one transaction says, asks and writes besides, until its end."""

    payloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    rows: dict[Callable[[list[Any]], None], list[Any]] = field(default_factory=dict)


_current_batch: ContextVar[_Batch | None] = ContextVar("gathered", default=None)


def announce(kind: str, **ids: Any) -> None:
    """Tell open pages that something changed, when the current transaction commits.

    `kind` is the name of the event ("conversation", "channel", "typing", "presence"); `ids` are small JSON values, ids
    only: the page reads the content again through a view that asks who may see it. At most 7,900 bytes (PostgreSQL).
    """
    payload = {"kind": kind, **ids}
    gathered = _current_batch.get()
    if gathered is not None:
        gathered.payloads[_text(payload)] = payload
    else:
        _write([payload])


@contextmanager
def batched() -> Iterator[None]:
    """Write what is announced inside once, at the end, each thing once. To be used inside a transaction."""
    gathered = _Batch()
    token = _current_batch.set(gathered)
    try:
        yield
    finally:
        _current_batch.reset(token)
    for write, rows in gathered.rows.items():
        write(rows)
    if gathered.payloads:
        _write(list(gathered.payloads.values()))


def write_at_end(rows: list[Any], write: Callable[[list[Any]], None]) -> None:
    """Hand `rows` to `write`: inside a gathering all of them together at its end, outside of one at once."""
    gathered = _current_batch.get()
    if gathered is None:
        write(rows)
    else:
        gathered.rows.setdefault(write, []).extend(rows)


def cached_in_batch(name: str, ask: Callable[[], Any]) -> Any:
    """Return `ask()`, asked once inside a gathering, and each time outside of one."""
    gathered = _current_batch.get()
    if gathered is None:
        return ask()
    if name not in gathered.answers:
        gathered.answers[name] = ask()
    return gathered.answers[name]


def _write(payloads: list[dict[str, Any]]) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
                [CHANNEL, list(map(_text, payloads))],
            )
    else:
        LiveEvent.objects.bulk_create([LiveEvent(payload=payload) for payload in payloads])


def _text(payload: dict[str, Any]) -> str:
    return json.dumps(payload, separators=(",", ":"))
