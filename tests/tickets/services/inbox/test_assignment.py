"""Conversations that nobody has: what a reply does, whom Desk gives them to, and when it takes them back."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from channels_im.models import Channel, ChannelAgent
from desk import audit_log
from desk.models import Agent, AuditEntry, Department, User
from tests import factories
from tests.factories import NOON, answer, deliver, delivery, item, receive, text_item
from tests.matching import present
from tickets.models import AssignmentSettings, Availability, Conversation, EventDelivery, EventType, Message
from tickets.services.conversation import access
from tickets.services.inbox import actions, automatic_assignment, counts, presence, snoozes
from tickets.services.outgoing import replies
from tickets.services.people import deactivation
from tickets.services.webhooks.subscriptions import create

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


@pytest.fixture
def bob(channel: Channel) -> User:
    return factories.make_agent("bob", channels=(channel,))


def settle(department: Department, **values: Any) -> None:
    AssignmentSettings.objects.update_or_create(department=department, defaults=values)


def write(channel: Channel, count: int = 1) -> list[Conversation]:
    """Let customers write for the first time, one a second; return their conversations, oldest first."""
    before = list(Conversation.objects.values_list("pk", flat=True))
    for number in range(count):
        receive(factories.make_conversation(channel), at=NOON + timedelta(seconds=10 + number))
    return list(Conversation.objects.exclude(pk__in=before).order_by("pk"))


def assigned(*conversations: Conversation) -> list[str | None]:
    """Return the user names of the assignees, each checked with its open ticket."""
    names = []
    for one in conversations:
        fresh = Conversation.objects.select_related("assignee", "current_ticket").get(pk=one.pk)
        assert present(fresh.current_ticket).assignee_id == fresh.assignee_id
        names.append(fresh.assignee.username if fresh.assignee else None)
    return names


def lines(conversation: Conversation) -> list[str]:
    events = Message.objects.filter(conversation=conversation, kind="event", card__kind="assigned")
    return [present(each.card)["title"] for each in events.order_by("sent_at", "pk")]


def work() -> int:
    """Do what the worker does."""
    return automatic_assignment.run() if automatic_assignment.is_due() else 0


# --- A reply ----------------------------------------------------------------------------------------------------------
def test_a_reply_assigns_the_conversation_where_the_department_wants_it_and_says_so(
    alice: User, bob: User, channel: Channel, conversation: Conversation, queue: Callable[..., Message]
) -> None:
    create(alice, name="CRM", url="https://crm.example.com", events=[EventType.CONVERSATION_ASSIGNED])
    queue("Asked by the page, not here")
    settle(channel.department, on_reply="never")
    queue("Not assigned")
    assert assigned(conversation) == [None]
    settle(channel.department, on_reply="always")
    queue("Yes", client_key="k")
    queue("Yes", client_key="k")
    replies.queue_reply(bob, conversation, text="And me")
    assert assigned(conversation) == ["alice"]
    assert lines(conversation) == ["Assigned to alice automatically: replied"]
    [event] = EventDelivery.objects.all()
    assert event.facts == {"by": "alice", "reason": "reply"}
    assert audit_log.of_object(conversation).get().sentence == lines(conversation)[0]
    shown = counts.counts(access.facts_for(alice))
    assert (shown["mine"], shown["unassigned"]) == (1, 0)


def test_what_was_written_elsewhere_or_by_desk_assigns_nothing(
    alice: User, channel: Channel, conversation: Conversation, client: Client
) -> None:
    settle(channel.department, on_reply="always")
    psid = conversation.contact.psid
    echo = {"mid": "m_echo", "text": "From the Page", "is_echo": True, "app_id": 263902037430900}
    deliver(client, delivery(channel.page, item(channel.page, psid, timezone.now(), from_page=True, message=echo)))
    assert Message.objects.filter(mid="m_echo").exists()
    answer(conversation, "Imported", NOON - MINUTE, author=alice, is_imported=True)
    replies.queue_reply(None, conversation, text="Desk itself")
    assert assigned(conversation) == [None]


def test_a_reply_that_is_refused_assigns_nothing(
    alice: User, channel: Channel, conversation: Conversation, queue: Callable[..., Message]
) -> None:
    settle(channel.department, on_reply="always")
    with pytest.raises(replies.ReplyError):
        queue("x" * 1601)
    assert assigned(conversation) == [None]


# --- Automatic assignment ---------------------------------------------------------------------------------------------
def test_a_customer_who_writes_gets_the_least_loaded_agent(
    alice: User, bob: User, channel: Channel, conversation: Conversation, client: Client
) -> None:
    create(alice, name="CRM", url="https://crm.example.com", events=[EventType.CONVERSATION_ASSIGNED])
    actions.assign(alice, conversation, alice)
    EventDelivery.objects.all().delete()
    deliver(client, delivery(channel.page, text_item(channel.page, "700900", "Hello", timezone.now())))
    new = Conversation.objects.get(contact__psid="700900")
    assert (work(), assigned(new)) == (0, [None])  # off, until a department switches it on
    settle(channel.department, mode="least_loaded", capacity=3)
    assert (work(), assigned(new), work()) == (1, ["bob"], 0)
    assert lines(new) == ["Assigned to bob automatically: least loaded (0 of 3 open)"]
    [event] = EventDelivery.objects.all()
    assert event.facts == {"by": None, "reason": "least_loaded"}
    assert audit_log.of_object(new).get().actor_kind == AuditEntry.ActorKind.SYSTEM
    assert counts.counts(access.facts_for(bob))["unassigned"] == 0


def test_in_turn_and_never_above_capacity_the_longest_waiting_first(alice: User, bob: User, channel: Channel) -> None:
    settle(channel.department, mode="round_robin", capacity=2)
    Availability.objects.create(agent=bob.agent, capacity=1)
    first, second, third, fourth, fifth = write(channel, 5)
    assert work() == 3
    assert assigned(first, second, third, fourth, fifth) == ["alice", "bob", "alice", None, None]
    assert (lines(second), work()) == (["Assigned to bob automatically: next in turn (0 of 1 open)"], 0)
    actions.close(bob, second)
    assert (work(), assigned(fourth, fifth)) == (1, ["bob", None])
    snoozes.snooze(alice, first, timezone.now() + MINUTE)
    assert (work(), assigned(fifth)) == (1, ["alice"])


def test_only_who_is_online_active_and_associated_gets_something(alice: User, bob: User, channel: Channel) -> None:
    settle(channel.department, mode="least_loaded")
    presence.set_presence(alice.agent, "away")
    presence.set_presence(bob.agent, "off")
    gone = factories.make_agent("gone", channels=(channel,))
    User.objects.filter(pk=gone.pk).update(is_active=False)
    factories.make_agent("member", departments=(channel.department,))  # of the department, not of the channel
    factories.make_agent("stranger", channels=(factories.make_channel(),))
    factories.make_admin()
    [waiting] = write(channel)
    assert (work(), assigned(waiting)) == (0, [None])
    presence.set_presence(bob.agent, "online")
    assert (work(), assigned(waiting)) == (1, ["bob"])


def test_conversations_that_nobody_has_to_answer_now_stay_unassigned(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    settle(channel.department, mode="least_loaded")
    answered, snoozed, closed, blocked, taken = write(channel, 5)
    answer(answered, at=NOON + MINUTE)
    snoozes.snooze(alice, snoozed, timezone.now() + MINUTE)
    actions.close(alice, closed)
    actions.block(alice, blocked)
    actions.assign(alice, taken, alice)
    other = factories.make_channel()
    settle(other.department, mode="least_loaded")
    ChannelAgent.objects.create(channel=other, agent=alice.agent)
    [deactivated] = write(other)
    Channel.objects.filter(pk=other.pk).update(is_active=False)
    assert (work(), assigned(conversation)) == (1, ["alice"])
    assert assigned(answered, snoozed, closed, blocked, deactivated) == [None] * 5


def test_the_agent_who_replied_last_comes_first_if_they_have_room(alice: User, bob: User, channel: Channel) -> None:
    settle(channel.department, mode="round_robin", capacity=1)
    one, two = write(channel, 2)
    for conversation in (one, two):
        answer(conversation, at=NOON + MINUTE, author=bob)
        receive(conversation, at=NOON + 2 * MINUTE)
    assert (work(), assigned(one, two)) == (2, ["bob", "alice"])
    assert lines(one) == ["Assigned to bob automatically: replied last time"]


def test_a_conversation_transferred_to_another_department_goes_to_a_member_of_it(
    alice: User, bob: User, channel: Channel, conversation: Conversation
) -> None:
    returns = factories.make_department("Returns")
    carol = factories.make_agent("carol", departments=(returns,))
    settle(returns, mode="least_loaded")
    settle(channel.department, mode="least_loaded")
    actions.transfer(alice, conversation, returns)
    assert (work(), assigned(conversation)) == (1, ["carol"])
    actions.transfer(carol, conversation, channel.department)
    assert (work(), assigned(conversation)) == (1, ["alice"])


def test_who_cannot_be_served_does_not_hold_up_the_others(alice: User, channel: Channel) -> None:
    lonely = factories.make_channel(department=channel.department)  # without agents
    settle(channel.department, mode="least_loaded", capacity=500)
    [unserved] = write(lonely)
    automatic_assignment.AT_A_TIME, before = 1, automatic_assignment.AT_A_TIME
    try:
        [served] = write(channel)
        assert (work(), assigned(unserved, served)) == (1, [None, "alice"])
    finally:
        automatic_assignment.AT_A_TIME = before


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_assign_each_conversation_once_and_nobody_too_many(
    alice: User, bob: User, channel: Channel
) -> None:
    """Two departments share the agents, so that their loads are counted across both."""
    other = factories.make_channel()
    for user in (alice, bob):
        user.agent.departments.add(other.department)
        ChannelAgent.objects.create(channel=other, agent=user.agent)
    for one in (channel, other):
        settle(one.department, mode="least_loaded", capacity=3)
    written = [*write(channel, 5), *write(other, 5)]

    def run(_number: int) -> int:
        try:
            return automatic_assignment.run()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        assert sum(workers.map(run, range(4))) == 6
    names = Counter(assigned(*written))
    assert names == {"alice": 3, "bob": 3, None: 4}
    assert sum(len(lines(one)) for one in written) == 6


@pytest.mark.django_db(transaction=True)
def test_an_agent_who_takes_it_at_the_same_moment_and_a_worker_do_not_both_get_it(
    alice: User, bob: User, channel: Channel
) -> None:
    settle(channel.department, mode="round_robin", on_reply="always")
    written = write(channel, 4)

    def run(number: int) -> None:
        try:
            if number < 4:
                replies.queue_reply(bob, Conversation.objects.get(pk=written[number].pk), text="Mine")
            else:
                automatic_assignment.run()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as workers:
        list(workers.map(run, range(6)))
    assert [len(lines(one)) for one in written] == [1, 1, 1, 1]
    for one in written:
        [name] = assigned(one)
        assert f"Assigned to {name} " in lines(one)[0]


@pytest.mark.django_db(transaction=True)
def test_who_is_deactivated_while_they_get_a_conversation_does_not_keep_it(
    alice: User, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(channel.department, mode="round_robin")
    [one] = write(channel)
    original = automatic_assignment._line

    def deactivated_meanwhile(user: User, choice: Any) -> str:
        deactivation.deactivate(factories.make_admin(), User.objects.get(pk=alice.pk), None)  # sees nothing yet
        return original(user, choice)

    monkeypatch.setattr(automatic_assignment, "_line", deactivated_meanwhile)
    automatic_assignment.run()
    assert assigned(one) == [None]
    assert lines(one)[-1] == "Unassigned automatically: alice was deactivated"


# --- Going away -------------------------------------------------------------------------------------------------------
def test_who_is_away_for_too_long_gives_back_those_whose_customer_waits(
    alice: User, bob: User, channel: Channel, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    settle(channel.department, mode="least_loaded", hand_back_minutes=10)
    presence.set_presence(bob.agent, "away")
    assert (work(), assigned(conversation)) == (1, ["alice"])
    [answered] = write(channel)
    actions.assign(alice, answered, alice)
    answer(answered, at=NOON + MINUTE)
    presence.set_presence(alice.agent, "away")
    clock.shift(9 * MINUTE)
    presence.set_presence(alice.agent, "off")  # still away, since then
    assert work() == 0
    clock.shift(MINUTE)
    assert (work(), assigned(conversation, answered)) == (1, [None, "alice"])
    assert lines(conversation)[-1] == "Unassigned automatically: alice is away, and the customer waits for 10 minutes"
    presence.set_presence(bob.agent, "online")
    assert (work(), assigned(conversation)) == (1, ["bob"])


def test_without_the_setting_or_back_in_time_everything_stays(
    alice: User, channel: Channel, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    settle(channel.department, mode="off", hand_back_minutes=None)
    actions.assign(alice, conversation, alice)
    presence.set_presence(alice.agent, "away")
    clock.shift(60 * MINUTE)
    assert (work(), assigned(conversation)) == (0, ["alice"])
    settle(channel.department, hand_back_minutes=30)
    presence.set_presence(alice.agent, "online")
    assert (work(), assigned(conversation)) == (0, ["alice"])
    assert Agent.objects.get(user=alice).availability.away_since is None
