"""Rename two models. Their tables keep their names, so nothing changes in the database."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tickets", "0002_search")]

    operations = [
        migrations.AlterModelTable("looking", "tickets_looking"),
        migrations.AlterModelTable("pagesignal", "tickets_pagesignal"),
        migrations.RenameModel("Looking", "Viewer"),
        migrations.RenameModel("PageSignal", "SenderAction"),
        migrations.AlterField(
            "viewer",
            "conversation",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="viewers", to="tickets.conversation"
            ),
        ),
        migrations.AlterField(
            "senderaction",
            "conversation",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="sender_actions", to="tickets.conversation"
            ),
        ),
    ]
