"""The Page's reactions: an agent chooses one, the worker sends it, the last one wins."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk.models import User
from tests.factories import answer, deliver, delivery, item, make_agent
from tests.tickets.services.graph import FakeGraph
from tickets.models import Conversation, Message, PageReaction
from tickets.rules.sending import Verdict
from tickets.services.outgoing.replies import ReplyError
from tickets.services.page_actions import reactions

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(clock: time_machine.Traveller, conversation: Conversation) -> Message:
    return conversation.messages.get()


def sent(graph: FakeGraph) -> list[tuple[str, str | None] | tuple[str, str]]:
    return [(one["sender_action"], one["payload"].get("reaction")) for one in graph.actions]


def seen_by_customer(message: Message) -> str:
    message.refresh_from_db()
    return reactions.shown(message)


def refusal(user: User, message: Message, emoji: str = "👍") -> Verdict:
    with pytest.raises(ReplyError) as refused:
        reactions.react(user, message, emoji)
    return refused.value.verdict


def test_a_reaction_waits_and_is_sent_by_the_worker(graph: FakeGraph, alice: User, message: Message) -> None:
    reactions.react(alice, message, "👍")
    assert (PageReaction.objects.get().state, seen_by_customer(message), graph.actions) == ("waiting", "", [])

    assert reactions.send_reactions() == 1
    assert graph.actions[0]["recipient"] == {"id": message.conversation.contact.psid}
    assert graph.actions[0]["payload"] == {"message_id": message.mid, "reaction": "👍"}
    assert (PageReaction.objects.get().state, seen_by_customer(message)) == ("told", "👍")
    assert reactions.send_reactions() == 0


def test_it_is_changed_and_taken_back(graph: FakeGraph, alice: User, message: Message) -> None:
    for emoji in ("👍", "❤", ""):
        reactions.react(alice, message, emoji)
        reactions.send_reactions()
        assert seen_by_customer(message) == emoji
    assert sent(graph) == [("react", "👍"), ("react", "❤"), ("unreact", None)]
    assert "reaction" not in graph.actions[-1]["payload"]


def test_reactions_that_cancel_out_before_they_are_sent_make_no_call(
    graph: FakeGraph, alice: User, message: Message
) -> None:
    reactions.react(alice, message, "👍")
    reactions.react(alice, message, "")
    assert reactions.send_reactions() == 0
    assert not PageReaction.objects.exists()


def test_only_the_last_of_several_reactions_is_sent(graph: FakeGraph, alice: User, message: Message) -> None:
    for emoji in ("👍", "❤", "😂"):
        reactions.react(alice, message, emoji)
    reactions.send_reactions()
    assert sent(graph) == [("react", "😂")]


@pytest.mark.django_db(transaction=True)
def test_a_reaction_chosen_during_a_call_is_sent_after_it(graph: FakeGraph, alice: User, message: Message) -> None:
    reactions.react(alice, message, "👍")
    graph.meanwhile(lambda: reactions.react(alice, Message.objects.get(pk=message.pk), "❤"))
    reactions.send_reactions()
    assert sent(graph) == [("react", "👍"), ("react", "❤")]
    assert seen_by_customer(message) == "❤"


@pytest.mark.django_db(transaction=True)
def test_one_taken_back_while_its_call_is_under_way_is_taken_back_at_meta(
    graph: FakeGraph, alice: User, message: Message
) -> None:
    reactions.react(alice, message, "👍")
    graph.meanwhile(lambda: reactions.react(alice, Message.objects.get(pk=message.pk), ""))
    reactions.send_reactions()
    assert sent(graph) == [("react", "👍"), ("unreact", None)]
    assert seen_by_customer(message) == ""


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_call(graph: FakeGraph, alice: User, message: Message) -> None:
    reactions.react(alice, message, "👍")
    graph.meanwhile(reactions.send_reactions)
    reactions.send_reactions()
    assert sent(graph) == [("react", "👍")]


def test_a_worker_that_died_is_followed_by_another(
    graph: FakeGraph, alice: User, message: Message, clock: time_machine.Traveller
) -> None:
    reactions.react(alice, message, "👍")
    row = reactions._claim()
    assert row is not None
    assert reactions.send_reactions() == 0
    clock.shift(timedelta(minutes=5))
    assert reactions.send_reactions() == 1
    assert seen_by_customer(message) == "👍"


def test_what_meta_did_not_answer_is_tried_again_and_given_up(
    graph: FakeGraph, alice: User, message: Message, clock: time_machine.Traveller
) -> None:
    reactions.react(alice, message, "👍")
    for _ in range(reactions.MOST_TRIES):
        graph.never_answer(accepted=True)
        reactions.send_reactions()
        clock.shift(timedelta(minutes=2))
    row = PageReaction.objects.get()
    assert (row.state, row.reason) == ("refused", reactions.NO_ANSWER)
    assert len(graph.actions) == reactions.MOST_TRIES
    reactions.react(alice, message, "👍")
    reactions.send_reactions()
    assert seen_by_customer(message) == "👍"


def test_a_refusal_stands_with_its_reason_until_it_is_dismissed(
    graph: FakeGraph, alice: User, message: Message
) -> None:
    reactions.react(alice, message, "👍")
    graph.fail(10, 2018278)
    reactions.send_reactions()
    row = PageReaction.objects.get()
    assert row.state == "refused"
    assert row.reason
    assert seen_by_customer(message) == ""
    reactions.react(alice, message, "")
    assert not PageReaction.objects.exists()


def test_a_limited_page_waits_for_metas_leave(
    graph: FakeGraph, alice: User, message: Message, clock: time_machine.Traveller
) -> None:
    reactions.react(alice, message, "👍")
    graph.fail(613)
    reactions.send_reactions()
    message.page.refresh_from_db()
    assert message.page.rate_limited_until is not None
    assert not reactions.is_due()
    clock.shift(timedelta(hours=2))
    assert reactions.send_reactions() == 1


def test_a_dead_token_is_noted_with_the_page(graph: FakeGraph, alice: User, message: Message) -> None:
    reactions.react(alice, message, "👍")
    graph.fail(190, 463)
    reactions.send_reactions()
    message.page.refresh_from_db()
    assert not message.page.is_connected
    assert PageReaction.objects.get().state == "refused"


def test_the_rules_are_asked_again_just_before_the_call(graph: FakeGraph, alice: User, message: Message) -> None:
    reactions.react(alice, message, "👍")
    ChannelAgent.objects.all().delete()
    reactions.send_reactions()
    assert not graph.actions
    assert "can no longer reply" in PageReaction.objects.get().reason


def test_who_may_not_answer_may_not_react(
    alice: User, conversation: Conversation, message: Message, clock: time_machine.Traveller
) -> None:
    assert refusal(make_agent("bob"), message).code == "not_associated"
    conversation.contact.blocked_at = timezone.now()
    conversation.contact.save()
    assert refusal(alice, message).code == "contact_blocked"
    conversation.contact.blocked_at = None
    conversation.contact.save()
    clock.shift(timedelta(days=8))
    assert refusal(alice, message).code == "window_closed"
    type(conversation.channel).objects.update(is_active=False)
    assert refusal(alice, message).code == "channel_inactive"
    assert not PageReaction.objects.exists()


@pytest.mark.parametrize("emoji", ["love", "👍👍", "<b>", "x" * 500])
def test_only_an_emoji_is_a_reaction(alice: User, message: Message, emoji: str) -> None:
    assert "one emoji" in refusal(alice, message, emoji).sentence


def test_only_what_the_customer_wrote_and_did_not_take_back_is_reacted_to(
    alice: User, conversation: Conversation, message: Message
) -> None:
    for other in (answer(conversation, "ours"), Message(direction="in", kind="message", mid="message:abc")):
        assert "cannot be reacted to" in refusal(alice, other).sentence
    message.withdrawn_at = timezone.now()
    assert "cannot be reacted to" in refusal(alice, message).sentence


def test_what_meta_tells_of_our_own_reaction_does_no_harm(
    client: Client, graph: FakeGraph, alice: User, message: Message, clock: time_machine.Traveller
) -> None:
    page, psid = message.page, message.conversation.contact.psid
    reactions.react(alice, message, "👍")
    reactions.send_reactions()
    reactions.react(alice, message, "")
    clock.shift(timedelta(seconds=1))
    reactions.send_reactions()
    late = {"mid": message.mid, "action": "react", "reaction": "like", "emoji": "👍"}
    moment = timezone.now() - timedelta(seconds=1)
    deliver(client, delivery(page, item(page, psid, moment, from_page=True, reaction=late)))
    assert seen_by_customer(message) == ""
