"""Compare the search index with the texts (tickets/migrations/0011_search_terms.py).

A row that was written around the triggers has no terms, or those of an older text; on SQLite the full-text table may
differ from the terms. What is mended gets its terms from the worker, as a new text does.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.db import DatabaseError, connection, transaction

from desk.integrity import BATCH_ROWS, Finding, Wishes

MIGRATION = import_module("tickets.migrations.0011_search_terms")


def check_search_index(wishes: Wishes) -> Iterator[Finding]:
    """Find indexes and triggers that do not exist, and rows that are missing in an index or wrongly in it."""
    for source in MIGRATION.SOURCES:
        lost = [
            *((name, "the search index does not exist") for name in _lost_index(source)),
            *((name, "the trigger that keeps the search index does not exist") for name in _lost_triggers(source)),
        ]
        if lost and wishes.mend:
            _make_again(source)
        for name, sentence in lost:
            yield Finding(name, sentence, wishes.mend)
        if wishes.mend or not lost:
            yield from _check_rows(source, wishes)
        if connection.vendor == "sqlite" and not lost:
            yield from _check_fts(source, wishes)


def _lost_index(source: Any) -> list[str]:
    name = f"{source.terms}_search"
    query = (
        "SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %s AND indisvalid "
        "AND pg_table_is_visible(pg_class.oid)"
        if connection.vendor == "postgresql"
        else "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s"
    )
    return [] if _rows(query, name) else [name]


def _lost_triggers(source: Any) -> list[str]:
    names = [f"{source.terms}_{event}" for event in MIGRATION.EVENTS]
    if connection.vendor == "sqlite":
        names += [f"{source.terms}_search_{event}" for event in MIGRATION.EVENTS]
        query = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = %s"
    else:
        query = (
            "SELECT 1 FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE tgname = %s "
            "AND tgenabled <> 'D' AND pg_table_is_visible(pg_class.oid)"
        )
    return [name for name in names if not _rows(query, name)]


def _make_again(source: Any) -> None:
    """Make index and triggers anew, and let all texts of this kind be indexed again: some may have changed unseen."""
    with connection.schema_editor() as editor:
        MIGRATION.drop_index(editor, source)
        editor.execute(f"UPDATE {source.terms} SET terms = NULL", params=None)  # noqa: S608 - our own names
        MIGRATION.make_index(editor, source)
        MIGRATION.make_triggers(editor, source)


def _check_rows(source: Any, wishes: Wishes) -> Iterator[Finding]:
    """Find texts without a row of terms, and rows of terms without a text."""
    # The names in these statements are our own.
    missing = _rows(
        f"SELECT id FROM {source.table} AS texts WHERE {source.found('texts')} AND NOT EXISTS "  # noqa: S608
        f"(SELECT 1 FROM {source.terms} WHERE {source.key} = texts.id) ORDER BY id"
    )
    surplus = _rows(
        f"SELECT {source.key} FROM {source.terms} AS known WHERE NOT EXISTS (SELECT 1 FROM {source.table} AS texts "  # noqa: S608
        f"WHERE texts.id = known.{source.key} AND {source.found('texts')}) ORDER BY {source.key}"
    )
    if wishes.mend:
        _in_batches(
            f"{source.insert('texts')} FROM {source.table} AS texts WHERE {source.found('texts')} AND id IN ({{keys}})",
            missing,
        )
        _in_batches(f"DELETE FROM {source.terms} WHERE {source.key} IN ({{keys}})", surplus)  # noqa: S608
    for pk in missing:
        yield Finding(f"{source.table} {pk}", "is not in the search index", wishes.mend)
    for pk in surplus:
        yield Finding(f"{source.table} {pk}", "is in the search index, and must not be", wishes.mend)


def _check_fts(source: Any, wishes: Wishes) -> Iterator[Finding]:
    """Find a full-text table that differs from the table of terms."""
    index = f"{source.terms}_search"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")  # noqa: S608 - our own names
    except DatabaseError:
        if wishes.mend:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO {index}({index}) VALUES ('rebuild')")  # noqa: S608 - our own names
        yield Finding(index, "the search index differs from its terms", wishes.mend)


def _rows(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [first for (first,) in cursor.fetchall()]


def _in_batches(statement: str, keys: list[int]) -> None:
    """Execute the statement for all keys, in transactions that are short for other writers."""
    for start in range(0, len(keys), BATCH_ROWS):
        part = keys[start : start + BATCH_ROWS]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(keys=", ".join(["%s"] * len(part))), part)
