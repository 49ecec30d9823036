from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("channels_im", "0011_go_live"),
        ("desk", "0008_language"),
        ("tickets", "0019_labels"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="conversation",
            name="conversation_open",
        ),
        migrations.AddField(
            model_name="conversation",
            name="is_snoozed",
            field=models.BooleanField(default=False, help_text="Out of the lists of open conversations until it wakes"),
        ),
        migrations.AddField(
            model_name="conversation",
            name="snoozed_until",
            field=models.DateTimeField(
                blank=True, help_text="When it wakes; empty while it is snoozed: when the customer writes", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("is_open", True), ("is_snoozed", False)),
                fields=["assignee", "-last_message_at", "-id"],
                name="conversation_open",
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("is_snoozed", True)),
                fields=["-last_message_at", "-id"],
                name="conversation_snoozed",
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("snoozed_until__isnull", False)),
                fields=["snoozed_until"],
                name="conversation_wakes",
            ),
        ),
    ]
