"""A lead sees every conversation of their departments, and of no other; queries and live events agree."""

import pytest
from django.test import Client

from tests.factories import make_agent, make_channel, make_conversation, make_department, receive
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import counts
from tickets.services.people import roles

pytestmark = pytest.mark.django_db


def test_a_lead_sees_the_departments_an_agent_only_what_was_transferred() -> None:
    channel, elsewhere = make_channel(), make_channel()
    lead, agent = (make_agent(departments=(channel.department,)) for _ in range(2))
    roles.give(lead, roles.BUILT_IN[roles.LEAD])
    own, other = make_conversation(channel), make_conversation(elsewhere)
    assert list(access.conversations_for(lead)) == [own]
    assert not access.conversations_for(agent).exists()
    for user in (lead, agent):
        facts = access.facts_for(user)
        for conversation in (own, other):
            is_seen = access.visible(facts, access.ids_of(conversation))
            assert is_seen == access.conversations_for(user).filter(pk=conversation.pk).exists()
    assert list(access.channels_for(lead)) == [channel]


def test_leads_and_agents_of_one_department_are_counted_apart() -> None:
    channel = make_channel()
    users = [make_agent(departments=(channel.department,)) for _ in range(4)]
    for lead in users[:2]:
        roles.give(lead, roles.BUILT_IN[roles.LEAD])
    receive(make_conversation(channel))
    found = counts.counts_for_users([access.facts_for(user) for user in users])
    assert [found[user.pk]["all"] for user in users] == [1, 1, 0, 0]


def test_a_lead_assigns_to_anybody_of_the_department_and_to_nobody_else() -> None:
    channel = make_channel()
    lead, bob = (make_agent(departments=(channel.department,)) for _ in range(2))
    stranger = make_agent(departments=(make_department(),))
    roles.give(lead, roles.BUILT_IN[roles.LEAD])
    conversation = make_conversation(channel)
    receive(conversation)
    client = Client()
    client.force_login(lead)
    assert client.get(f"/inbox/{conversation.pk}/").status_code == 200
    for user in (bob, stranger):
        client.post(f"/inbox/{conversation.pk}/assign/", {"assignee": user.pk})
    assert Conversation.objects.get(pk=conversation.pk).assignee == bob
    assert client.get("/admin/").status_code == 403
    assert client.get("/admin/instant-messaging/messenger/").status_code == 403
