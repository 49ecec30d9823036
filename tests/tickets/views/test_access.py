from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.http import Http404
from pytest_django import DjangoAssertNumQueries

from desk.models import User
from tickets.models import Conversation
from tickets.services.conversation import access

from . import world


def payload(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversation": conversation.pk,
        "channel": conversation.channel_id,
        "assignee": conversation.assignee_id,
        "department": conversation.department_id,
        "transferred": conversation.transferred_at is not None,
    }


def sees(user: AnonymousUser | User, conversation: Conversation) -> bool:
    """The list, the page and the live stream must give the same answer."""
    listed = access.conversations_for(user).filter(pk=conversation.pk).exists()
    streamed = access.visible(access.facts_for(user), payload(conversation))
    try:
        opened = bool(access.get_conversation(user, conversation.pk))
    except Http404:
        opened = False
    assert listed == opened == streamed
    return listed


def test_an_agent_sees_conversations_of_associated_channels_only(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    assert sees(desk.alice, conversation)
    assert not sees(desk.bob, conversation)
    assert not sees(desk.charlie, conversation)


def test_an_agent_sees_what_is_assigned_to_them(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, assignee=desk.charlie)
    assert sees(desk.charlie, conversation)
    assert not sees(desk.bob, conversation)


def test_a_department_sees_what_was_transferred_to_it(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop, department=desk.support, transferred_at=datetime.now(UTC))
    assert sees(desk.bob, conversation)
    assert not sees(desk.charlie, conversation)


def test_a_member_of_the_department_without_the_channel_sees_nothing_that_was_not_transferred(desk: world.Desk) -> None:
    desk.charlie.agent.departments.add(desk.sales)
    assert not sees(desk.charlie, world.make_conversation(desk.shop))


def test_superusers_and_holders_of_the_permission_see_all(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    auditor = User.objects.create_user("auditor")
    assert not sees(auditor, conversation)
    auditor.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    assert sees(User.objects.get(pk=auditor.pk), conversation)
    assert sees(desk.root, conversation)


def test_a_deactivated_agent_and_a_visitor_see_nothing(desk: world.Desk) -> None:
    conversation = world.make_conversation(desk.shop)
    desk.alice.is_active = False
    assert not sees(desk.alice, conversation)
    assert not sees(AnonymousUser(), conversation)


def test_the_facts_are_read_in_a_constant_number_of_queries(
    desk: world.Desk, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(5):
        world.make_channel(desk.sales, f"Extra {n}", desk.alice)
    alice = User.objects.get(pk=desk.alice.pk)
    with django_assert_max_num_queries(4):
        access.facts_for(alice)


@pytest.mark.parametrize("payload", [{}, {"conversation": 1}, {"department": None, "channel": None}])
def test_an_event_without_ids_reaches_only_those_who_see_all(desk: world.Desk, payload: dict[str, Any]) -> None:
    assert not access.visible(access.facts_for(desk.alice), payload)
    assert access.visible(access.facts_for(desk.root), payload)
