"""Replies held until the customer writes: what releases them, what does not, and that none is sent twice."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk.models import User
from tests import database_faults
from tests.factories import answer, deliver, delivery, item, png, text_item
from tests.tickets.services.graph import FakeGraph
from tests.tickets.services.steps import drained
from tickets.models import Conversation, Message
from tickets.services.outgoing import outbox, replies, undelivered

pytestmark = pytest.mark.django_db

LATER = timedelta(days=8)


@pytest.fixture
def hold(alice: User, conversation: Conversation, clock: time_machine.Traveller) -> Callable[..., Message]:
    """Let Alice write a reply that is held, eight days after the customer's last message."""
    clock.shift(LATER)

    def hold(text: str = "Still there?", **reply: Any) -> Message:
        return replies.queue_reply(alice, conversation, text=text, hold=True, **reply)[-1]

    return hold


@pytest.fixture
def customer(client: Client, conversation: Conversation) -> Callable[..., None]:
    """Let Meta deliver something of the customer: a text, or any kind of event."""
    page, psid = conversation.channel.page, conversation.contact.psid

    def customer(text: str = "Yes", at: datetime | None = None, mid: str = "", **event: Any) -> None:
        at = at or timezone.now()
        deliver(
            client, delivery(page, item(page, psid, at, **event) if event else text_item(page, psid, text, at, mid))
        )

    return customer


def fresh(message: Message) -> Message:
    message.refresh_from_db()
    return message


def test_a_reply_is_held_until_the_customer_writes_and_then_goes_out_by_itself(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None], conversation: Conversation
) -> None:
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


def test_it_belongs_to_the_ticket_that_the_customer_opened_and_stands_after_their_message(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None]
) -> None:
    message = hold()
    before = message.ticket_id
    customer("I am back")
    customers = Message.objects.get(text="I am back")
    assert customers.ticket_id not in (None, before)
    assert fresh(message).ticket_id == customers.ticket_id
    assert message.sent_at >= customers.sent_at


def test_text_and_files_of_several_replies_go_out_in_their_order(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None], clock: time_machine.Traveller
) -> None:
    hold("1", files=[SimpleUploadedFile("a.png", png())])
    clock.shift(timedelta(minutes=1))
    hold("2")
    customer()
    outbox.drain_outbox()
    assert graph.texts() == ["1", "", "2"]


def test_the_same_message_delivered_twice_lets_it_out_once(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None]
) -> None:
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
def test_what_opens_no_window_lets_nothing_out(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None], event: dict[str, Any]
) -> None:
    message = hold()
    customer(**event)
    assert drained(message).state == "held"
    assert message.waits_for_customer


def test_a_tap_on_a_button_counts_as_writing(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None]
) -> None:
    message = hold()
    customer(postback={"mid": "m_tap", "title": "Get Started", "payload": "START"})
    assert drained(message).state == "sent"


@pytest.mark.parametrize("age", [timedelta(days=7, hours=12), timedelta(days=3), timedelta(hours=24)])
def test_a_late_message_that_opens_no_window_of_a_day_lets_nothing_out(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None], age: timedelta
) -> None:
    message = hold()
    customer("Written long ago", at=timezone.now() - age)
    assert drained(message).state == "held"
    customer("Now")
    assert drained(message).state == "sent"


def test_what_is_held_for_another_reason_still_waits_for_a_click(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None], conversation: Conversation
) -> None:
    other = answer(conversation, "For a click", state="held", reason="A message before this one was not sent.")
    message = hold()
    customer()
    assert drained(message).state == "sent"
    assert fresh(other).state == "held"


def test_it_may_have_become_forbidden_meanwhile(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None], conversation: Conversation
) -> None:
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


def test_an_author_who_lost_the_channel_sends_nothing_any_more(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None]
) -> None:
    message = hold()
    ChannelAgent.objects.all().delete()
    customer()
    assert drained(message).state == "held"
    assert "can no longer reply" in message.reason


