"""Changes by a user who loses access at that very moment: they are done, and the answer says no more than that."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from channels_im.models import ChannelAgent
from tests import factories
from tickets.api import actions as api_actions
from tickets.api import contact_notes as api_contact_notes
from tickets.api import contacts as api_contacts
from tickets.api import labels as api_labels
from tickets.api import scheduled as api_scheduled
from tickets.api import sending as api_sending
from tickets.models import ContactNote, Message, ScheduledReply, Ticket
from tickets.services.conversation import contact_notes
from tickets.services.inbox import actions as inbox_actions

from .conftest import Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def lose_access(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Return a function that lets Alice lose her channel as soon as a service has returned."""
    factories.receive(shop.conversation, "Now", at=timezone.now(), mid="m_now")

    def after(module: Any, name: str) -> None:
        act = getattr(module, name)

        def acting(*args: Any, **kwargs: Any) -> Any:
            result = act(*args, **kwargs)
            ChannelAgent.objects.filter(agent__user=shop.alice).delete()
            return result

        monkeypatch.setattr(module, name, acting)

    return after


def test_a_reply_is_returned_to_its_author(
    shop: Shop, alice: APIClient, lose_access: Callable[[Any, str], None]
) -> None:
    lose_access(api_sending, "queue_reply")
    body = {"conversation": shop.conversation.pk, "text": "On its way"}
    answer = alice.post("/api/v1/messages/", body, format="json")
    assert answer.status_code == 201, answer.content
    assert [row["text"] for row in answer.json()["results"]] == ["On its way"]
    assert alice.get(f"/api/v1/messages/{answer.json()['results'][0]['id']}/").status_code == 404


def test_what_is_changed_is_answered_without_its_content(
    shop: Shop, alice: APIClient, lose_access: Callable[[Any, str], None]
) -> None:
    contact = shop.conversation.contact
    note = contact_notes.add(shop.alice, contact, "First")
    message = Message.objects.select_related("ticket").get(mid="m_now")
    ticket = message.ticket
    assert ticket is not None
    later = (timezone.now() + timedelta(hours=2)).isoformat()
    scheduled = {"conversation": shop.conversation.pk, "text": "Later", "send_at": later}
    changes: list[tuple[Any, str, str, str, dict[str, Any]]] = [
        (api_labels.ticket_facts, "change", "patch", f"tickets/{ticket.pk}", {"priority": "high"}),
        (api_contacts.contacts, "save_details", "patch", f"contacts/{contact.pk}", {"about": "New"}),
        (api_contact_notes.contact_notes, "change", "patch", f"contact-notes/{note.pk}", {"text": "Second"}),
        (api_scheduled.scheduled_replies, "schedule", "post", "scheduled-replies", scheduled),
        (api_actions.reactions, "react", "post", f"messages/{message.pk}/react", {"emoji": "👍"}),
        (inbox_actions, "close", "post", f"tickets/{ticket.pk}/close", {}),
    ]
    [agent] = ChannelAgent.objects.filter(agent__user=shop.alice)
    for module, name, method, path, body in changes:
        if not ChannelAgent.objects.filter(pk=agent.pk).exists():
            agent.save(force_insert=True)
        lose_access(module, name)
        answer = getattr(alice, method)(f"/api/v1/{path}/", body, format="json")
        assert (answer.status_code, answer.content) == (204, b""), path
    assert ContactNote.objects.get().text == "Second"
    assert ScheduledReply.objects.get().text == "Later"
    ticket.refresh_from_db()
    assert (ticket.priority, ticket.status) == ("high", Ticket.Status.CLOSED)
