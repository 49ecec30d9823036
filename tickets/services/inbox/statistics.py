"""The statistics of the tables of the lists, by which SQLite chooses the right index."""

from django.db import connection

from tickets.models import Contact, Conversation, Ticket

STATISTICS_TASK = "tickets.tasks.refresh_statistics"


def refresh_statistics() -> bool:
    """Run ANALYZE on the tables of the lists in SQLite; return False on PostgreSQL, which does it by itself.

    Without statistics SQLite sorts all conversations of an agent for each page. The messages are left out: the outbox
    looks for a rare state among very frequent ones, and average numbers would keep SQLite from using its index.
    """
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        for model in (Conversation, Ticket, Contact):
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
    return True
