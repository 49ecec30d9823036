"""What agents do that the history records: without the text of customers, and as who did it."""

import pytest
from django.db import DatabaseError

from desk.models import AuditEntry
from tests import database_faults, factories
from tests.history import changes
from tickets.models import Contact
from tickets.services.conversation import contacts
from tickets.services.inbox import actions

pytestmark = pytest.mark.django_db


def test_edited_details_are_named_without_their_values() -> None:
    alice, contact = factories.make_agent("alice"), factories.make_conversation(name="Maria").contact
    contacts.save_details(alice, contact, {"email": "maria@example.org", "phone": "", "about": "Prefers mornings."})
    contacts.save_details(alice, contact, {"email": "maria@example.org", "phone": "", "about": "Prefers mornings."})
    entry = changes(alice).get()  # the second changed nothing
    assert (entry.action, entry.object_name, entry.sentence) == ("contact", "Maria", "Changed: email, about.")


def test_blocking_is_recorded_once_in_its_transaction() -> None:
    alice, conversation = factories.make_agent("alice"), factories.make_conversation(name="Maria")
    fault = database_faults.failing(f'INSERT INTO "{AuditEntry._meta.db_table}"')
    with fault, pytest.raises(DatabaseError):
        actions.block(alice, conversation)
    assert Contact.objects.get().blocked_at is None
    for act in (actions.block, actions.block, actions.unblock):
        act(alice, conversation)
    lines = changes(alice).filter(action="blocked").order_by("pk").values_list("object_name", "sentence")
    assert list(lines) == [("Maria", "Blocked."), ("Maria", "Unblocked.")]
