"""Invented conversations in bulk are rows as the services would have written them."""

import io

import pytest
from django.core.management import call_command

from tests import factories as make
from tickets.demo import many
from tickets.models import Contact, Conversation, Message, MessageTerms, Ticket
from tickets.services.inbox import search

pytestmark = pytest.mark.django_db(transaction=True)


def test_integrity_has_no_findings_and_the_services_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "BATCH", 17)
    existing = make.make_conversation()
    make.receive(existing)
    channels = [existing.channel, make.make_channel()]
    agents = [make.make_agent(channels=(channel,)) for channel in channels]
    done: list[int] = []
    many.fill(channels, agents, 40, done.append)
    assert done == [17, 34, 40]
    assert [model._default_manager.count() for model in (Contact, Conversation, Ticket, Message)] == [41, 41, 41, 121]
    assert Ticket.objects.filter(status="open").count() == 1 + 12
    assert Conversation.objects.filter(waiting_since__isnull=False, unread_count=1).count() == 1 + 4
    call_command("verify_integrity", stdout=io.StringIO())  # exits with 1 when it finds something
    assert not MessageTerms.objects.filter(terms__isnull=True, message__mid__startswith="m_many").exists()
    assert search.find(Conversation.objects.all(), "broken helmet").conversation_ids()
    make.receive(make.make_conversation(channels[1]), "After the bulk")
    many.fill(channels, [], 5)
    assert Conversation.objects.count() == 47
    call_command("verify_integrity", stdout=io.StringIO())
