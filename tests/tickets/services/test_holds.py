"""Replies held until the customer writes: what lets them out, what does not, and never twice."""

import random
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_im.models import ChannelAgent
from tests import database_faults
from tests.factories import answer, deliver, delivery, item, png, text_item
from tests.tickets.services.steps import drained
from tickets.models import Message
from tickets.services import outbox, replies, unsent

pytestmark = pytest.mark.django_db

LATER = timedelta(days=8)


@pytest.fixture
def hold(alice, conversation, clock):
    """Let Alice write a reply that is held, eight days after the customer's last message."""
    clock.shift(LATER)

    def hold(text="Still there?", **reply):
        return replies.queue_reply(alice, conversation, text=text, hold=True, **reply)[-1]

    return hold


@pytest.fixture
def customer(client, conversation):
    """Let Meta deliver something of the customer: a text, or any kind of event."""
    page, psid = conversation.channel.page, conversation.contact.psid

    def customer(text="Yes", at=None, mid="", **event):
        at = at or timezone.now()
        deliver(
            client, delivery(page, item(page, psid, at, **event) if event else text_item(page, psid, text, at, mid))
        )

    return customer


def fresh(message):
    message.refresh_from_db()
    return message


def test_a_reply_is_held_until_the_customer_writes_and_then_goes_out_by_itself(graph, hold, customer, conversation):
    message = hold()
    assert drained(message).state == "held"
    assert message.waits_for_customer
    assert not graph.calls

    customer("I am")
    assert fresh(message).state == "queued"
    assert drained(message).state == "sent"
    assert graph.texts() == ["Still there?"]
    assert graph.calls[0]["messaging_type"] == "RESPONSE"
    conversation.refresh_from_db()
    assert (conversation.holds_reply, conversation.waiting_since) == (False, None)
    assert (conversation.preview, conversation.preview_is_ours) == ("Still there?", True)


def test_it_belongs_to_the_ticket_that_the_customer_opened_and_stands_after_their_message(graph, hold, customer):
    message = hold()
    before = message.ticket_id
    customer("I am back")
    customers = Message.objects.get(text="I am back")
    assert customers.ticket_id not in (None, before)
    assert fresh(message).ticket_id == customers.ticket_id
    assert message.sent_at >= customers.sent_at


def test_text_and_files_of_several_replies_go_out_in_their_order(graph, hold, customer, clock):
    hold("1", files=[SimpleUploadedFile("a.png", png())])
    clock.shift(timedelta(minutes=1))
    hold("2")
    customer()
    outbox.drain_outbox()
    assert graph.texts() == ["1", "", "2"]


def test_the_same_message_delivered_twice_lets_it_out_once(graph, hold, customer):
    message = hold()
    customer("I am", mid="m_same")
    drained(message)
    customer("I am", mid="m_same")
    outbox.drain_outbox()
    assert graph.texts() == ["Still there?"]


@pytest.mark.parametrize(
    "event",
    [
        {"reaction": {"mid": "m_x", "action": "react", "emoji": "❤", "reaction": "love"}},
        {"read": {"watermark": 1}},
        {"delivery": {"watermark": 1}},
        {"referral": {"source": "SHORTLINK", "type": "OPEN_THREAD", "ref": "spring"}},
        {"optin": {"type": "notification_messages", "payload": "news", "title": "News"}},
    ],
    ids=lambda event: next(iter(event)),
)
def test_what_opens_no_window_lets_nothing_out(graph, hold, customer, event):
    message = hold()
    customer(**event)
    assert drained(message).state == "held"
    assert message.waits_for_customer


def test_a_tap_on_a_button_counts_as_writing(graph, hold, customer):
    message = hold()
    customer(postback={"mid": "m_tap", "title": "Get Started", "payload": "START"})
    assert drained(message).state == "sent"


@pytest.mark.parametrize("age", [timedelta(days=7, hours=12), timedelta(days=3), timedelta(hours=24)])
def test_a_late_message_that_opens_no_window_of_a_day_lets_nothing_out(graph, hold, customer, age):
    message = hold()
    customer("Written long ago", at=timezone.now() - age)
    assert drained(message).state == "held"
    customer("Now")
    assert drained(message).state == "sent"


def test_what_is_held_for_another_reason_still_waits_for_a_click(graph, hold, customer, conversation):
    other = answer(conversation, "For a click", state="held", reason="A message before this one was not sent.")
    message = hold()
    customer()
    assert drained(message).state == "sent"
    assert fresh(other).state == "held"


def test_it_may_have_become_forbidden_meanwhile(graph, hold, customer, conversation):
    message = hold()
    conversation.contact.blocked_at = timezone.now()
    conversation.contact.save()
    customer()
    assert drained(message).state == "held"
    assert (message.waits_for_customer, "blocked" in message.reason) == (False, True)
    conversation.contact.blocked_at = None
    conversation.contact.save()
    customer("Hello?")
    assert drained(message).state == "held"
    assert not graph.calls


