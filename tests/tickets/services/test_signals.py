"""Typing and seen: only where the channel says so, throttled, in time or not at all, at most once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import make_agent
from tickets.models import Conversation, PageSignal
from tickets.services import signals

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(clock, conversation):
    channel = conversation.channel
    channel.shows_typing = channel.shows_seen = True
    channel.save()
    return conversation


def shown(graph):
    signals.send_waiting()
    return [one["sender_action"] for one in graph.actions]


def test_typing_is_shown_once_in_ten_seconds(graph, alice, conversation, clock):
    for _ in range(5):
        signals.typing(alice, conversation)
        clock.shift(timedelta(seconds=1))
        signals.send_waiting()
    assert shown(graph) == ["typing_on"]
    assert graph.actions[0]["recipient"] == {"id": conversation.contact.psid}
    clock.shift(timedelta(seconds=10))
    signals.typing(alice, conversation)
    assert shown(graph) == ["typing_on", "typing_on"]


def test_who_stops_typing_is_shown_to_have_stopped_once(graph, alice, conversation):
    signals.typing(alice, conversation, is_on=False)
    assert shown(graph) == []
    signals.typing(alice, conversation)
    shown(graph)
    signals.typing(alice, conversation, is_on=False)
    signals.typing(alice, conversation, is_on=False)
    assert shown(graph) == ["typing_on", "typing_off"]


def test_what_is_late_is_dropped(graph, alice, conversation, clock):
    signals.typing(alice, conversation)
    signals.seen(alice, conversation)
    clock.shift(timedelta(seconds=6))
    assert shown(graph) == ["mark_seen"]
    signals.seen(alice, conversation)
    clock.shift(timedelta(seconds=61))
    assert not signals.is_due()
    assert shown(graph) == ["mark_seen"]


@pytest.mark.parametrize("trouble", ["fail", "never_answer", "be_unreachable"])
def test_what_fails_is_forgotten(graph, alice, conversation, trouble):
    {
        "fail": lambda: graph.fail(190, 463),
        "never_answer": lambda: graph.never_answer(accepted=False),
        "be_unreachable": graph.be_unreachable,
    }[trouble]()
    signals.seen(alice, conversation)
    assert shown(graph) == ["mark_seen"]
    assert shown(graph) == ["mark_seen"]
    conversation.channel.page.refresh_from_db()
    assert conversation.channel.page.is_connected


def test_one_trouble_does_not_stop_the_others(graph, alice, conversation):
    graph.fail(100)
    signals.seen(alice, conversation)
    signals.typing(alice, conversation)
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
def test_nothing_is_shown_where_it_may_not(graph, alice, conversation, forbid):
    signals.typing(alice, conversation)
    signals.seen(alice, conversation)
    forbid(conversation)
    assert shown(graph) == []
    PageSignal.objects.all().delete()
    fresh = Conversation.objects.select_related("channel__page", "contact").get(pk=conversation.pk)
    signals.typing(alice, fresh)
    signals.seen(alice, fresh)
    assert not PageSignal.objects.exists()


def test_who_may_not_answer_shows_nothing(conversation):
    bob = make_agent("bob")
    signals.typing(bob, conversation)
    signals.seen(bob, conversation)
    assert not PageSignal.objects.exists()


def test_two_workers_show_it_once(graph, alice, conversation):
    signals.seen(alice, conversation)
    row = signals.waiting().select_related("conversation").get()
    assert signals._claim(row)
    assert not signals._claim(row)
    assert shown(graph) == []
