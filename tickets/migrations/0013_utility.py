from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0012_recovered"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="opened_by_ad_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When they came by a click-to-Messenger ad, until Facebook says that its window is closed",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("opened_by_ad_at__isnull", False)),
                fields=["opened_by_ad_at"],
                name="conversation_by_ad",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="sent_as",
            field=models.JSONField(
                blank=True,
                help_text="null, or what is sent in place of text and file; see tickets.rules.sent_as",
                null=True,
            ),
        ),
    ]
