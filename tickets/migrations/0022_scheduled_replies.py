import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0021_assignment"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="has_scheduled",
            field=models.BooleanField(
                default=False, help_text="A reply is scheduled, or was and still waits for an agent"
            ),
        ),
        migrations.CreateModel(
            name="ScheduledReply",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(blank=True)),
                ("reply_to_mid", models.CharField(blank=True, max_length=255)),
                ("send_at", models.DateTimeField(help_text="The time that was chosen")),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, help_text="When it is sent: send_at while it is scheduled, else empty", null=True
                    ),
                ),
                ("cancel_if_customer_writes", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("scheduled", "Scheduled"),
                            ("editing", "Taken back to edit"),
                            ("cancelled", "Cancelled, because the customer wrote first"),
                            ("not_sent", "Not sent"),
                            ("sent", "Sent"),
                        ],
                        default="scheduled",
                        max_length=9,
                    ),
                ),
                ("reason", models.TextField(blank=True, help_text="Why it was not sent; shown to agents")),
                (
                    "written_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        help_text="It answers what the customer said until then: when it was last written",
                    ),
                ),
                (
                    "settled_at",
                    models.DateTimeField(
                        blank=True, help_text="When it was sent, cancelled or found that it cannot be sent", null=True
                    ),
                ),
                (
                    "client_key",
                    models.CharField(
                        help_text="Of the request, else made by Desk: the reply is sent with it, so that it is sent once",
                        max_length=64,
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="scheduled_replies",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scheduled_replies",
                        to="tickets.conversation",
                    ),
                ),
                (
                    "taken_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Who takes it back to edit it",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "scheduled replies",
                "ordering": ["send_at", "pk"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ScheduledReplyFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=8)),
                ("name", models.CharField(max_length=255)),
                ("file", models.FileField(blank=True, max_length=255, upload_to="scheduled/%Y/%m/")),
                ("content_type", models.CharField(help_text="As the bytes show it", max_length=100)),
                ("size", models.PositiveBigIntegerField(help_text="bytes")),
                ("width", models.PositiveIntegerField(blank=True, help_text="pixels", null=True)),
                ("height", models.PositiveIntegerField(blank=True, help_text="pixels", null=True)),
                (
                    "reply",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="files", to="tickets.scheduledreply"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="scheduledreply",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="scheduled_reply_due"
            ),
        ),
        migrations.AddIndex(
            model_name="scheduledreply",
            index=models.Index(fields=["conversation", "state"], name="scheduled_reply_of"),
        ),
        migrations.AddIndex(
            model_name="scheduledreply",
            index=models.Index(fields=["state", "settled_at"], name="scheduled_reply_settled"),
        ),
        migrations.AddConstraint(
            model_name="scheduledreply",
            constraint=models.UniqueConstraint(fields=("conversation", "client_key"), name="scheduled_reply_key_once"),
        ),
        migrations.AddConstraint(
            model_name="scheduledreply",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at__isnull", False), ("state", "scheduled")),
                    models.Q(models.Q(("state", "scheduled"), _negated=True), ("due_at", None)),
                    _connector="OR",
                ),
                name="scheduled_reply_is_due",
            ),
        ),
    ]
