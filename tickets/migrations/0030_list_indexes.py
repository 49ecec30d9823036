"""Indexes by which lists stay as fast as they are, however many rows there are.

PostgreSQL makes them while Desk of the version before may still write.
"""

from typing import Any

from django.db import migrations, models


class AddIndexConcurrently(migrations.AddIndex):
    """AddIndex without a lock against writing on PostgreSQL. It may be repeated after it was interrupted."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the index, and first drop the invalid one that an interrupted run has left."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(self.index.name)}")
        schema_editor.add_index(model, self.index, concurrently=True)


class Migration(migrations.Migration):
    atomic = False  # PostgreSQL makes no index concurrently inside a transaction

    dependencies = [
        ("tickets", "0029_custom_fields"),
    ]

    operations = [
        AddIndexConcurrently("contact", models.Index(fields=["psid"], name="contact_psid")),
    ]
