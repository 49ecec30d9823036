import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.http import Http404
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from channels_im.models import ChannelAgent
from desk.models import User
from tests.matching import present
from tickets.models import AccessGrant, Conversation
from tickets.services.conversation import access
from tickets.services.people import roles

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


GROUNDS = ("has the channel", "is in the department", "leads it", "has it assigned", "is mentioned")


@pytest.mark.parametrize("transferred", [False, True])
def test_list_page_and_stream_agree_on_every_combination_of_grounds(desk: world.Desk, transferred: bool) -> None:
    for chosen in itertools.product((False, True), repeat=len(GROUNDS)):
        has_channel, is_member, leads, is_assignee, is_mentioned = chosen
        user = world.make_agent("-".join(map(str, map(int, chosen))))
        conversation = world.make_conversation(
            world.make_channel(desk.sales, "Extra"),
            transferred_at=datetime.now(UTC) if transferred else None,
            assignee=user if is_assignee else None,
        )
        if has_channel:
            ChannelAgent.objects.create(channel=conversation.channel, agent=user.agent)
        if is_member:
            user.agent.departments.add(desk.sales)
        if leads:
            roles.give(user, roles.BUILT_IN[roles.LEAD])
        if is_mentioned:
            note, ticket = world.say(conversation, "A note", kind="note"), present(conversation.current_ticket)
            AccessGrant.objects.create(message=note, conversation=conversation, ticket=ticket, user=user)
        expected = has_channel or is_assignee or is_mentioned or (is_member and (leads or transferred))
        assert sees(User.objects.get(pk=user.pk), conversation) == expected, dict(zip(GROUNDS, chosen, strict=True))
        assert not sees(User.objects.get(pk=user.pk), world.make_conversation(desk.service))


@pytest.mark.parametrize("number", [0, 2**31, 2**63 - 1, 2**63, 10**30])
def test_an_id_that_no_conversation_has_is_answered_404(desk: world.Desk, client: Client, number: int) -> None:
    client.force_login(desk.root)
    assert client.get(f"/inbox/{number}/").status_code == 404


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
