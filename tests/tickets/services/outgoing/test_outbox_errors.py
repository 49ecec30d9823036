"""What each error of Meta's makes of a reply, of what waits behind it, and of the Page."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.utils import timezone
from pytest_django import Settings

from channels_im.messenger import error_table
from channels_im.messenger.errors import ErrorKind, classify
from channels_im.models import Channel, Page
from desk.models import User
from tests.factories import NOON, make_conversation, receive
from tests.matching import present
from tests.tickets.services.graph import FakeGraph, error_answer
from tests.tickets.services.steps import drained
from tickets.models import Conversation, Message
from tickets.services.outgoing import outbox, replies, undelivered

pytestmark = pytest.mark.usefixtures("clock")


def test_a_permanent_error_fails_with_the_reason_and_its_numbers(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    graph.fail(100, 2018001)
    message = drained(queue())

    assert message.state == "failed"
    assert "does not know this customer" in message.reason
    assert (message.error_code, message.error_subcode, message.fbtrace_id) == (100, 2018001, "Atrace")


def test_what_waits_behind_a_failed_reply_is_held_and_what_comes_later_goes_out(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    graph.fail(551)
    first, second = queue("1"), queue("2")
    drained(first)
    third = drained(queue("3"))
    second.refresh_from_db()

    assert [first.state, second.state, third.state] == ["failed", "held", "sent"]


def test_the_customer_waits_again_when_the_only_reply_failed(
    graph: FakeGraph, queue: Callable[..., Message], conversation: Conversation
) -> None:
    graph.fail(551)
    drained(queue())

    conversation.refresh_from_db()
    assert conversation.waiting_since == NOON


def test_other_conversations_go_on_when_one_fails(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    other = make_conversation(channel)
    receive(other)
    graph.refused = {"1": error_answer(551)}
    failed, sent = queue("1"), queue("2", other)
    drained(failed)

    assert (failed.state, drained(sent).state) == ("failed", "sent")


def test_a_transient_error_is_tried_again_after_pauses_that_double(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.DESK_RETRY_BASE_SECONDS = 2
    message = queue()
    pauses = []
    for _ in range(3):
        graph.fail(2)
        drained(message)
        pauses.append((present(message.retry_after) - timezone.now()).total_seconds())
        clock.move_to(message.retry_after)
    outbox.drain_outbox()

    assert pauses == [2, 4, 8]
    assert graph.texts() == ["Yes"]


def test_before_its_time_a_reply_is_not_tried_again(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    graph.fail(2)
    drained(queue())
    outbox.drain_outbox()

    assert len(graph.calls) == 1


def test_what_waits_for_its_next_try_keeps_its_place(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.fail(2)
    queue("1")
    queue("2")
    outbox.drain_outbox()
    clock.shift(60)
    outbox.drain_outbox()

    assert graph.texts() == ["1", "2"]


def test_after_ten_tries_a_transient_error_is_final(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    message = queue()
    for _ in range(10):
        graph.fail(2)
        drained(message)
        clock.shift(3600)

    assert message.state == "failed"
    assert message.reason.endswith("not available now. Try it again later.")


def test_without_a_connection_a_reply_waits_as_long_as_it_takes(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    message = queue()
    for _ in range(15):
        graph.be_unreachable()
        drained(message)
        clock.shift(900)

    assert message.state == "queued"
    assert drained(message).state == "sent"


def test_a_rate_limit_stops_the_page_for_the_minutes_of_the_header_and_nothing_else(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    elsewhere = make_conversation()
    receive(elsewhere)
    usage = {"1": [{"type": "messenger", "call_count": 100, "estimated_time_to_regain_access": 7}]}
    graph.fail(80006, headers={"X-Business-Use-Case-Usage": json.dumps(usage)})
    message = drained(queue())

    page = message.page
    page.refresh_from_db()
    assert message.state == "queued"
    assert page.rate_limited_until == timezone.now() + timedelta(minutes=7)
    outbox.drain_outbox()
    assert len(graph.calls) == 1
    (free,) = replies.queue_reply(None, elsewhere, text="Hello")
    assert drained(free).state == "sent"
    clock.shift(timedelta(minutes=7))
    assert drained(message).state == "sent"


@pytest.mark.django_db(transaction=True)
def test_a_shorter_rate_limit_does_not_shorten_a_longer_one(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = queue()
    until = timezone.now() + timedelta(hours=1)
    graph.meanwhile(lambda: Page.objects.update(rate_limited_until=until))
    graph.fail(613)
    drained(message)

    message.page.refresh_from_db()
    assert message.page.rate_limited_until == until


def test_a_closed_window_by_metas_clock_makes_a_held_reply(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    graph.fail(10, 2018278)

    assert drained(queue()).state == "held"


def test_a_dead_token_marks_the_page_once_and_holds_the_reply(
    graph: FakeGraph, queue: Callable[..., Message], mailoutbox: list[EmailMessage]
) -> None:
    graph.fail(190, 460)
    message = drained(queue())

    message.page.refresh_from_db()
    assert message.state == "held"
    assert (message.page.reauth_reason, message.page.reauth_detected_by) == ("password_changed", "send")


@pytest.mark.django_db(transaction=True)
def test_a_token_that_was_replaced_during_the_call_marks_nothing(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    message = queue()

    def re_authenticate() -> None:
        page = Page.objects.get(pk=message.page_id)
        page.page_token = "a new token"
        page.save()

    graph.meanwhile(re_authenticate)
    graph.fail(190, 463)
    drained(message)

    message.page.refresh_from_db()
    assert message.page.is_connected
    assert message.state == "sent"


def message_level_errors() -> list[tuple[int | None, int | None]]:
    pairs: list[tuple[int | None, int | None]] = [
        *error_table.EXACT,
        *((10, code) for code in error_table.ANY_POSITION),
        *((code, None) for code in error_table.BY_CODE),
    ]
    return [pair for pair in pairs if classify(*pair).kind != ErrorKind.REAUTHENTICATE]


@pytest.mark.parametrize(("code", "subcode"), message_level_errors())
def test_a_refusal_of_one_message_never_marks_the_page(
    graph: FakeGraph, queue: Callable[..., Message], code: int | None, subcode: int | None
) -> None:
    graph.fail(present(code), subcode)
    message = drained(queue())

    message.page.refresh_from_db()
    assert message.page.is_connected
    assert message.state in ("failed", "held", "queued", "unsure")
    assert message.reason


@pytest.mark.parametrize(("code", "subcode"), [(368, None), (200, None), (10, 1893063)])
def test_trouble_of_the_page_is_noted_and_forgotten_when_a_reply_gets_through(
    graph: FakeGraph, queue: Callable[..., Message], alice: User, code: int, subcode: int | None
) -> None:
    graph.fail(code, subcode)
    message = drained(queue())

    message.page.refresh_from_db()
    (note,) = message.page.trouble.values()
    assert message.state == "held"
    assert note["sentence"] == message.reason
    drained(undelivered.release(alice, message))
    message.page.refresh_from_db()
    assert message.page.trouble == {}
