"""Full-text indexes over messages, names of people and names of files, kept by the database itself.

SQLite: an FTS5 table beside each table, kept by triggers. PostgreSQL: a GIN index over the words of the column.
Whoever makes one of these tables anew on SQLite (Django does, to change a column) loses its triggers and runs `make_index` again;
tests/tickets/services/test_search.py says so.
"""

from typing import Any

from django.db import migrations

# table, column, and when a row is to be found at all
INDEXED = (
    ("tickets_message", "text", "{row}text <> '' AND {row}withdrawn_at IS NULL"),
    ("tickets_contact", "name", "{row}name <> ''"),
    ("tickets_attachment", "name", "{row}name <> ''"),
)
# The words of a column: without accents, and signs that PostgreSQL would take for parts of addresses, paths or numbers
# are spaces. tickets/services/inbox/search.py asks with the very same expression. 20,000 characters are the longest note.
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
