"""A call without an answer is settled by its echo or by a lookup in the conversation before it is sent again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import Channel, Page
from desk.models import User
from tests.factories import make_conversation, png, receive
from tests.matching import present
from tests.tickets.services.graph import FakeGraph, error_answer
from tests.tickets.services.steps import drained, handle_echo, kill_worker_while_sending
from tickets.models import Conversation, Message
from tickets.services.outgoing import delivery_status, outbox, replies

pytestmark = pytest.mark.usefixtures("clock")


# --- Not knowing ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("accepted", [True, False])
def test_a_call_without_an_answer_makes_the_reply_unsure_in_words(
    graph: FakeGraph, queue: Callable[..., Message], accepted: bool
) -> None:
    graph.never_answer(accepted=accepted)
    message = drained(queue())

    assert message.state == "unsure"
    assert "checks whether it was sent" in message.reason


def test_a_server_error_makes_the_reply_unsure(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    graph.plan.append((502, {}, "<html>Bad gateway</html>"))

    assert drained(queue()).state == "unsure"


def test_an_unsure_reply_is_not_sent_again_before_it_was_looked_for(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=False)
    drained(queue())
    clock.shift(delivery_status.first_lookup_delay() - timedelta(seconds=1))
    outbox.drain_outbox()

    assert (len(graph.calls), graph.looks) == (1, 0)


def test_what_comes_behind_an_unsure_reply_waits_for_it(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    graph.never_answer(accepted=True)
    queue("1")
    second = drained(queue("2"))

    assert second.state == "queued"
    assert graph.texts() == ["1"]


def test_the_claim_of_a_worker_that_died_makes_the_reply_unsure(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, settings: Settings
) -> None:
    message = queue()
    kill_worker_while_sending(message)
    clock.shift(settings.DESK_CLAIM_SECONDS - 1)
    delivery_status.reclaim_stale()
    message.refresh_from_db()
    assert message.state == "sending"
    clock.shift(2)
    delivery_status.reclaim_stale()
    message.refresh_from_db()
    assert message.state == "unsure"


def test_a_claim_that_is_renewed_is_not_taken_back(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, settings: Settings
) -> None:
    message = queue()
    kill_worker_while_sending(message, retry_after=timezone.now() + timedelta(hours=1))
    clock.shift(settings.DESK_CLAIM_SECONDS + 1)

    assert delivery_status.reclaim_stale() == 0


def test_what_waits_behind_an_unsure_reply_is_held_when_the_page_must_be_re_authenticated(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    graph.never_answer(accepted=True)
    queue("1")
    second = drained(queue("2"))
    Page.objects.update(connection="reauth_required", reauth_reason="app_removed")

    assert drained(second).state == "held"
    assert "app was removed" in second.reason


def test_a_worker_that_died_is_noticed_without_a_sweep(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, settings: Settings
) -> None:
    message = queue()
    kill_worker_while_sending(message)
    assert not outbox.is_due()
    clock.shift(settings.DESK_CLAIM_SECONDS + 1)
    assert outbox.is_due()

    assert drained(message).state == "sent"


# --- Settled by the echo ----------------------------------------------------------------------------------------------
def test_the_echo_settles_an_unsure_reply_and_nothing_is_sent_again(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    handle_echo(message, graph.accepted[0])
    clock.shift(timedelta(hours=1))

    assert drained(message).state == "sent"
    assert message.mid == graph.accepted[0]["mid"]
    assert message.reason == ""
    assert graph.texts() == ["Yes"]
    assert Message.objects.filter(direction="out").count() == 1


def test_the_echo_lets_what_waits_behind_go_out(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    graph.never_answer(accepted=True)
    first = queue("1")
    queue("2")
    drained(first)
    handle_echo(first, graph.accepted[0])
    outbox.drain_outbox()

    assert graph.texts() == ["1", "2"]


def test_the_echo_settles_what_a_killed_worker_was_sending(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = queue()
    kill_worker_while_sending(message)
    sent = graph.accept(
        message.page.page_id, {"recipient": {}, "message": {"text": "Yes", "metadata": f"desk:{message.pk}"}}
    )
    handle_echo(message, sent)

    assert drained(message).state == "sent"
    assert not graph.calls


def test_an_echo_that_comes_after_the_row_was_queued_again_stops_it(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    message = queue()
    sent = graph.accept(
        message.page.page_id, {"recipient": {}, "message": {"text": "Yes", "metadata": f"desk:{message.pk}"}}
    )
    handle_echo(message, sent)

    assert drained(message).state == "sent"
    assert not graph.calls


@pytest.mark.parametrize("state", ["failed", "held"])
def test_an_echo_is_believed_more_than_an_error(graph: FakeGraph, queue: Callable[..., Message], state: str) -> None:
    message = queue()
    Message.objects.filter(pk=message.pk).update(state=state, reason="No.", error_code=100)
    sent = graph.accept(
        message.page.page_id, {"recipient": {}, "message": {"text": "Yes", "metadata": f"desk:{message.pk}"}}
    )
    handle_echo(message, sent)

    message.refresh_from_db()
    assert (message.state, message.reason, message.error_code) == ("sent", "", None)


# --- Settled by a look ------------------------------------------------------------------------------------------------
def test_a_reply_found_in_the_conversation_is_sent(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    clock.shift(delivery_status.first_lookup_delay())

    assert drained(message).state == "sent"
    assert message.mid == graph.accepted[0]["mid"]
    assert len(graph.calls) == 1


def test_a_reply_that_is_not_there_is_sent_again_once(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=False)
    message = drained(queue())
    clock.shift(delivery_status.first_lookup_delay())

    assert drained(message).state == "sent"
    assert graph.texts() == ["Yes"]
    assert len(graph.calls) == 2


def test_a_file_found_in_the_conversation_is_sent(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue("", files=[SimpleUploadedFile("a.png", png())]))
    clock.shift(delivery_status.first_lookup_delay())

    assert drained(message).state == "sent"
    assert len(graph.calls) == 1


def test_the_same_words_sent_before_are_not_taken_for_the_lost_ones(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    drained(queue("Yes"))
    graph.never_answer(accepted=False)
    message = drained(queue("Yes"))
    clock.shift(delivery_status.first_lookup_delay())
    drained(message)

    assert graph.texts() == ["Yes", "Yes"]
    assert Message.objects.filter(direction="out", state="sent").count() == 2


def test_an_unknown_message_of_the_page_proves_nothing(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, conversation: Conversation
) -> None:
    graph.never_answer(accepted=False)
    message = drained(queue())
    graph.accept(
        message.page.page_id,
        {"recipient": {"id": conversation.contact.psid}, "message": {"text": "Yes!", "metadata": ""}},
    )
    clock.shift(delivery_status.first_lookup_delay())

    assert drained(message).state == "unsure"
    assert len(graph.calls) == 1


def test_after_too_many_newer_messages_the_agent_decides(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, conversation: Conversation
) -> None:
    graph.never_answer(accepted=False)
    message = drained(queue())
    behind = queue("And this")
    psid = conversation.contact.psid
    for number in range(20):
        said = {"recipient": {"id": psid}, "message": {"text": f"{number}"}, "from_id": psid}
        graph.accept(message.page.page_id, said)
    clock.shift(delivery_status.first_lookup_delay())

    assert drained(message).state == "unsure"
    assert message.retry_after is None
    assert "Send again" in message.reason
    behind.refresh_from_db()
    assert behind.state == "held"
    assert len(graph.calls) == 1


def test_while_facebook_does_not_answer_it_is_asked_again_ever_more_seldom(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    waits = []
    for _ in range(3):
        graph.look_plan.append(requests.ReadTimeout("no answer"))
        clock.move_to(message.retry_after)
        drained(message)
        waits.append(present(message.retry_after) - timezone.now())
    clock.move_to(message.retry_after)

    assert waits == sorted(waits)
    assert drained(message).state == "sent"


def test_a_trouble_that_has_ended_delays_the_look_up_by_a_quarter_of_its_length(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    clock.shift(timedelta(minutes=8))
    graph.look_plan.append(requests.ReadTimeout("no answer"))
    again = present(drained(message).retry_after)

    assert timedelta(minutes=1) < again - timezone.now() < timedelta(minutes=2.1)


def test_after_a_day_of_asking_in_vain_the_agent_decides(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    clock.shift(timedelta(hours=24))
    graph.look_plan.append(requests.ReadTimeout("no answer"))

    assert drained(message).retry_after is None
    assert "cannot find out" in message.reason


def test_a_look_that_is_refused_for_good_leaves_it_to_the_agent(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    clock.shift(delivery_status.first_lookup_delay())
    graph.look_plan.append(error_answer(100, 33))

    assert drained(message).state == "unsure"
    assert message.retry_after is None


def test_an_invalid_token_found_during_the_lookup_marks_the_page(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    clock.shift(delivery_status.first_lookup_delay())
    graph.look_plan.append(error_answer(190, 463))
    drained(message)

    message.page.refresh_from_db()
    assert message.page.reauth_reason == "token_expired"
    Page.objects.update(connection="connected", reauth_reason="")
    clock.shift(timedelta(hours=1))
    assert drained(message).state == "sent"


def test_a_reply_that_is_never_accepted_fails_after_ten_tries(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    message = queue()
    for _ in range(10):
        graph.never_answer(accepted=False)
    for _ in range(12):
        drained(message)
        clock.shift(delivery_status.first_lookup_delay())

    assert message.state == "failed"
    assert len(graph.calls) == 10


# --- 1/1357046: Meta's answer is broken, and the message was delivered ------------------------------------------------
def test_a_broken_answer_of_meta_is_never_answered_by_sending_again(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.fail(1, 1357046)
    message = drained(queue())
    assert message.state == "unsure"
    for _ in range(20):
        clock.shift(timedelta(hours=2))
        drained(message)

    assert len(graph.calls) == 1
    assert message.state == "unsure"
    assert "write it again" in message.reason


def test_a_broken_answer_of_meta_is_settled_by_what_is_in_the_conversation(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.fail(1, 1357046)
    message = drained(queue())
    graph.accept(
        message.page.page_id,
        {"recipient": {"id": message.conversation.contact.psid}, "message": {"text": "Yes", "metadata": ""}},
    )
    clock.shift(delivery_status.first_lookup_delay())

    assert drained(message).state == "sent"


# --- Looks are rare ---------------------------------------------------------------------------------------------------
def test_of_one_page_one_look_is_under_way(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, channel: Channel, alice: User
) -> None:
    for _ in range(3):
        other = make_conversation(channel)
        receive(other)
        graph.never_answer(accepted=True)
        replies.queue_reply(alice, other, text="Yes")
        outbox.drain_outbox()
    clock.shift(delivery_status.first_lookup_delay())

    assert delivery_status.claim_lookups(5, {channel.page.pk}) == []
    assert len(delivery_status.claim_lookups(5, set())) == 1
    outbox.drain_outbox()
    assert graph.looks == 2  # each waits for its turn at the Page (pace)
