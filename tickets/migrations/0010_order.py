from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0009_cards"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="answers_until",
            field=models.DateTimeField(
                blank=True,
                help_text="A reply answers what the customer said until then: when it was written; empty: until sent_at",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="messagechange",
            name="content",
            field=models.JSONField(
                default=dict, help_text="edit: text, number; reaction: by, emoji (empty: removed); receipt: psid"
            ),
        ),
        migrations.AlterField(
            model_name="messagechange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("edit", "Edit"),
                    ("reaction", "Reaction"),
                    ("withdrawal", "Withdrawal"),
                    ("delivery", "Delivery"),
                    ("read", "Read"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="messagechange",
            name="mid",
            field=models.CharField(help_text="Meta's message id, or psid:<id> for a watermark", max_length=255),
        ),
    ]