def test_a_cancelled_one_is_gone_and_the_others_still_wait(
    graph: FakeGraph,
    alice: User,
    hold: Callable[..., Message],
    customer: Callable[..., None],
    conversation: Conversation,
) -> None:
    first, second = hold("1"), hold("2")
    assert undelivered.cancel(alice, first) == "1"
    conversation.refresh_from_db()
    assert conversation.holds_reply
    customer()
    assert drained(second).state == "sent"
    assert graph.texts() == ["2"]
    replies_left = Message.objects.filter(pk=first.pk)
    assert not replies_left.exists()


def test_when_the_last_is_cancelled_the_conversation_knows(
    alice: User, hold: Callable[..., Message], conversation: Conversation
) -> None:
    undelivered.cancel(alice, hold())
    conversation.refresh_from_db()
    assert not conversation.holds_reply


def test_it_goes_out_at_once_when_the_customer_wrote_while_it_was_asked(
    graph: FakeGraph, hold: Callable[..., Message], customer: Callable[..., None]
) -> None:
    with database_faults.before_first("SAVEPOINT", lambda: customer("I was faster")):  # before the lock is taken
        message = hold()
    assert (message.state, message.waits_for_customer) == ("queued", False)
    assert drained(message).state == "sent"


def test_an_error_in_the_message_itself_is_reported_at_once(
    hold: Callable[..., Message], conversation: Conversation
) -> None:
    with pytest.raises(replies.ReplyError) as refused:
        hold("x" * 1601)
    assert refused.value.verdict.code == "text_too_long"
    with pytest.raises(replies.ReplyError) as refused:
        hold("", files=[SimpleUploadedFile("a.exe", b"MZ")])
    assert refused.value.verdict.code == "file_refused"
    with pytest.raises(replies.ReplyError):
        hold("  ")


def test_what_only_somebody_else_can_heal_is_refused_not_held(
    hold: Callable[..., Message], conversation: Conversation
) -> None:
    type(conversation.channel).objects.update(is_active=False)
    with pytest.raises(replies.ReplyError) as refused:
        hold()
    assert refused.value.verdict.code == "channel_inactive"
    assert not Message.objects.filter(direction="out").exists()


def test_the_same_key_holds_once(hold: Callable[..., Message]) -> None:
    assert hold(client_key="k").pk == hold(client_key="k").pk


def test_a_reply_that_missed_the_window_can_be_held_until_the_customer_writes(
    graph: FakeGraph,
    alice: User,
    queue: Callable[..., Message],
    customer: Callable[..., None],
    clock: time_machine.Traveller,
) -> None:
    message = queue("Too late")
    clock.shift(LATER)
    assert drained(message).state == "held"
    customer("One")
    assert drained(message).state == "held"
    clock.shift(LATER)
    assert undelivered.hold_until_customer_writes(alice, message).waits_for_customer
    customer("Two")
    assert drained(message).state == "sent"


def test_a_reply_that_can_be_sent_cannot_be_held(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    message = answer(conversation, "Held", state="held")
    with pytest.raises(replies.ReplyError, match="you can send it now"):
        undelivered.hold_until_customer_writes(alice, message)
    assert not fresh(message).waits_for_customer


def test_a_message_costs_nothing_more_when_nothing_is_held(
    clock: time_machine.Traveller, conversation: Conversation, customer: Callable[..., None]
) -> None:
    clock.shift(LATER)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        customer()
    asked = [each["sql"] for each in queries if "waits_for_customer" in each["sql"]]
    assert all(sql.startswith("INSERT") for sql in asked)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_each_goes_out_once_in_order_and_only_after_the_customer_wrote(
    graph: FakeGraph,
    alice: User,
    hold: Callable[..., Message],
    customer: Callable[..., None],
    conversation: Conversation,
    clock: time_machine.Traveller,
    seed: int,
) -> None:
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
                    undelivered.cancel(alice, one)
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
