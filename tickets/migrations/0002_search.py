"""Create full-text indexes over message texts, contact names and file names. The database keeps them up to date.

SQLite: an FTS5 table beside each table, updated by triggers. PostgreSQL: a GIN index over the words of the column.
Recreating one of these tables on SQLite (Django does so to change a column) drops its triggers: such a migration must
call `make_index` again. tests/tickets/views/test_search.py checks that the triggers exist and the indexes are complete.
"""

from typing import Any

from django.db import migrations

# table, column, and the condition under which a row is in the index
INDEXED = (
    ("tickets_message", "text", "{row}text <> '' AND {row}withdrawn_at IS NULL"),
    ("tickets_contact", "name", "{row}name <> ''"),
    ("tickets_attachment", "name", "{row}name <> ''"),
)
# The words of a column: accents are removed, and punctuation that PostgreSQL would read as part of an address, a path or
# a number becomes a space. tickets/services/inbox/search.py queries with exactly this expression. The first 20,000
# characters are indexed: the limit of a note.
WORDS = (
    "to_tsvector('simple', regexp_replace(regexp_replace(normalize(left({column}, 20000), NFD), "
    "'[\u0300-\u036f]+', '', 'g'), '[!-/:-@[-`{{-~]+', ' ', 'g'))"
)


def make_indexes(apps: Any, schema_editor: Any) -> None:
    for table, column, found in INDEXED:
        make_index(schema_editor, table, column, found)


def make_index(schema_editor: Any, table: str, column: str, found: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        words, condition = WORDS.format(column=column), found.format(row="")
        schema_editor.execute(
            f"CREATE INDEX {table}_search ON {table} USING gin ({words}) WHERE {condition}", params=None
        )
        return
    index = f"{table}_search"
    insert = f"INSERT INTO {index}(rowid, {column})"
    forget = f"INSERT INTO {index}({index}, rowid, {column})"
    new, old = found.format(row="new."), found.format(row="old.")
    statements = (
        f"CREATE VIRTUAL TABLE {index} USING fts5({column}, content='{table}', content_rowid='id', columnsize=0, "
        "tokenize='unicode61 remove_diacritics 2')",
        f"{insert} SELECT id, {column} FROM {table} WHERE {found.format(row='')}",  # noqa: S608 - our own names
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} WHEN {new} "  # noqa: S608 - our own names
        f"BEGIN {insert} VALUES (new.id, new.{column}); END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} WHEN {old} "
        f"BEGIN {forget} VALUES ('delete', old.id, old.{column}); END",
        f"CREATE TRIGGER {index}_update AFTER UPDATE ON {table} "
        f"WHEN old.{column} IS NOT new.{column} OR ({old}) IS NOT ({new}) BEGIN "
        f"{forget} SELECT 'delete', old.id, old.{column} WHERE {old}; "
        f"{insert} SELECT new.id, new.{column} WHERE {new}; END",
    )
    for statement in statements:
        schema_editor.execute(statement, params=None)


def drop_indexes(apps: Any, schema_editor: Any) -> None:
    for table, _column, _found in INDEXED:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX {table}_search")
            continue
        for event in ("insert", "delete", "update"):
            schema_editor.execute(f"DROP TRIGGER {table}_search_{event}")
        schema_editor.execute(f"DROP TABLE {table}_search")


class Migration(migrations.Migration):
    dependencies = [("tickets", "0001_initial")]

    operations = [migrations.RunPython(make_indexes, drop_indexes)]
