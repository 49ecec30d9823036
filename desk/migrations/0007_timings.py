from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("desk", "0006_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="TimingCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(help_text="What was measured: a name in desk.timings", max_length=10)),
                ("slot", models.DateTimeField(help_text="When the five minutes began")),
                ("bound_ms", models.PositiveIntegerField(help_text="Upper bound of the bucket in milliseconds")),
                ("count", models.PositiveBigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("slot", "kind", "bound_ms"), name="timing_bucket_once")
                ],
            },
        ),
    ]
