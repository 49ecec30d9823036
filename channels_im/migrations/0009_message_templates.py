import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("channels_im", "0008_recovery"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("template_id", models.CharField(blank=True, help_text="Meta's id", max_length=64)),
                ("name", models.CharField(max_length=200)),
                ("language", models.CharField(max_length=16)),
                ("category", models.CharField(blank=True, max_length=40)),
                ("header", models.TextField(blank=True)),
                ("body", models.TextField()),
                ("buttons", models.JSONField(blank=True, default=list, help_text="Titles of the buttons")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Being checked by Facebook"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("paused", "Paused by Facebook"),
                        ],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("reason", models.TextField(blank=True, help_text="Why Facebook rejected it, in Facebook's words")),
                (
                    "state_at",
                    models.DateTimeField(
                        blank=True, help_text="Meta's time of the last event about its state", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "page",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_templates",
                        to="channels_im.page",
                    ),
                ),
            ],
            options={
                "ordering": ["name", "language"],
                "constraints": [
                    models.UniqueConstraint(fields=("page", "name", "language"), name="template_once_per_page")
                ],
            },
        ),
    ]
