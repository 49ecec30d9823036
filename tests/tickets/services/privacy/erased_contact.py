"""The contact who is erased in these tests, and what to search for afterwards."""

from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.test import Client

from tests.http import Response
from tickets.models import Contact, Conversation

PSID, OTHER = "5550001234567", "5550007654321"
NAME, SECRET = "Zwetschge Quetsche", "Mirabelle"  # words that stand nowhere else
MINUTE = timedelta(minutes=1)


def everything() -> str:
    """All rows of all tables as text, the full-text index and the queue with them."""
    found = []
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            try:
                with transaction.atomic():
                    cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names of our own tables
                    rows = cursor.fetchall()
            except DatabaseError:
                continue  # what an index keeps inside is not to be read
            for row in rows:
                values = (bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                found.append(f"{table}: {tuple(values)!r}")
    return "\n".join(found)


def erase(setup: Client, conversation: Conversation, **fields: Any) -> Response:
    url = f"/admin/tickets/contact/{conversation.contact_id}/erase/"
    name = Contact.objects.get(pk=conversation.contact_id).display_name
    return setup.post(url, {"typed_name": name, **fields})
