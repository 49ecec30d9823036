"""The Page's reactions: wished for by an agent, sent by the worker, the last wish wins."""

from datetime import timedelta

import pytest
from django.utils import timezone

from channels_im.models import ChannelAgent
from tests.factories import answer, deliver, delivery, item, make_agent
from tickets.models import Message, PageReaction
from tickets.services.outgoing.replies import ReplyError
from tickets.services.page_actions import reactions

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(clock, conversation):
    return conversation.messages.get()


def sent(graph):
    return [(one["sender_action"], one["payload"].get("reaction")) for one in graph.actions]


def seen_by_customer(message):
    message.refresh_from_db()
    return reactions.page_reaction(message)


def refusal(user, message, emoji="👍"):
    with pytest.raises(ReplyError) as refused:
        reactions.react(user, message, emoji)
    return refused.value.verdict


def test_a_reaction_waits_and_is_sent_by_the_worker(graph, alice, message):
    reactions.react(alice, message, "👍")
    assert (PageReaction.objects.get().state, seen_by_customer(message), graph.actions) == ("waiting", "", [])

    assert reactions.send_reactions() == 1
    assert graph.actions[0]["recipient"] == {"id": message.conversation.contact.psid}
    assert graph.actions[0]["payload"] == {"message_id": message.mid, "reaction": "👍"}
    assert (PageReaction.objects.get().state, seen_by_customer(message)) == ("told", "👍")
    assert reactions.send_reactions() == 0


def test_it_is_changed_and_taken_back(graph, alice, message):
    for emoji in ("👍", "❤", ""):
        reactions.react(alice, message, emoji)
        reactions.send_reactions()
        assert seen_by_customer(message) == emoji
    assert sent(graph) == [("react", "👍"), ("react", "❤"), ("unreact", None)]
    assert "reaction" not in graph.actions[-1]["payload"]


def test_wishes_that_cancel_out_before_they_are_sent_tell_meta_nothing(graph, alice, message):
    reactions.react(alice, message, "👍")
    reactions.react(alice, message, "")
    assert reactions.send_reactions() == 0
    assert not PageReaction.objects.exists()


def test_only_the_last_of_several_wishes_is_sent(graph, alice, message):
    for emoji in ("👍", "❤", "😂"):
        reactions.react(alice, message, emoji)
    reactions.send_reactions()
    assert sent(graph) == [("react", "😂")]


@pytest.mark.django_db(transaction=True)
def test_a_wish_made_while_a_call_is_under_way_is_told_after_it(graph, alice, message):
    reactions.react(alice, message, "👍")
    graph.meanwhile(lambda: reactions.react(alice, Message.objects.get(pk=message.pk), "❤"))
    reactions.send_reactions()
    assert sent(graph) == [("react", "👍"), ("react", "❤")]
    assert seen_by_customer(message) == "❤"


@pytest.mark.django_db(transaction=True)
def test_one_taken_back_while_its_call_is_under_way_is_taken_back_at_meta(graph, alice, message):
    reactions.react(alice, message, "👍")
    graph.meanwhile(lambda: reactions.react(alice, Message.objects.get(pk=message.pk), ""))
    reactions.send_reactions()
    assert sent(graph) == [("react", "👍"), ("unreact", None)]
    assert seen_by_customer(message) == ""


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_call(graph, alice, message):
    reactions.react(alice, message, "👍")
    graph.meanwhile(reactions.send_reactions)
    reactions.send_reactions()
    assert sent(graph) == [("react", "👍")]


def test_a_worker_that_died_is_followed_by_another(graph, alice, message, clock):
    reactions.react(alice, message, "👍")
    row = reactions._claim()
    assert row is not None
    assert reactions.send_reactions() == 0
    clock.shift(timedelta(minutes=5))
    assert reactions.send_reactions() == 1
    assert seen_by_customer(message) == "👍"


def test_what_meta_did_not_answer_is_tried_again_and_given_up(graph, alice, message, clock):
    reactions.react(alice, message, "👍")
    for _ in range(reactions.MAX_ATTEMPTS):
        graph.never_answer(accepted=True)
        reactions.send_reactions()
        clock.shift(timedelta(minutes=2))
    row = PageReaction.objects.get()
    assert (row.state, row.reason) == ("refused", reactions.NO_ANSWER)
    assert len(graph.actions) == reactions.MAX_ATTEMPTS
    reactions.react(alice, message, "👍")
    reactions.send_reactions()
    assert seen_by_customer(message) == "👍"


def test_a_refusal_stands_with_its_reason_until_it_is_dismissed(graph, alice, message):
    reactions.react(alice, message, "👍")
    graph.fail(10, 2018278)
    reactions.send_reactions()
    row = PageReaction.objects.get()
    assert row.state == "refused"
    assert row.reason
    assert seen_by_customer(message) == ""
    reactions.react(alice, message, "")
    assert not PageReaction.objects.exists()


def test_a_limited_page_waits_for_metas_leave(graph, alice, message, clock):
    reactions.react(alice, message, "👍")
    graph.fail(613)
    reactions.send_reactions()
    message.page.refresh_from_db()
    assert message.page.rate_limited_until is not None
    assert not reactions.is_due()
    clock.shift(timedelta(hours=2))
    assert reactions.send_reactions() == 1


def test_a_dead_token_is_noted_with_the_page(graph, alice, message):
    reactions.react(alice, message, "👍")
    graph.fail(190, 463)
    reactions.send_reactions()
    message.page.refresh_from_db()
    assert not message.page.is_connected
    assert PageReaction.objects.get().state == "refused"


def test_the_rules_are_asked_again_just_before_the_call(graph, alice, message):
    reactions.react(alice, message, "👍")
    ChannelAgent.objects.all().delete()
    reactions.send_reactions()
    assert not graph.actions
    assert "no longer answers" in PageReaction.objects.get().reason


def test_who_may_not_answer_may_not_react(alice, conversation, message, clock):
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
def test_only_an_emoji_is_a_reaction(alice, message, emoji):
    assert "one emoji" in refusal(alice, message, emoji).sentence


def test_only_what_the_customer_wrote_and_did_not_take_back_is_reacted_to(alice, conversation, message):
    for other in (answer(conversation, "ours"), Message(direction="in", kind="message", mid="message:abc")):
        assert "cannot react to this message" in refusal(alice, other).sentence
    message.withdrawn_at = timezone.now()
    assert "cannot react to this message" in refusal(alice, message).sentence


def test_what_meta_tells_of_our_own_reaction_does_no_harm(client, graph, alice, message, clock):
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
