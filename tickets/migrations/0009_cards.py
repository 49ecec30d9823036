"""Several cards per message, their full-text index, where contacts came from, and requests for control of a thread."""

from importlib import import_module
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SEARCH = import_module("tickets.migrations.0002_search")
INDEXED = ("tickets_cardtext", "words", "{row}words <> ''")
BATCH_SIZE = 1000
TAPS = ("postback", "quick_reply")


def make_index(apps: Any, schema_editor: Any) -> None:
    SEARCH.make_index(schema_editor, *INDEXED)


def drop_index(apps: Any, schema_editor: Any) -> None:
    table = INDEXED[0]
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX {table}_search")
        return
    for event in ("insert", "delete", "update"):
        schema_editor.execute(f"DROP TRIGGER {table}_search_{event}")
    schema_editor.execute(f"DROP TABLE {table}_search")


def index_stored_cards(apps: Any, schema_editor: Any) -> None:
    """Let search find the cards of messages that are stored already."""
    message, card_text = apps.get_model("tickets", "Message"), apps.get_model("tickets", "CardText")
    stored = message.objects.exclude(card=None).order_by("pk")
    last = 0
    while rows := list(stored.filter(pk__gt=last).values_list("pk", "card")[:BATCH_SIZE]):
        last = rows[-1][0]
        words = ((pk, words_of(card)) for pk, card in rows)
        found = [card_text(message_id=pk, words=text) for pk, text in words if text]
        card_text.objects.bulk_create(found)


def words_of(card: Any) -> str:
    if not isinstance(card, dict) or card.get("kind") in TAPS:
        return ""
    return "\n".join(str(text) for text in map(card.get, ("title", "text", "url")) if text)


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("tickets", "0008_webhook_mail"),
    ]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="origins",
            field=models.JSONField(
                blank=True, help_text="Where they came from: cards of ads and links with `at`, oldest first", null=True
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="card",
            field=models.JSONField(blank=True, help_text="null or the first card; see tickets.rules.cards", null=True),
        ),
        migrations.CreateModel(
            name="CardText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("words", models.TextField()),
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="card_text", to="tickets.message"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ThreadControlRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    models.CharField(choices=[("take", "Take control"), ("request", "Request control")], max_length=7),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting to be sent to Meta"),
                            ("told", "Accepted by Meta"),
                            ("refused", "Refused by Meta or Desk"),
                        ],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("reason", models.TextField(blank=True, help_text="Why it was refused; shown to agents")),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, db_index=True, help_text="When the next call to Meta is due", null=True
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("claimed_by", models.CharField(blank=True, max_length=64)),
                ("claimed_until", models.DateTimeField(blank=True, null=True)),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "conversation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="control_request",
                        to="tickets.conversation",
                    ),
                ),
            ],
        ),
        # The index first: PostgreSQL makes none on a table with rows whose foreign keys are not checked yet.
        migrations.RunPython(make_index, drop_index),
        migrations.RunPython(index_stored_cards, migrations.RunPython.noop),
    ]
