from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Whether a conversation is open becomes a column. Lists get indexes in their own order.

    0016_fill_open_conversations fills the column in; until then no conversation is open.
    """

    dependencies = [("tickets", "0014_history_import")]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="is_open",
            field=models.BooleanField(default=False, help_text="Whether its current ticket is open"),
        ),
        migrations.RemoveIndex(model_name="conversation", name="conversation_waiting"),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["waiting_since", "id"], name="conversation_waiting", condition=Q(waiting_since__isnull=False)
            ),
        ),
        migrations.RemoveIndex(model_name="conversation", name="conversation_unread"),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["-last_message_at", "-id"], name="conversation_unread", condition=Q(unread_count__gt=0)
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["assignee", "-last_message_at", "-id"], name="conversation_open", condition=Q(is_open=True)
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["-last_message_at", "-id"],
                name="conversation_closed",
                condition=Q(is_open=False, current_ticket__isnull=False),
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["-last_message_at", "-id"],
                name="conversation_waiting_newest",
                condition=Q(waiting_since__isnull=False),
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["department", "channel"],
                name="conversation_transferred",
                condition=Q(transferred_at__isnull=False),
            ),
        ),
        migrations.AddIndex(
            model_name="contact", index=models.Index(fields=["-first_seen_at", "-id"], name="contact_newest")
        ),
        migrations.AddIndex(
            model_name="ticket", index=models.Index(fields=["-opened_at", "-id"], name="ticket_newest")
        ),
    ]
