from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0007_erasure_by_rule"),
    ]

    operations = [
        migrations.AddField(
            model_name="eventsubscription",
            name="mail_after",
            field=models.DateTimeField(
                blank=True, help_text="When the e-mail about disabling it is due; empty: none is", null=True
            ),
        ),
    ]
