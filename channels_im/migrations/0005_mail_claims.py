from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("channels_im", "0004_delivery_pieces"),
    ]

    operations = [
        migrations.AddField(
            model_name="facebookaccount",
            name="warning_after",
            field=models.DateTimeField(
                blank=True, help_text="Until then a worker sends the warning that is due", null=True
            ),
        ),
        migrations.AlterField(
            model_name="page",
            name="reauth_mail_after",
            field=models.DateTimeField(
                blank=True, help_text="When the e-mail is due; until then a worker sends it or waits", null=True
            ),
        ),
    ]
