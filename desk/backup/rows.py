"""Read tables as JSON lines and write them back. The same rows give the same bytes on SQLite and on PostgreSQL.

A line is the JSON array of a row's columns, in the order of `columns_of`. The rows are in the order of their primary
key. Times are ISO 8601 in UTC with microseconds, bytes are Base64, and encrypted values stay as they are stored.
Everything is read and written in batches: memory does not grow with the tables.
"""

import base64
import decimal
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.apps.registry import Apps
from django.db import IntegrityError, connection, models
from django.db.models.functions import Cast, Collate

from desk.encryption import EncryptedTokenField

Model = type[models.Model]
if TYPE_CHECKING:
    Field = models.Field[Any, Any]
    JSONField = models.JSONField[Any, Any]
else:
    Field, JSONField = models.Field, models.JSONField  # cannot be subscripted at run time

BATCH_ROWS = 500

#: Tables that no archive contains, and why.
LEFT_OUT = {
    "django_migrations": "the manifest says which migrations the archive needs",
    "django_session": "a restored Desk asks everybody to log in",
    "usersessions_usersession": "the list of these sessions",
    "desk_cache": "counts of failed logins, and what can be read again",
    "django_q_ormq": "a queued task only says that rows wait; the worker finds these rows itself",
    "django_q_task": "results of tasks, which nothing reads",
    "django_q_schedule": "made by migrate",
    "desk_liveevent": "announcements to pages that were open; deleted after minutes",
    "tickets_messageterms": "the search index: triggers and the worker make it from the messages",
    "tickets_contactterms": "the search index of contacts",
    "tickets_attachmentterms": "the search index of file names",
    "desk_heartbeat": "says that a process runs now",
    "tickets_pushsubscription": "browsers of sessions that are not restored",
    "tickets_pushdelivery": "notifications of then; a restored Desk tells nobody of them",
    "tickets_notice": "the same, before it was known who gets them",
    "tickets_mailreminder": "e-mails about who waited then",
}
#: Tables that `migrate` fills: their rows do not count as data, and a restore replaces them.
FILLED_BY_MIGRATE = {"django_content_type", "auth_permission"}


def tables(apps: Apps) -> list[Model]:
    """Return the model of every table of an archive, by table name. Many-to-many tables have models of their own."""
    found = {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in LEFT_OUT
    }
    return [found[name] for name in sorted(found)]


def columns_of(model: Model) -> list[str]:
    """Return the names of the columns of a table in the order of a line: by name."""
    return [_column(field) for field in _fields(model)]


def file_columns(model: Model) -> list[int]:
    """Return the places in a line that hold names of files in the storage."""
    return [place for place, field in enumerate(_fields(model)) if isinstance(field, models.FileField)]


def read(model: Model) -> Iterator[list[Any]]:
    """Yield the rows of a table as lists of JSON values, in the order of the primary key."""
    fields = _fields(model)
    columns: list[Any] = [
        Cast(field.attname, models.TextField()) if isinstance(field, EncryptedTokenField) else models.F(field.attname)
        for field in fields
    ]
    key: Any = models.F("pk")
    if connection.vendor == "postgresql" and isinstance(model._meta.pk, models.CharField):
        key = Collate("pk", "C")  # in the order of SQLite
    query = model._base_manager.annotate(_key=key).order_by("_key").values_list("_key", *columns)
    last = None
    while True:
        # Each batch starts at a key: also without server-side cursors no more than one batch is in memory.
        batch = query if last is None else query.filter(_key__gt=last)
        count = 0
        for key_value, *values in batch[:BATCH_ROWS].iterator(chunk_size=100):
            yield [_to_json(value) for value in values]
            last, count = key_value, count + 1
        if count < BATCH_ROWS:
            return


