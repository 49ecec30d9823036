"""Sending: what goes out, in which order, and what no longer may."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from channels_im.models import Channel, Page
from desk.models import User
from desk.storage import FileStorage
from tests.factories import make_conversation, png, receive
from tests.matching import present
from tests.tickets.services.graph import FakeGraph, error_answer
from tests.tickets.services.steps import drained
from tickets.models import Conversation, Message
from tickets.services.outgoing import outbox, replies, undelivered

pytestmark = pytest.mark.usefixtures("clock")


# --- What goes out ----------------------------------------------------------------------------------------------------
def test_a_reply_goes_out_and_is_sent(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation
) -> None:
    message = drained(queue("Yes"))

    assert (message.state, message.mid) == ("sent", graph.accepted[0]["mid"])
    (call,) = graph.calls
    assert call["recipient"] == {"id": conversation.contact.psid}
    assert call["message"] == {"text": "Yes", "metadata": f"desk:{message.pk}"}
    assert (call["messaging_type"], "tag" in call) == ("RESPONSE", False)


def test_a_file_goes_out_with_its_name_type_and_bytes(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = drained(queue("", files=[SimpleUploadedFile("photo.png", png())]))

    (call,) = graph.calls
    assert message.state == "sent"
    assert call["filedata"] == ("photo.png", "image/png", png())
    assert call["message"]["attachment"]["type"] == "image"
    assert call["message"]["metadata"] == f"desk:{message.pk}"


def test_a_quoted_message_is_named(graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation) -> None:
    mid = present(conversation.messages.first()).mid
    drained(queue("Yes", reply_to_mid=mid))

    assert graph.calls[0]["reply_to"] == {"mid": mid}


def test_after_a_day_a_persons_reply_carries_the_human_agent_tag(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(hours=24))
    drained(queue())

    assert (graph.calls[0]["messaging_type"], graph.calls[0]["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")


def test_what_desk_wrote_by_itself_does_not_go_out_after_a_day(
    graph: FakeGraph, conversation: Conversation, clock: time_machine.Traveller
) -> None:
    (message,) = replies.queue_reply(None, conversation, text="We are closed.")
    clock.shift(timedelta(hours=24))

    assert drained(message).state == "held"
    assert not graph.calls


def test_the_parts_of_a_reply_go_out_in_order(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    queue("1", files=[SimpleUploadedFile("a.png", png()), SimpleUploadedFile("b.png", png())])
    queue("2")
    outbox.drain_outbox()

    assert graph.texts() == ["1", "", "", "2"]


def test_many_conversations_are_sent_at_once_and_each_in_order(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    together = threading.Barrier(8, timeout=10)
    others = [make_conversation(channel) for _ in range(8)]
    for number, other in enumerate(others):
        receive(other)
        queue(f"{number} first", other)
        queue(f"{number} second", other)
    for _ in others:
        graph.plan.append(lambda: together.wait() * 0 or "ok")
    outbox.drain_outbox()

    assert len(graph.texts()) == 16
    for number in range(8):
        mine = [text for text in graph.texts() if text.startswith(f"{number} ")]
        assert mine == [f"{number} first", f"{number} second"]


def test_while_a_part_is_on_its_way_the_next_one_waits_and_other_conversations_do_not(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    graph.waits = {"slow 1": "quick 2"}
    queue("slow 1")
    queue("slow 2")
    other = make_conversation(channel)
    receive(other)
    for number in range(3):
        queue(f"quick {number}", other)
    outbox.drain_outbox()

    assert graph.texts() == ["quick 0", "quick 1", "quick 2", "slow 1", "slow 2"]


def test_a_conversation_with_much_to_say_does_not_keep_others_waiting(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POOL_SIZE", 1)  # a limit, lowered: with one thread the order is the same each time
    for number in range(10):
        queue(f"long {number}")
    other = make_conversation(channel)
    receive(other)
    queue("short", other)
    outbox.drain_outbox()

    assert graph.texts().index("short") <= 1


# --- May it still be sent? --------------------------------------------------------------------------------------------
def test_a_reply_that_waits_past_the_end_of_the_window_is_held_with_the_reason(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    message = queue()
    clock.shift(timedelta(days=7))

    assert drained(message).state == "held"
    assert "window closed" in message.reason
    assert not graph.calls


def test_a_deactivated_channel_holds_what_waits_and_a_release_sends_it(
    graph: FakeGraph, queue: Callable[..., Message], alice: User
) -> None:
    message = queue()
    Channel.objects.update(is_active=False)
    assert drained(message).state == "held"
    assert "deactivated" in message.reason

    Channel.objects.update(is_active=True)
    undelivered.release(alice, message)
    assert drained(message).state == "sent"


def test_a_deleted_channel_holds_what_waits(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = queue()
    Channel.objects.update(is_active=False, deleted_at=timezone.now())

    assert drained(message).state == "held"


def test_a_page_to_re_authenticate_holds_what_waits_with_its_reason(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    message = queue()
    Page.objects.update(connection="reauth_required", reauth_reason="app_removed")

    assert drained(message).state == "held"
    assert "app was removed" in message.reason
    assert not graph.calls


def test_a_contact_blocked_meanwhile_gets_nothing(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation
) -> None:
    message = queue()
    type(conversation.contact).objects.update(blocked_at=timezone.now())

    assert drained(message).state == "held"


def test_an_agent_dissociated_meanwhile_sends_nothing(
    graph: FakeGraph, queue: Callable[..., Message], alice: User
) -> None:
    message = queue()
    alice.agent.associations.all().delete()

    assert drained(message).state == "held"
    assert "alice can no longer reply" in message.reason


def test_a_held_reply_holds_what_waits_behind_it(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    first, second = queue("1"), queue("2")
    graph.fail(10, 2018278)
    drained(first)
    second.refresh_from_db()

    assert (first.state, second.state) == ("held", "held")
    assert "before this one" in second.reason
    assert len(graph.calls) == 1


def test_a_reply_whose_file_is_gone_fails_in_words(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = queue("", files=[SimpleUploadedFile("photo.png", png())])
    stored = message.attachments.get().file
    stored.storage.delete(present(stored.name))

    assert drained(message).state == "failed"
    assert "no longer in Desk's storage" in message.reason


def test_a_reply_whose_file_cannot_be_read_now_waits(
    graph: FakeGraph, queue: Callable[..., Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = queue("", files=[SimpleUploadedFile("photo.png", png())])

    def fail(*_arguments: object) -> None:
        raise OSError("The bucket did not answer.")

    monkeypatch.setattr(FileStorage, "open", fail)
    assert drained(message).state == "queued"
    assert "will try again" in message.reason
    assert not graph.calls
    monkeypatch.undo()
    Message.objects.update(retry_after=None)
    assert drained(message).state == "sent"


# --- What the thread shows --------------------------------------------------------------------------------------------
def test_a_part_that_still_waits_is_shown_after_the_one_that_was_sent(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, conversation: Conversation
) -> None:
    queue("1")
    queue("2")
    clock.shift(3)
    graph.plan.extend(["ok", error_answer(2)])
    outbox.drain_outbox()

    shown = conversation.messages.filter(direction="out").order_by("sent_at", "id")
    assert [(message.text, message.state) for message in shown] == [("1", "sent"), ("2", "queued")]


def test_the_time_of_a_sent_reply_is_when_it_went_out(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, conversation: Conversation
) -> None:
    message = queue()
    clock.shift(3)
    drained(message)

    conversation.refresh_from_db()
    assert message.sent_at == conversation.last_message_at == timezone.now()
    assert present(conversation.current_ticket).last_message_at == message.sent_at


# --- Health -----------------------------------------------------------------------------------------------------------
def test_readyz_counts_what_waits_and_what_is_unsure(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    drained(queue("1"))
    queue("2")
    clock.shift(5)

    assert outbox.report().values == {"queued": 1, "unsure": 1, "oldest_s": 5.0}


def test_a_reply_that_waits_for_long_makes_desk_degraded(
    queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    queue()
    clock.shift(timedelta(minutes=6))

    assert outbox.report().problems == ["A reply has waited for 360 seconds to be sent."]


def test_what_metas_limit_keeps_back_does_not_make_desk_degraded(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.fail(80006, headers={"Retry-After": "3600"})
    drained(queue())
    clock.shift(timedelta(minutes=30))

    assert outbox.report().problems == []
    assert outbox.report().values["queued"] == 1


def test_a_released_reply_is_not_late_because_it_was_held_for_long(
    queue: Callable[..., Message], alice: User, clock: time_machine.Traveller
) -> None:
    message = queue()
    Message.objects.filter(pk=message.pk).update(state="held")
    clock.shift(timedelta(hours=1))
    message.refresh_from_db()
    undelivered.release(alice, message)

    assert outbox.report().values["oldest_s"] == 0
