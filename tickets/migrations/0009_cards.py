"""Several cards per message, where contacts came from, and requests for control of a thread."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


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
    ]
