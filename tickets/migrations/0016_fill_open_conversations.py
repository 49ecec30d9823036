from typing import Any

from django.db import migrations, transaction
from django.db.models import Exists, Max, OuterRef

BATCH = 10_000  # ids


def fill(apps: Any, schema_editor: Any) -> None:
    """Set `is_open` in batches that are committed one by one: interrupted, it begins again and changes no row twice."""
    Conversation, Ticket = apps.get_model("tickets", "Conversation"), apps.get_model("tickets", "Ticket")
    open_ticket = Ticket.objects.filter(pk=OuterRef("current_ticket_id"), status="open")
    last = Conversation.objects.aggregate(at=Max("pk"))["at"] or 0
    for first in range(0, last + 1, BATCH):
        rows = Conversation.objects.filter(Exists(open_ticket), pk__gte=first, pk__lt=first + BATCH, is_open=False)
        with transaction.atomic():
            rows.update(is_open=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tickets", "0015_open_conversations")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
