"""What an agent can do with a reply that was held, failed or is unsure."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from channels_im.models import Channel
from desk.models import User
from tests.factories import NOON, answer, make_agent, make_conversation, png, receive
from tests.matching import present
from tests.tickets.services.graph import FakeGraph
from tests.tickets.services.steps import drained
from tickets.models import Conversation, Message
from tickets.services.inbox import actions
from tickets.services.outgoing import outbox, replies, undelivered
from tickets.services.outgoing.collision import AnsweredMeanwhileError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_a_failed_reply_is_queued_again(alice: User, conversation: Conversation) -> None:
    failed = answer(conversation, state="failed", reason="Facebook refused this.")

    assert undelivered.retry(alice, failed).state == "queued"
    assert failed.reason == ""


def test_a_reply_that_was_sent_cannot_be_retried(alice: User, conversation: Conversation) -> None:
    sent = answer(conversation, state="sent")

    with pytest.raises(replies.ReplyError):
        undelivered.retry(alice, sent)


def test_two_clicks_on_retry_queue_once(alice: User, conversation: Conversation) -> None:
    failed = answer(conversation, state="failed")
    stale = Message.objects.get(pk=failed.pk)
    undelivered.retry(alice, failed)

    with pytest.raises(replies.ReplyError):
        undelivered.retry(alice, stale)


def test_a_held_reply_is_released_once_the_reason_is_gone(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    held = answer(conversation, state="held")
    type(channel).objects.update(is_active=False)
    with pytest.raises(replies.ReplyError, match="deactivated"):
        undelivered.release(alice, held)
    type(channel).objects.update(is_active=True)

    assert undelivered.release(alice, held).state == "queued"


def test_a_released_reply_counts_as_answer(alice: User, conversation: Conversation) -> None:
    held = answer(conversation, at=NOON + timedelta(minutes=1), state="held")
    undelivered.release(alice, held)

    conversation.refresh_from_db()
    assert conversation.waiting_since is None


def test_a_cancelled_reply_is_gone_with_its_file_and_gives_back_its_text(
    alice: User,
    conversation: Conversation,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    _text, file = replies.queue_reply(alice, conversation, text="Yes", files=[SimpleUploadedFile("photo.png", png())])
    with django_capture_on_commit_callbacks(execute=True):
        assert undelivered.cancel(alice, _text) == "Yes"
        undelivered.cancel(alice, file)

    conversation.refresh_from_db()
    assert (conversation.message_count, conversation.preview) == (1, "Is it open?")
    assert conversation.waiting_since == NOON
    assert not list((settings.MEDIA_ROOT / "attachments").rglob("*.png"))


@pytest.mark.parametrize("state", ["sending", "unsure", "sent", "read"])
def test_what_may_have_gone_out_cannot_be_cancelled(alice: User, conversation: Conversation, state: str) -> None:
    with pytest.raises(replies.ReplyError):
        undelivered.cancel(alice, answer(conversation, state=state))


def test_a_customers_message_and_a_note_cannot_be_cancelled_as_replies(alice: User, conversation: Conversation) -> None:
    note = answer(conversation, kind="note", state="sent")
    for message in (conversation.messages.get(direction="in"), note):
        with pytest.raises(replies.ReplyError):
            undelivered.cancel(alice, message)


def unsure(conversation: Conversation, **fields: Any) -> Message:
    message = answer(conversation, state="unsure")
    Message.objects.filter(pk=message.pk).update(claimed_at=NOON, **fields)
    message.refresh_from_db()
    return message


def test_an_agent_may_say_that_an_unsure_reply_arrived(alice: User, conversation: Conversation) -> None:
    message = undelivered.mark_arrived(alice, unsure(conversation))

    assert (message.state, message.reason) == ("sent", "Marked as arrived by alice.")


def test_an_agent_may_send_an_unsure_reply_again(alice: User, conversation: Conversation) -> None:
    assert undelivered.resend(alice, unsure(conversation)).state == "queued"


def test_an_unsure_reply_is_not_sent_again_while_desk_finds_out(alice: User, conversation: Conversation) -> None:
    message = unsure(conversation, retry_after=NOON)

    with pytest.raises(replies.ReplyError, match="still asking"):
        undelivered.resend(alice, message)


def test_what_meta_says_was_delivered_is_never_sent_again(alice: User, conversation: Conversation) -> None:
    message = unsure(conversation, error_code=1, error_subcode=1357046)

    with pytest.raises(replies.ReplyError, match="not sent again"):
        undelivered.resend(alice, message)


def test_a_stranger_may_do_nothing_with_a_reply(conversation: Conversation) -> None:
    stranger = make_agent()
    held, failed, doubtful = (answer(conversation, state=state) for state in ("held", "failed", "unsure"))
    for act, message in (
        (undelivered.release, held),
        (undelivered.retry, failed),
        (undelivered.cancel, failed),
        (undelivered.mark_arrived, doubtful),
        (undelivered.resend, doubtful),
    ):
        with pytest.raises(replies.ReplyError) as refused:
            act(stranger, message)
        assert refused.value.verdict.code == "not_associated"


# --- It is said now: at the end of the thread, in the ticket of a reply that is written now ---------------------------
CHOICES = [("held", undelivered.release), ("failed", undelivered.retry), ("unsure", undelivered.resend)]
MINUTE, HOURS = timedelta(minutes=1), timedelta(hours=3)


def places(conversation: Conversation) -> tuple[dict[int, int | None], dict[int, datetime]]:
    return dict(conversation.messages.values_list("pk", "ticket_id")), dict(
        conversation.messages.values_list("pk", "sent_at")
    )


@pytest.mark.parametrize(("state", "send"), CHOICES)
def test_it_joins_the_ticket_of_now_and_nothing_else_moves(
    graph: FakeGraph,
    alice: User,
    conversation: Conversation,
    clock: time_machine.Traveller,
    state: str,
    send: Callable[..., Message],
) -> None:
    receive(conversation, "And on Sunday?", NOON + MINUTE)
    late = answer(conversation, "Yes", NOON + 2 * MINUTE, state, author=alice)
    answer(conversation, "A note", NOON + 3 * MINUTE, kind="note", author=alice)
    clock.shift(HOURS)
    again = receive(conversation, "Hello?", timezone.now())
    first, (tickets, times) = present(late.ticket), places(conversation)
    assert again.ticket_id != first.pk

    clock.shift(MINUTE)
    send(alice, late)
    assert (late.ticket_id, late.sent_at) == (again.ticket_id, timezone.now())
    assert places(conversation) == (tickets | {late.pk: again.ticket_id}, times | {late.pk: timezone.now()})
    first.refresh_from_db()
    assert first.last_message_at == NOON + MINUTE
    conversation.refresh_from_db()
    assert (conversation.preview, conversation.last_message_at) == ("Yes", timezone.now())
    assert (conversation.current_ticket_id, conversation.waiting_since) == (again.ticket_id, None)

    clock.shift(MINUTE)
    assert drained(late).state == "sent"
    assert late.ticket_id == again.ticket_id
    clock.shift(30 * MINUTE)
    assert receive(conversation, "Thanks", timezone.now()).ticket_id == again.ticket_id


@pytest.mark.parametrize(("state", "send"), CHOICES)
def test_silence_cuts_it_off_from_nothing(
    alice: User, conversation: Conversation, clock: time_machine.Traveller, state: str, send: Callable[..., Message]
) -> None:
    late = answer(conversation, "Yes", NOON + MINUTE, state, author=alice)
    clock.shift(HOURS)
    assert send(alice, late).ticket == conversation.messages.get(direction="in").ticket


def test_parts_released_one_by_one_appear_in_the_order_in_which_they_are_sent(
    graph: FakeGraph, alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    text, file = replies.queue_reply(alice, conversation, text="Look", files=[SimpleUploadedFile("a.png", png())])
    Message.objects.filter(pk__in=[text.pk, file.pk]).update(state="held")
    clock.shift(HOURS)
    again = receive(conversation, "Hello?", timezone.now())
    clock.shift(MINUTE)
    for part in (text, file):
        undelivered.release(alice, part)
    drained(file)
    shown = conversation.messages.order_by("sent_at", "pk")
    assert list(shown.values_list("text", "ticket_id"))[-2:] == [("Look", again.ticket_id), ("", again.ticket_id)]
    assert graph.texts() == ["Look", ""]


def test_a_closed_ticket_stays_closed_as_when_a_reply_is_written(
    alice: User, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    late = answer(conversation, "Yes", NOON + MINUTE, "held", author=alice)
    clock.shift(HOURS)
    again = receive(conversation, "Hello?", timezone.now())
    actions.close(alice, conversation)
    assert undelivered.release(alice, late).ticket == again.ticket
    ticket = present(again.ticket)
    ticket.refresh_from_db()
    assert ticket.status == "closed"


def test_a_ticket_that_it_alone_had_opened_goes_when_it_leaves(alice: User, channel: Channel) -> None:
    conversation = make_conversation(channel)
    late = answer(conversation, "Welcome", NOON + MINUTE, "held", author=alice)
    alone = late.ticket_id
    again = receive(conversation, "Hello", NOON + 2 * MINUTE)
    assert again.ticket_id != alone
    undelivered.release(alice, late)
    assert late.ticket_id == again.ticket_id
    assert list(conversation.tickets.values_list("pk", flat=True)) == [again.ticket_id]
    conversation.refresh_from_db()
    assert conversation.current_ticket_id == again.ticket_id


def test_in_a_conversation_without_other_messages_it_keeps_its_ticket(alice: User, channel: Channel) -> None:
    conversation = make_conversation(channel)
    late = answer(conversation, "Welcome", NOON + MINUTE, "failed", author=alice)
    alone = late.ticket
    type(conversation).objects.update(last_customer_message_at=NOON)  # they only tapped on a button of an ad
    assert undelivered.retry(alice, late).ticket == alone


# --- Somebody else answered since it was written ----------------------------------------------------------------------
@pytest.mark.parametrize(("state", "send"), CHOICES)
def test_it_asks_before_it_goes_out_and_goes_out_when_that_answer_was_seen(
    alice: User, channel: Channel, conversation: Conversation, state: str, send: Callable[..., Message]
) -> None:
    bob = make_agent("bob", channels=(channel,))
    late = answer(conversation, "Yes", NOON + MINUTE, state, author=alice)
    (other,) = replies.queue_reply(bob, conversation, text="Until six")
    with pytest.raises(AnsweredMeanwhileError) as asked:
        send(alice, late)
    assert asked.value.message == other
    late.refresh_from_db()
    assert (late.state, late.ticket_id, late.sent_at) == (state, other.ticket_id, NOON + MINUTE)

    third = answer(conversation, "From the Page", NOON + MINUTE, source="page_inbox")
    with pytest.raises(AnsweredMeanwhileError) as asked:
        send(alice, late, other.pk)
    assert asked.value.message == third
    assert send(alice, late, third.pk).state == "queued"


@pytest.mark.parametrize(("state", "send"), CHOICES)
def test_answers_from_before_and_ones_own_are_not_asked_about(
    alice: User, channel: Channel, conversation: Conversation, state: str, send: Callable[..., Message]
) -> None:
    bob = make_agent("bob", channels=(channel,))
    replies.queue_reply(bob, conversation, text="Until six")
    late = answer(conversation, "Yes", NOON + MINUTE, state, author=bob)
    replies.queue_reply(alice, conversation, text="I know what I said")
    answer(conversation, "A note", NOON + MINUTE, kind="note", author=bob)
    answer(conversation, "Not heard", NOON + MINUTE, "failed", author=bob)
    receive(conversation, "Hello?", NOON + 2 * MINUTE)
    assert send(alice, late, 0).state == "queued"


@pytest.mark.django_db(transaction=True)
def test_of_a_retry_and_an_answer_in_the_same_second_one_is_asked_or_the_retry_was_first(
    alice: User, channel: Channel, conversation: Conversation
) -> None:
    bob = make_agent("bob", channels=(channel,))
    late = answer(conversation, "Yes", NOON + MINUTE, "failed", author=alice)
    at_once, asked = threading.Barrier(2), []

    def click(act: Callable[[], object]) -> None:
        try:
            at_once.wait(20)
            act()
        except AnsweredMeanwhileError:
            asked.append(True)
        finally:
            connection.close()

    acts = (lambda: undelivered.retry(alice, late), lambda: replies.queue_reply(bob, conversation, text="No"))
    clicks = [threading.Thread(target=click, args=(act,)) for act in acts]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    late.refresh_from_db()
    bobs = Message.objects.get(author=bob)
    assert (late.state == "failed") == bool(asked)
    assert asked or late.sent_at <= bobs.sent_at


def test_a_reply_that_is_too_long_for_facebook_is_sent_as_two(
    alice: User, conversation: Conversation, graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    graph.fail(100)
    failed = drained(queue("😀" * 800 + " " + "🚲" * 799))
    assert failed.state == "failed"
    assert "probably for its length" in failed.reason
    drained(undelivered.send_as_two(alice, failed))
    outbox.drain_outbox()
    sent = Message.objects.filter(direction="out").order_by("sent_at", "pk")
    assert [(each.text, each.state) for each in sent] == [("😀" * 800, "sent"), ("🚲" * 799, "sent")]
    with pytest.raises(replies.ReplyError, match="not too long for"):
        undelivered.send_as_two(alice, sent[0])