def line_of(row: list[Any]) -> bytes:
    """Return a row as one line of JSON, always with the same bytes for the same values."""
    return json.dumps(row, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def write(model: Model, rows: Iterable[list[Any]]) -> int:
    """Insert rows that `read` gave into the empty table; return how many. Raises ValueError for one that does not fit.

    The caller has a transaction, in which foreign keys are checked at the end.
    """
    fields = _fields(model)
    quote = connection.ops.quote_name
    names, places = ", ".join(quote(_column(field)) for field in fields), ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608 - our own names
    setters = [_setter(field) for field in fields]
    count, batch = 0, []
    with connection.cursor() as cursor:
        for row in chain(rows, [None]):
            if row is not None:
                if len(row) != len(fields):
                    raise ValueError(f"a row has {len(row)} columns instead of {len(fields)}")
                batch.append([setter(value) for setter, value in zip(setters, row, strict=True)])
            if batch and (row is None or len(batch) == BATCH_ROWS):
                cursor.executemany(statement, batch)
                count, batch = count + len(batch), []
    return count


def last_number(model: Model) -> int | None:
    """Return the highest number that the table has given out, also to rows since deleted; None without numbers."""
    key = model._meta.pk
    if not isinstance(key, models.AutoField):
        return None
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
            return int((cursor.fetchone() or (0,))[0])
        sequence = _sequence(cursor, table, _column(key))
        cursor.execute(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608 - from PostgreSQL, quoted
        value, is_called = cursor.fetchone()
        return int(value) if is_called else 0


def set_last_number(model: Model, number: int) -> None:
    """Let the table continue after `number`, or after its highest row: a ticket's number is never given out twice."""
    key = model._meta.pk
    if not isinstance(key, models.AutoField):
        return
    table = model._meta.db_table
    number = max(number, model._base_manager.aggregate(last=models.Max("pk"))["last"] or 0)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number])
            return
        sequence = _sequence(cursor, table, _column(key))
        cursor.execute("SELECT setval(%s, %s, %s)", [sequence, max(number, 1), number > 0])


def drop(models_: list[Model]) -> None:
    """Drop these tables, the tables that no archive contains, and the record of migrations, in one transaction."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
    # The tables of the search index end in _search; their own parts go with them.
    names = {model._meta.db_table for model in models_} | set(LEFT_OUT)
    names |= {f"{name}_search" for name in names}
    behind = " CASCADE" if connection.vendor == "postgresql" else ""
    with connection.schema_editor() as editor:
        for name in sorted(names & present):
            editor.execute(f"DROP TABLE {connection.ops.quote_name(name)}{behind}", params=None)


def check_references() -> None:
    """Raise IntegrityError when a row refers to one that does not exist."""
    if connection.vendor == "postgresql":
        connection.check_constraints()
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_key_check")
        if wrong := cursor.fetchone():
            raise IntegrityError(f"row {wrong[1]} of {wrong[0]} refers to a row of {wrong[2]} that does not exist")


def empty(model: Model) -> None:
    """Delete all rows of a table that `migrate` filled."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608 - our own names


def _fields(model: Model) -> list[Field]:
    return sorted(model._meta.concrete_fields, key=_column)


def _column(field: Field) -> str:
    return str(field.column)


def _to_json(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date() | time():
            return value.isoformat()
        case bytes() | memoryview() | bytearray():
            return base64.b64encode(value).decode()
        case uuid.UUID() | decimal.Decimal():
            return str(value)
        case None | bool() | int() | float() | str() | dict() | list():
            return value
    raise TypeError(f"Columns with values of {type(value).__name__} cannot be backed up yet.")


def _setter(field: Field) -> Callable[[Any], Any]:
    """Return the function from the JSON value of a column to the parameter of its INSERT."""
    if isinstance(field, EncryptedTokenField):
        return lambda value: value  # encrypted already
    if isinstance(field, models.JSONField):
        prepare = field.get_db_prep_value
        if field.null:
            return lambda value: None if value is None else prepare(value, connection)
        return lambda value: prepare(value, connection) if value is not None else _json_null(field)
    if isinstance(field, models.BinaryField):
        return lambda value: None if value is None else base64.b64decode(value, validate=True)
    return lambda value: None if value is None else field.get_db_prep_save(field.to_python(value), connection)


def _json_null(field: JSONField) -> Any:
    return connection.ops.adapt_json_value(None, field.encoder)


def _sequence(cursor: Any, table: str, column: str) -> str:
    cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [connection.ops.quote_name(table), column])
    return str(cursor.fetchone()[0])
