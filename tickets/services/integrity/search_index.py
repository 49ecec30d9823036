"""Compare the search index with the rows (tickets/migrations/0002_search.py, 0009_cards.py).

PostgreSQL keeps its indexes right by itself; only their existence is checked. On SQLite, triggers keep tables of words:
a row that was written around the triggers is missing there.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.db import connection, transaction

from desk.integrity import BATCH_ROWS, Finding, Wishes
from desk.snapshot import snapshot

MIGRATION = import_module("tickets.migrations.0002_search")
CARDS = import_module("tickets.migrations.0009_cards")
INDEXED: tuple[tuple[str, str, str], ...] = (*MIGRATION.INDEXED, CARDS.INDEXED)
TRIGGERS = ("insert", "delete", "update")


def check_search_index(wishes: Wishes) -> Iterator[Finding]:
    """Find indexes and triggers that do not exist, and rows that are missing in an index or wrongly in it."""
    for table, column, condition in INDEXED:
        if not _exists(f"{table}_search"):
            if wishes.mend:
                _make(table, column, condition)
            yield Finding(f"{table}_search", "the search index does not exist", wishes.mend)
        elif connection.vendor == "sqlite":
            yield from _check_sqlite(table, column, condition, wishes)


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = %s AND indisvalid "
                "AND pg_table_is_visible(pg_class.oid)",
                [name],
            )
        else:
            cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [name])
        return cursor.fetchone() is not None


def _make(table: str, column: str, condition: str) -> None:
    """Make the index anew, with its triggers."""
    with connection.schema_editor() as editor:
        if connection.vendor == "postgresql":
            editor.execute(f"DROP INDEX IF EXISTS {table}_search", params=None)
        else:
            for event in TRIGGERS:
                editor.execute(f"DROP TRIGGER IF EXISTS {table}_search_{event}", params=None)
            editor.execute(f"DROP TABLE IF EXISTS {table}_search", params=None)
        MIGRATION.make_index(editor, table, column, condition)


def _check_sqlite(table: str, column: str, condition: str, wishes: Wishes) -> Iterator[Finding]:
    lost = [event for event in TRIGGERS if not _exists(f"{table}_search_{event}")]
    missing, surplus = _differences(table, column, condition)
    if wishes.mend and (lost or surplus):
        _make(table, column, condition)
    elif wishes.mend and missing:
        _insert(table, column, condition, missing)
    for event in lost:
        yield Finding(f"{table}_search_{event}", "the trigger that keeps the search index does not exist", wishes.mend)
    for pk in missing:
        yield Finding(f"{table} {pk}", f"its {column} is not in the search index", wishes.mend)
    for pk in surplus:
        yield Finding(f"{table} {pk}", f"its {column} is in the search index, and must not be", wishes.mend)


def _differences(table: str, column: str, condition: str) -> tuple[list[int], list[int]]:
    """Return the ids of rows that are missing in the index, and of those that are in it and must not be.

    The index's own table of terms is copied into a temporary table of ids, since an FTS5 table over another table
    answers questions about its rows from that table. A text without words has no terms. Nobody has to wait for this.
    """
    index, indexed, terms = f"{table}_search", f"temp.{table}_indexed", f"temp.{table}_terms"
    found = condition.format(row="source.")
    with snapshot(), connection.cursor() as cursor:
        cursor.execute(f"CREATE VIRTUAL TABLE {terms} USING fts5vocab('main', '{index}', 'instance')")
        cursor.execute(f"CREATE TABLE {indexed} (id INTEGER PRIMARY KEY)")
        try:
            cursor.execute(f"INSERT OR IGNORE INTO {indexed} SELECT doc FROM {terms}")  # noqa: S608 - our own names
            missing = _ids_with_words(
                cursor,
                f"SELECT id, {column} FROM {table} AS source WHERE {found} "  # noqa: S608 - our own names
                f"AND NOT EXISTS (SELECT 1 FROM {indexed} AS known WHERE known.id = source.id)",
            )
            cursor.execute(
                f"SELECT id FROM {indexed} AS known WHERE NOT EXISTS "  # noqa: S608 - our own names
                f"(SELECT 1 FROM {table} AS source WHERE source.id = known.id AND {found}) ORDER BY id"
            )
            return missing, [pk for (pk,) in cursor.fetchall()]
        finally:
            cursor.execute(f"DROP TABLE {terms}")
            cursor.execute(f"DROP TABLE {indexed}")


def _ids_with_words(cursor: Any, rows: str) -> list[int]:
    """Return the ids of the rows (a SELECT of id and text) in which the index would find a word, not only signs."""
    cursor.execute("CREATE VIRTUAL TABLE temp.words_of USING fts5(text, tokenize='unicode61 remove_diacritics 2')")
    cursor.execute("CREATE VIRTUAL TABLE temp.words_of_terms USING fts5vocab('temp', 'words_of', 'instance')")
    try:
        cursor.execute(f"INSERT INTO temp.words_of(rowid, text) {rows}")
        cursor.execute("SELECT DISTINCT doc FROM temp.words_of_terms ORDER BY doc")
        return [pk for (pk,) in cursor.fetchall()]
    finally:
        cursor.execute("DROP TABLE temp.words_of_terms")
        cursor.execute("DROP TABLE temp.words_of")


def _insert(table: str, column: str, condition: str, ids: list[int]) -> None:
    """Add rows to the index, in transactions that are short for other writers."""
    for start in range(0, len(ids), BATCH_ROWS):
        part = ids[start : start + BATCH_ROWS]
        places = ", ".join(["%s"] * len(part))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table}_search(rowid, {column}) SELECT id, {column} FROM {table} "  # noqa: S608 - our own names
                f"WHERE id IN ({places}) AND {condition.format(row='')}",
                part,
            )
