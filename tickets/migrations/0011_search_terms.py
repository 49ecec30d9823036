"""Index for search what desk.searching makes of texts, in place of the words that each database found by itself.

Each kind of text gets a table of terms. Triggers keep one row there for each text that can be found; its terms are NULL
until tickets/services/inbox/indexing.py fills them in, on a new text as on all texts of an existing installation:
that work is done in batches by the worker and may be interrupted. SQLite has an FTS5 table over each table of terms.

Recreating a table of texts on SQLite (Django does so to change a column) drops its triggers: such a migration must call
`make_triggers` again. tests/tickets/views/test_search.py checks that they exist.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import tickets.models.search


@dataclass(frozen=True)
class Source:
    """A table of texts: which columns are found, when a row can be found, and where its terms are kept."""

    table: str
    columns: tuple[str, ...]
    condition: str  # with {row} before each column
    key: str
    watched: tuple[str, ...] = ()  # columns of the condition that are not in `columns`
    copied: tuple[str, ...] = ()  # columns that the table of terms has too

    @property
    def terms(self) -> str:
        return f"{self.table}terms"

    def found(self, row: str) -> str:
        """Return the SQL condition that a row (old, new, or "" for the table) can be found."""
        return self.condition.format(row=f"{row}." if row else "")

    def insert(self, row: str) -> str:
        """Return the beginning of an INSERT and the values that it takes from a row."""
        columns = ", ".join([self.key, *self.copied])
        values = ", ".join(f"{row}.{name}" if row else name for name in ("id", *self.copied))
        return f"INSERT INTO {self.terms} ({columns}) SELECT {values}"


SOURCES = (
    Source(
        "tickets_message",
        ("text", "card"),
        "({row}text <> '' OR {row}card IS NOT NULL) AND {row}withdrawn_at IS NULL",
        "message_id",
        watched=("withdrawn_at",),
        copied=("conversation_id",),
    ),
    Source(
        "tickets_contact",
        ("name", "email", "phone"),
        "({row}name <> '' OR {row}email <> '' OR {row}phone <> '')",
        "contact_id",
    ),
    Source("tickets_attachment", ("name",), "{row}name <> ''", "attachment_id"),
)
EVENTS = ("insert", "update", "delete")


def make_indexes(apps: Any, schema_editor: Any) -> None:
    for table in ("tickets_message", "tickets_contact", "tickets_attachment"):
        _drop_old_index(schema_editor, table)
    for source in SOURCES:
        make_index(schema_editor, source)
        make_triggers(schema_editor, source)
        _run(schema_editor, f"{source.insert('')} FROM {source.table} WHERE {source.found('')}")


def make_index(schema_editor: Any, source: Source) -> None:
    """Make the full-text index over the terms; on SQLite also the triggers that keep it."""
    terms, index, key = source.terms, f"{source.terms}_search", source.key
    if schema_editor.connection.vendor == "postgresql":
        _run(schema_editor, f"CREATE INDEX {index} ON {terms} USING gin (terms)")
        return
    insert = f"INSERT INTO {index}(rowid, terms)"
    forget = f"INSERT INTO {index}({index}, rowid, terms)"
    _run(
        schema_editor,
        f"CREATE VIRTUAL TABLE {index} USING fts5(terms, content='{terms}', content_rowid='{key}', detail=none, "
        "columnsize=0, prefix='2 3', tokenize='ascii')",
        f"{insert} SELECT {key}, terms FROM {terms} WHERE terms IS NOT NULL",  # noqa: S608 - our own names
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON {terms} WHEN new.terms IS NOT NULL BEGIN "  # noqa: S608
        f"{insert} VALUES (new.{key}, new.terms); END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON {terms} WHEN old.terms IS NOT NULL BEGIN "
        f"{forget} VALUES ('delete', old.{key}, old.terms); END",
        f"CREATE TRIGGER {index}_update AFTER UPDATE OF terms ON {terms} WHEN old.terms IS NOT new.terms BEGIN "
        f"{forget} SELECT 'delete', old.{key}, old.terms WHERE old.terms IS NOT NULL; "
        f"{insert} SELECT new.{key}, new.terms WHERE new.terms IS NOT NULL; END",
    )


def make_triggers(schema_editor: Any, source: Source) -> None:
    """Make the triggers that give each text its row of terms, without terms, and take it away."""
    table, forget = source.table, f"DELETE FROM {source.terms} WHERE {source.key} = old.id"  # noqa: S608 - our own names
    watched = ", ".join((*source.columns, *source.watched))
    if schema_editor.connection.vendor == "postgresql":
        changed = " OR ".join(f"old.{name} IS DISTINCT FROM new.{name}" for name in (*source.columns, *source.watched))
        call = f"FOR EACH ROW EXECUTE FUNCTION {source.terms}_keep()"
        _run(
            schema_editor,
            f"CREATE OR REPLACE FUNCTION {source.terms}_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP <> 'INSERT' THEN {forget}; END IF; "
            f"IF TG_OP <> 'DELETE' THEN {source.insert('new')} WHERE {source.found('new')}; END IF; "
            "RETURN NULL; END $$",
            f"CREATE TRIGGER {source.terms}_insert AFTER INSERT ON {table} {call}",
            f"CREATE TRIGGER {source.terms}_delete AFTER DELETE ON {table} {call}",
            f"CREATE TRIGGER {source.terms}_update AFTER UPDATE OF {watched} ON {table} FOR EACH ROW WHEN ({changed}) "
            f"EXECUTE FUNCTION {source.terms}_keep()",
        )
        return
    changed = " OR ".join(f"old.{name} IS NOT new.{name}" for name in (*source.columns, *source.watched))
    _run(
        schema_editor,
        f"CREATE TRIGGER {source.terms}_insert AFTER INSERT ON {table} WHEN {source.found('new')} BEGIN "
        f"{source.insert('new')}; END",
        f"CREATE TRIGGER {source.terms}_delete AFTER DELETE ON {table} BEGIN {forget}; END",
        f"CREATE TRIGGER {source.terms}_update AFTER UPDATE OF {watched} ON {table} WHEN {changed} BEGIN "
        f"{forget}; {source.insert('new')} WHERE {source.found('new')}; END",
    )


def drop_index(schema_editor: Any, source: Source) -> None:
    """Drop what `make_index` and `make_triggers` make, as far as it exists."""
    index = f"{source.terms}_search"
    if schema_editor.connection.vendor == "postgresql":
        _run(
            schema_editor,
            f"DROP INDEX IF EXISTS {index}",
            *(f"DROP TRIGGER IF EXISTS {source.terms}_{event} ON {source.table}" for event in EVENTS),
            f"DROP FUNCTION IF EXISTS {source.terms}_keep()",
        )
        return
    _run(
        schema_editor,
        *(f"DROP TRIGGER IF EXISTS {name}_{event}" for name in (source.terms, index) for event in EVENTS),
        f"DROP TABLE IF EXISTS {index}",
    )


def drop_indexes(apps: Any, schema_editor: Any) -> None:
    for source in SOURCES:
        drop_index(schema_editor, source)
    import_module("tickets.migrations.0002_search").make_indexes(apps, schema_editor)


def _drop_old_index(schema_editor: Any, table: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        _run(schema_editor, f"DROP INDEX IF EXISTS {table}_search")
        return
    _run(
        schema_editor,
        *(f"DROP TRIGGER IF EXISTS {table}_search_{event}" for event in EVENTS),
        f"DROP TABLE IF EXISTS {table}_search",
    )


def _run(schema_editor: Any, *statements: str) -> None:
    for statement in statements:
        schema_editor.execute(statement, params=None)


def _key(model: str) -> Any:
    return models.OneToOneField(
        db_constraint=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        primary_key=True,
        related_name="+",
        serialize=False,
        to=f"tickets.{model}",
    )


def _due(field: str) -> models.Index:
    return models.Index(condition=models.Q(("terms__isnull", True)), fields=[field], name=f"{field}_terms_due")


class Migration(migrations.Migration):
    dependencies = [("tickets", "0010_order")]

    operations = [
        migrations.CreateModel(
            name="AttachmentTerms",
            fields=[("attachment", _key("attachment")), ("terms", tickets.models.search.TermsField(null=True))],
            options={"indexes": [_due("attachment")]},
        ),
        migrations.CreateModel(
            name="ContactTerms",
            fields=[("contact", _key("contact")), ("terms", tickets.models.search.TermsField(null=True))],
            options={"indexes": [_due("contact")]},
        ),
        migrations.CreateModel(
            name="MessageTerms",
            fields=[
                ("message", _key("message")),
                ("terms", tickets.models.search.TermsField(null=True)),
                (
                    "conversation",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tickets.conversation",
                    ),
                ),
            ],
            options={"indexes": [_due("message")]},
        ),
        migrations.RunPython(make_indexes, drop_indexes),
    ]