def test_an_author_who_lost_the_channel_sends_nothing_any_more(graph, hold, customer):
    message = hold()
    ChannelAgent.objects.all().delete()
    customer()
    assert drained(message).state == "held"
    assert "no longer answers" in message.reason


def test_a_cancelled_one_is_gone_and_the_others_still_wait(graph, alice, hold, customer, conversation):
    first, second = hold("1"), hold("2")
    assert unsent.discard(alice, first) == "1"
    conversation.refresh_from_db()
    assert conversation.holds_reply
    customer()
    assert drained(second).state == "sent"
    assert graph.texts() == ["2"]
    replies_left = Message.objects.filter(pk=first.pk)
    assert not replies_left.exists()


def test_when_the_last_is_cancelled_the_conversation_knows(alice, hold, conversation):
    unsent.discard(alice, hold())
    conversation.refresh_from_db()
    assert not conversation.holds_reply


def test_it_goes_out_at_once_when_the_customer_wrote_while_it_was_asked(graph, hold, customer):
    with database_faults.before_first("SAVEPOINT", lambda: customer("I was faster")):  # before the lock is taken
        message = hold()
    assert (message.state, message.waits_for_customer) == ("queued", False)
    assert drained(message).state == "sent"


def test_what_is_wrong_with_the_message_itself_is_said_at_once(hold, conversation):
    with pytest.raises(replies.ReplyRefused) as refused:
        hold("x" * 1601)
    assert refused.value.verdict.code == "text_too_long"
    with pytest.raises(replies.ReplyRefused) as refused:
        hold("", files=[SimpleUploadedFile("a.exe", b"MZ")])
    assert refused.value.verdict.code == "file_refused"
    with pytest.raises(replies.ReplyRefused):
        hold("  ")


def test_what_only_somebody_else_can_heal_is_refused_not_held(hold, conversation):
    type(conversation.channel).objects.update(is_active=False)
    with pytest.raises(replies.ReplyRefused) as refused:
        hold()
    assert refused.value.verdict.code == "channel_inactive"
    assert not Message.objects.filter(direction="out").exists()


def test_the_same_key_holds_once(hold):
    assert hold(client_key="k").pk == hold(client_key="k").pk


def test_a_reply_that_waited_past_the_window_is_told_to_wait_for_the_customer(graph, alice, queue, customer, clock):
    message = queue("Too late")
    clock.shift(LATER)
    assert drained(message).state == "held"
    customer("One")
    assert drained(message).state == "held"
    clock.shift(LATER)
    assert unsent.wait(alice, message).waits_for_customer
    customer("Two")
    assert drained(message).state == "sent"


def test_nothing_is_told_to_wait_when_it_can_be_sent(alice, conversation, clock):
    message = answer(conversation, "Held", state="held")
    with pytest.raises(replies.ReplyRefused, match="you can send it now"):
        unsent.wait(alice, message)
    assert not fresh(message).waits_for_customer


def test_a_message_costs_nothing_more_when_nothing_is_held(clock, conversation, customer):
    clock.shift(LATER)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        customer()
    asked = [each["sql"] for each in queries if "waits_for_customer" in each["sql"]]
    assert all(sql.startswith("INSERT") for sql in asked)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_each_goes_out_once_in_order_and_only_after_the_customer_wrote(
    graph, alice, hold, customer, conversation, clock, seed
):
    chance, written, last = random.Random(seed), [], ""  # noqa: S311
    for step in range(25):
        clock.shift(timedelta(seconds=1))
        match chance.choice(["hold", "hold", "write", "again", "drain", "cancel", "pass"]):
            case "hold":
                message = hold(f"reply {step}")
                written.append(message)
            case "write":
                last = f"m_{seed}_{step}"
                customer(f"customer {step}", mid=last)
            case "again" if last:
                customer("twice", mid=last)
            case "drain":
                outbox.drain_outbox()
            case "cancel" if written:
                one = chance.choice(written)
                if one.state == "held" and Message.objects.filter(pk=one.pk, state="held").exists():
                    unsent.discard(alice, one)
                    written.remove(one)
            case "pass":
                clock.shift(LATER)
        assert not conversation.messages.filter(state="held", waits_for_customer=False, reason="").exists()
        is_open = replies.window_of(type(conversation).objects.get(pk=conversation.pk)).state == "response"
        assert not (is_open and conversation.messages.filter(waits_for_customer=True).exists())
    customer("the last word")
    outbox.drain_outbox()
    kept = {message.text for message in conversation.messages.filter(state="sent", direction="out")}
    texts = graph.texts()
    assert len(texts) == len(set(texts))
    assert texts == sorted(texts, key=lambda text: int(text.split()[1]))
    assert kept == set(texts)
    assert not conversation.messages.filter(waits_for_customer=True).exists()
