"""What was said and when decides, by Meta's clock, and never the order in which Desk learned of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from channels_im.models import Channel
from desk.models import User
from tests.factories import NOON, answer, deliver, delivery, item, make_conversation, ms, receive, text_item
from tests.matching import present
from tests.tickets.services.graph import FakeGraph
from tests.tickets.services.steps import drained, handle_echo, kill_worker_while_sending
from tickets.models import Conversation, Message, MessageChange, Ticket
from tickets.services.conversation import derived, messages
from tickets.services.inbox import actions
from tickets.services.outgoing import delivery_status, outbox, undelivered

pytestmark = pytest.mark.usefixtures("clock")
MINUTE, SECOND, MS = timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INBOX = "263902037430900"


def fresh(row: Any) -> Any:
    row.refresh_from_db()
    return row


def echo(channel: Channel, psid: str, text: str, at: datetime, mid: str = "") -> dict[str, Any]:
    """Return the delivery of what somebody answered in the Page inbox."""
    content = {"mid": mid or f"m_{text}", "text": text, "is_echo": True, "app_id": INBOX}
    return delivery(channel.page, item(channel.page, psid, at, from_page=True, message=content))


def said(channel: Channel, psid: str, text: str, at: datetime) -> dict[str, Any]:
    return delivery(channel.page, text_item(channel.page, psid, text, at, f"m_{text}"))


def thread() -> list[str]:
    return list(Message.objects.filter(kind="message").order_by("sent_at", "pk").values_list("text", flat=True))


def parts() -> dict[str, list[str]]:
    """Return the texts of each ticket by its subject, and check its times."""
    found = {}
    for ticket in Ticket.objects.order_by("opened_at"):
        own = ticket.messages.filter(kind="message").order_by("sent_at", "pk")
        assert (ticket.opened_at, ticket.last_message_at) == (present(own.first()).sent_at, present(own.last()).sent_at)
        found[ticket.subject] = [message.text for message in own]
    return found


# --- Who waits --------------------------------------------------------------------------------------------------------
def test_who_wrote_while_a_reply_was_delayed_waits_although_desk_learns_of_it_after_the_reply_went_out(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation, clock: time_machine.Traveller
) -> None:
    reply = queue()
    wrote_at = timezone.now() + MINUTE
    clock.shift(2 * MINUTE)
    assert drained(reply).state == "sent"
    receive(conversation, "And tomorrow?", wrote_at)

    assert fresh(conversation).waiting_since == wrote_at
    assert (conversation.preview, conversation.preview_is_ours) == ("Yes", True)
    handle_echo(reply, graph.accepted[0])
    assert fresh(conversation).waiting_since == wrote_at


def test_a_reply_written_while_our_clock_is_slow_answers_what_the_agent_saw_and_stands_below_it(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation
) -> None:
    receive(conversation, "Hello?", timezone.now() + 3 * SECOND)
    reply = queue()

    assert thread() == ["Is it open?", "Hello?", "Yes"]
    assert fresh(conversation).waiting_since is None
    assert (conversation.preview, conversation.preview_is_ours) == ("Yes", True)
    drained(reply)
    assert thread() == ["Is it open?", "Hello?", "Yes"]
    assert fresh(conversation).waiting_since is None


def test_what_a_closing_settled_does_not_wait_again(
    queue: Callable[..., Message], conversation: Conversation, alice: User, clock: time_machine.Traveller
) -> None:
    actions.close(alice, conversation)
    receive(conversation, "Late, from before the closing", NOON + MINUTE)
    assert fresh(conversation).waiting_since is None

    clock.shift(10 * MINUTE)
    receive(conversation, "After the closing", timezone.now())
    assert fresh(conversation).waiting_since == timezone.now()
    clock.shift(MINUTE)
    undelivered.cancel(alice, queue())
    assert fresh(conversation).waiting_since == timezone.now() - MINUTE

    actions.close(alice, conversation)
    actions.reopen(alice, conversation)  # takes back the last closing, not the first
    assert fresh(conversation).waiting_since == timezone.now() - MINUTE


def test_a_reply_marked_as_arrived_stands_where_it_was_sent_and_the_row_agrees(
    queue: Callable[..., Message], conversation: Conversation, alice: User, clock: time_machine.Traveller
) -> None:
    reply = queue()
    clock.shift(MINUTE)
    kill_worker_while_sending(reply)
    Message.objects.filter(pk=reply.pk).update(state="unsure", retry_after=None)
    receive(conversation, "Hello?", timezone.now() - 30 * SECOND)
    undelivered.mark_arrived(alice, fresh(reply))

    assert fresh(conversation).last_message_at == fresh(reply).sent_at == timezone.now()
    assert (conversation.preview, conversation.waiting_since) == ("Yes", timezone.now() - 30 * SECOND)


# --- The row and the thread -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("late", [False, True])
def test_metas_time_of_the_reply_decides_who_spoke_last(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation, late: bool
) -> None:
    reply = drained(queue())
    sent_at = timezone.now() - 800 * MS
    if not late:
        receive(conversation, "Hello?", sent_at + 300 * MS)
    handle_echo(reply, {**graph.accepted[0], "at": sent_at})
    if late:
        receive(conversation, "Hello?", sent_at + 300 * MS)

    assert thread() == ["Is it open?", "Yes", "Hello?"]
    assert fresh(conversation).waiting_since == conversation.last_message_at == sent_at + 300 * MS
    assert (conversation.preview, conversation.preview_is_ours) == ("Hello?", False)


def test_an_earlier_reply_without_an_echo_stays_above_the_next_one(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    drained(queue("First"))
    clock.shift(SECOND)
    second = drained(queue("Second"))
    handle_echo(second, {**graph.accepted[1], "at": timezone.now() - 2 * SECOND})  # our clock is fast

    assert thread() == ["Is it open?", "First", "Second"]


@pytest.mark.parametrize("learned_first", [True, False])
def test_a_reply_that_was_looked_up_stands_between_its_neighbours(
    graph: FakeGraph,
    queue: Callable[..., Message],
    conversation: Conversation,
    clock: time_machine.Traveller,
    learned_first: bool,
) -> None:
    clock.move_to(NOON + 5 * MINUTE + 400 * MS)
    receive(conversation, "One more thing", NOON + 5 * MINUTE + 350 * MS)
    graph.never_answer(accepted=True)
    reply = drained(queue())
    if learned_first:
        receive(conversation, "Hello?", NOON + 5 * MINUTE + 900 * MS)
    clock.shift(delivery_status.first_lookup_delay())
    assert drained(reply).state == "sent"
    if not learned_first:
        receive(conversation, "Hello?", NOON + 5 * MINUTE + 900 * MS)

    assert thread() == ["Is it open?", "One more thing", "Yes", "Hello?"]
    assert fresh(conversation).waiting_since == NOON + 5 * MINUTE + 900 * MS


def test_a_message_from_before_the_referral_is_shown_in_the_list(
    client: Client, channel: Channel, conversation: Conversation
) -> None:
    referral = {"source": "SHORTLINK", "type": "OPEN_THREAD", "ref": "spring"}
    deliver(client, delivery(channel.page, item(channel.page, "7001", NOON + MINUTE, referral=referral)))
    deliver(client, said(channel, "7001", "Hello", NOON))

    row = Conversation.objects.get(contact__psid="7001")
    assert (row.preview, row.last_message_at, row.waiting_since) == ("Hello", NOON, NOON)


# --- Tickets ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("first", ["question", "answer"])
@pytest.mark.parametrize("gap", [30 * MINUTE, 5 * HOUR])
def test_an_answer_from_the_page_inbox_is_in_the_ticket_of_its_question_whichever_comes_first(
    client: Client, channel: Channel, first: str, gap: timedelta
) -> None:
    deliver(client, said(channel, "7001", "Old", NOON - DAY))
    Ticket.objects.update(status="closed", closed_at=NOON - DAY + MINUTE)
    both = [said(channel, "7001", "Question", NOON), echo(channel, "7001", "Answer", NOON + gap)]
    for each in both if first == "question" else reversed(both):
        deliver(client, each)

    assert parts() == {"Old": ["Old"], "Question": ["Question", "Answer"]}
    assert list(Ticket.objects.order_by("opened_at").values_list("status", flat=True)) == ["closed", "open"]
    row = Conversation.objects.get()
    assert (present(row.current_ticket).subject, row.waiting_since) == ("Question", None)


@pytest.mark.parametrize("gap", [30 * MINUTE, 5 * HOUR])
def test_an_answer_that_comes_before_everything_is_in_the_ticket_of_its_question(
    client: Client, channel: Channel, gap: timedelta
) -> None:
    deliver(client, echo(channel, "7001", "Answer", NOON + gap))
    deliver(client, said(channel, "7001", "Question", NOON))

    assert parts() == {"Question": ["Question", "Answer"]}


def test_a_late_question_takes_along_notes_and_unsent_replies_but_neither_customers_messages_nor_actions(
    client: Client, channel: Channel, alice: User, clock: time_machine.Traveller
) -> None:
    deliver(client, said(channel, "7001", "Old", NOON - DAY))
    row = Conversation.objects.get()
    answer(row, "Failed", NOON + 2 * MINUTE, state="failed")
    messages.add_message(
        row, direction="out", kind="note", source="agent", state="sent", text="Note", sent_at=NOON + 3 * MINUTE
    )
    actions.assign(alice, row, alice)
    clock.shift(5 * HOUR)
    deliver(client, said(channel, "7001", "Other", NOON + 3 * HOUR), echo(channel, "7001", "Last", NOON + 4 * HOUR))
    deliver(client, said(channel, "7001", "Question", NOON + MINUTE))

    assert parts() == {"Old": ["Old"], "Question": ["Question", "Failed"], "Other": ["Other", "Last"]}
    question, old = Ticket.objects.get(subject="Question"), Ticket.objects.get(subject="Old")
    assert Message.objects.get(text="Note").ticket == question
    assert Message.objects.get(card__kind="assigned").ticket == old


def test_the_subject_is_what_was_said_first_as_it_reads_now(client: Client, channel: Channel) -> None:
    page = channel.page
    deliver(client, said(channel, "7001", "Second", NOON))
    deliver(client, said(channel, "7001", "First", NOON - MINUTE))
    assert Ticket.objects.get().subject == "First"
    edit = {"mid": "m_First", "text": "First, corrected", "num_edit": 1}
    deliver(client, delivery(page, item(page, "7001", NOON + MINUTE, message_edit=edit)))
    assert Ticket.objects.get().subject == "First, corrected"
    deliver(client, delivery(page, item(page, "7001", NOON + MINUTE, message={"mid": "m_First", "is_deleted": True})))
    assert Ticket.objects.get().subject == "Message withdrawn"


def test_a_delayed_reply_joins_the_ticket_it_follows_when_it_goes_out(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation, clock: time_machine.Traveller
) -> None:
    first, second = queue("Yes"), queue("We are")
    clock.shift(2 * HOUR)
    receive(conversation, "Still there?", timezone.now() - MINUTE)
    outbox.drain_outbox()

    assert parts() == {"Is it open?": ["Is it open?"], "Still there?": ["Still there?", "Yes", "We are"]}
    handle_echo(first, {**graph.accepted[0], "at": timezone.now() - 2 * MINUTE})  # it was before the question
    assert parts() == {"Is it open?": ["Is it open?", "Yes"], "Still there?": ["Still there?", "We are"]}
    assert fresh(second).sent_at == fresh(conversation).last_message_at


# --- Receipts before what they are about ------------------------------------------------------------------------------
def watermark(channel: Channel, psid: str, kind: str, at: object, **content: Any) -> dict[str, Any]:
    """Return a delivery or a read with this watermark, a time or what else Meta may send."""
    about: dict[str, Any] = {kind: {"watermark": ms(at) if isinstance(at, datetime) else at, **content}}
    return delivery(channel.page, item(channel.page, psid, **about))


def receipt(conversation: Conversation, kind: str, at: object, **content: Any) -> dict[str, Any]:
    return watermark(conversation.channel, conversation.contact.psid, kind, at, **content)


@pytest.mark.django_db(transaction=True)
def test_a_delivery_told_while_the_answer_is_still_out_is_not_lost(
    client: Client, graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation
) -> None:
    reply = queue()
    told = receipt(conversation, "delivery", timezone.now() - 100 * MS, mids=["m_graph_1"])
    graph.meanwhile(lambda: deliver(client, told))

    assert drained(reply).state == "delivered"
    assert reply.delivered_at == timezone.now() - 100 * MS
    assert not MessageChange.objects.exists()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=str)
@pytest.mark.parametrize("kind", ["delivery", "read"])
def test_a_receipt_that_comes_before_the_conversation_counts(
    client: Client, channel: Channel, kind: str, order: list[int]
) -> None:
    told = [watermark(channel, "7001", kind, NOON + MINUTE * n) for n in (2, 1)]
    deliver(client, *(told[place] for place in order))
    assert not Conversation.objects.filter(contact__psid="7001").exists()
    deliver(client, echo(channel, "7001", "Welcome", NOON + 2 * MINUTE))
    deliver(client, echo(channel, "7001", "Later", NOON + 3 * MINUTE))

    states = Message.objects.order_by("sent_at").values_list("state", flat=True)
    assert list(states) == ["read" if kind == "read" else "delivered", "sent"]
    assert not MessageChange.objects.exists()


def test_a_named_delivery_that_comes_before_its_echo_counts(
    client: Client, channel: Channel, conversation: Conversation
) -> None:
    deliver(client, receipt(conversation, "delivery", NOON + MINUTE, mids=["m_Hi", "m_never"]))
    deliver(client, echo(channel, conversation.contact.psid, "Hi", NOON + 2 * MINUTE))

    assert Message.objects.get(text="Hi").state == "delivered"
    assert MessageChange.objects.get().mid == "m_never"


@pytest.mark.parametrize("at", [ms(NOON + 400 * DAY), 253_402_300_799_000, 10**17, "9" * 40])
@pytest.mark.parametrize("kind", ["delivery", "read"])
def test_a_watermark_of_any_year_ahead_counts_as_the_time_of_receipt(
    client: Client, conversation: Conversation, kind: str, at: object
) -> None:
    now, later = answer(conversation, at=timezone.now()), answer(conversation, at=timezone.now() + MINUTE)
    deliver(client, receipt(conversation, kind, at))

    assert (fresh(now).state, fresh(later).state) == ("read" if kind == "read" else "delivered", "sent")


def test_a_watermark_of_metas_clock_covers_its_message_while_our_clock_is_slow(
    client: Client, channel: Channel, conversation: Conversation
) -> None:
    at = timezone.now() + 2 * SECOND
    deliver(client, echo(channel, conversation.contact.psid, "Hi", at), receipt(conversation, "read", at))

    assert Message.objects.get(text="Hi").state == "read"


def test_other_conversations_are_left_alone(client: Client, channel: Channel, conversation: Conversation) -> None:
    other = make_conversation(channel)
    receive(other, "Mine", NOON)
    deliver(client, receipt(conversation, "read", NOON + MINUTE))
    assert fresh(other).read_watermark is None


def test_a_row_that_the_first_piece_of_the_thread_does_not_decide_is_read_further(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived, "FIRST_LINES", 2)
    monkeypatch.setattr(derived, "MORE_LINES", 3)
    answer(conversation, at=NOON)
    for number in range(9):
        receive(conversation, f"text {number}", NOON + MINUTE)
    row = derived.read_row(conversation)
    assert (row.waiting_since, present(row.newest).key) == (NOON + MINUTE, present(Message.objects.last()).pk)
