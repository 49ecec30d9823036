"""Typing and seen: only where the channel says so, throttled, in time or not at all, at most once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from desk.models import User
from tests.factories import make_agent
from tests.tickets.services.graph import FakeGraph
from tickets.models import Conversation, SenderAction
from tickets.services.page_actions import sender_actions

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(clock: time_machine.Traveller, conversation: Conversation) -> Conversation:
    channel = conversation.channel
    channel.shows_typing = channel.shows_seen = True
    channel.save()
    return conversation


def shown(graph: FakeGraph) -> list[str]:
    sender_actions.send_due()
    return [one["sender_action"] for one in graph.actions]


def test_typing_is_shown_once_in_ten_seconds(
    graph: FakeGraph, alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    for _ in range(5):
        sender_actions.typing(alice, conversation)
        clock.shift(timedelta(seconds=1))
        sender_actions.send_due()
    assert shown(graph) == ["typing_on"]
    assert graph.actions[0]["recipient"] == {"id": conversation.contact.psid}
    clock.shift(timedelta(seconds=10))
    sender_actions.typing(alice, conversation)
    assert shown(graph) == ["typing_on", "typing_on"]


def test_who_stops_typing_is_shown_to_have_stopped_once(
    graph: FakeGraph, alice: User, conversation: Conversation
) -> None:
    sender_actions.typing(alice, conversation, is_on=False)
    assert shown(graph) == []
    sender_actions.typing(alice, conversation)
    shown(graph)
    sender_actions.typing(alice, conversation, is_on=False)
    sender_actions.typing(alice, conversation, is_on=False)
    assert shown(graph) == ["typing_on", "typing_off"]


def test_what_is_late_is_dropped(
    graph: FakeGraph, alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    sender_actions.typing(alice, conversation)
    sender_actions.seen(alice, conversation)
    clock.shift(timedelta(seconds=6))
    assert shown(graph) == ["mark_seen"]
    sender_actions.seen(alice, conversation)
    clock.shift(timedelta(seconds=61))
    assert not sender_actions.is_due()
    assert shown(graph) == ["mark_seen"]


@pytest.mark.parametrize("trouble", ["fail", "never_answer", "be_unreachable"])
def test_what_fails_is_forgotten(graph: FakeGraph, alice: User, conversation: Conversation, trouble: str) -> None:
    {
        "fail": lambda: graph.fail(100),
        "never_answer": lambda: graph.never_answer(accepted=False),
        "be_unreachable": graph.be_unreachable,
    }[trouble]()
    sender_actions.seen(alice, conversation)
    assert shown(graph) == ["mark_seen"]
    assert shown(graph) == ["mark_seen"]


def test_a_dead_token_disconnects_the_page(graph: FakeGraph, alice: User, conversation: Conversation) -> None:
    graph.fail(190, 463)
    sender_actions.seen(alice, conversation)
    assert shown(graph) == ["mark_seen"]
    conversation.channel.page.refresh_from_db()
    assert conversation.channel.page.reauth_reason == "token_expired"


def test_a_rate_limit_stops_further_actions_and_no_reply(
    graph: FakeGraph, alice: User, conversation: Conversation
) -> None:
    graph.fail(613)
    sender_actions.seen(alice, conversation)
    assert shown(graph) == ["mark_seen"]
    sender_actions.typing(alice, conversation)
    assert shown(graph) == ["mark_seen"]
    conversation.channel.page.refresh_from_db()
    assert conversation.channel.page.rate_limited_until is None


def test_one_trouble_does_not_stop_the_others(graph: FakeGraph, alice: User, conversation: Conversation) -> None:
    graph.fail(100)
    sender_actions.seen(alice, conversation)
    sender_actions.typing(alice, conversation)
    assert sorted(shown(graph)) == ["mark_seen", "typing_on"]


@pytest.mark.parametrize(
    "forbid",
    [
        lambda conversation: type(conversation.channel).objects.update(is_active=False),
        lambda conversation: type(conversation.channel).objects.update(shows_typing=False, shows_seen=False),
        lambda conversation: type(conversation.contact).objects.update(blocked_at=timezone.now()),
        lambda conversation: Conversation.objects.update(thread_owner_app_id="77"),
        lambda conversation: Conversation.objects.update(last_customer_message_at=timezone.now() - timedelta(hours=25)),
        lambda conversation: type(conversation.channel.page).objects.update(
            connection="reauth_required", reauth_reason="token_expired", reauth_since=timezone.now()
        ),
    ],
    ids=["inactive", "off", "blocked", "other app", "after a day", "reauth"],
)
def test_nothing_is_shown_where_it_may_not(
    graph: FakeGraph, alice: User, conversation: Conversation, forbid: Callable[[Conversation], object]
) -> None:
    sender_actions.typing(alice, conversation)
    sender_actions.seen(alice, conversation)
    forbid(conversation)
    assert shown(graph) == []
    SenderAction.objects.all().delete()
    fresh = Conversation.objects.select_related("channel__page", "contact").get(pk=conversation.pk)
    sender_actions.typing(alice, fresh)
    sender_actions.seen(alice, fresh)
    assert not SenderAction.objects.exists()


def test_who_may_not_answer_shows_nothing(conversation: Conversation) -> None:
    bob = make_agent("bob")
    sender_actions.typing(bob, conversation)
    sender_actions.seen(bob, conversation)
    assert not SenderAction.objects.exists()


def test_two_workers_show_it_once(graph: FakeGraph, alice: User, conversation: Conversation) -> None:
    sender_actions.seen(alice, conversation)
    row = sender_actions.waiting().select_related("conversation").get()
    assert sender_actions._claim(row)
    assert not sender_actions._claim(row)
    assert shown(graph) == []
