from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("desk", "0007_timings"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(blank=True, help_text="Empty: what their browser asks for", max_length=10),
        ),
    ]
