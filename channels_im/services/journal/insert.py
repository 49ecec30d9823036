"""Insert the bodies of signed POSTs with one statement: for these the ORM takes longer than all else in a webhook."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection

from channels_im.models import WebhookDelivery
from desk.wake import CHANNEL
from desk.write_lock import write_transaction

#: SQLite takes a limited number of values in one statement; each body is one.
MAX_BODIES = 500


def insert(bodies: Sequence[bytes], received_at: datetime, *, wake: str = "") -> None:
    """Store the bodies as new deliveries in one transaction; when this returns, they are committed.

    `wake` is the name of the job to wake (desk.wake). Raises django.db.DatabaseError.
    """
    if connection.vendor == "postgresql":
        _insert_postgresql(bodies, received_at, wake)
        return
    with write_transaction(durable=True), connection.cursor() as cursor:
        for start in range(0, len(bodies), MAX_BODIES):
            some = bodies[start : start + MAX_BODIES]
            names, values = _columns()
            rows = ", ".join([f"(%s, %s{', %s' * len(values)})"] * len(some))
            row_values = [value for body in some for value in (body, received_at, *values)]
            cursor.execute(f"INSERT INTO {names} VALUES {rows}", row_values)  # noqa: S608 - our own names


def _insert_postgresql(bodies: Sequence[bytes], received_at: datetime, wake: str) -> None:
    """Insert with a single statement, which is a transaction of its own: one round trip."""
    names, values = _columns()
    stored = (
        f"INSERT INTO {names} SELECT v.body, %s::timestamptz{', %s' * len(values)} "  # noqa: S608 - our own names
        "FROM unnest(%s::bytea[]) AS v(body)"
    )
    arguments = [received_at, *values, list(bodies)]
    if wake:
        stored, arguments = f"WITH stored AS ({stored}) SELECT pg_notify(%s, %s)", [*arguments, CHANNEL, wake]
    with connection.cursor() as cursor:
        cursor.execute(stored, arguments)


@cache
def _columns() -> tuple[str, list[Any]]:
    """Return the table with its columns, body and time first, and the values that all new deliveries have."""
    new = WebhookDelivery(body=b"")
    others = [field for field in new._meta.concrete_fields if field.name not in ("id", "body", "received_at")]
    quote = connection.ops.quote_name
    names = ", ".join(quote(name) for name in ["body", "received_at", *(str(field.column) for field in others)])
    values = [field.get_db_prep_save(getattr(new, field.attname), connection) for field in others]
    return f"{quote(new._meta.db_table)} ({names})", values
