"""The answer of the Send API and the echo of the same message, in every order, are one message."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from channels_im.models import Channel
from desk.models import User
from tests.factories import make_contact
from tests.tickets.services.graph import FakeGraph
from tests.tickets.services.steps import drained, echo_of, take_echo
from tickets.models import Conversation, Message
from tickets.services.conversation import message_changes
from tickets.services.incoming import receipts
from tickets.services.outgoing import delivery_status, undelivered

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.django_db(transaction=True)
def test_the_echo_may_come_before_the_answer_is_stored(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = queue()
    sent = {}

    def accept_and_echo() -> None:
        body = {"recipient": {}, "message": {"text": "Yes", "metadata": f"desk:{message.pk}"}}
        sent.update(graph.accept(message.page.page_id, body))
        take_echo(message, sent)

    graph.meanwhile(accept_and_echo)
    graph.plan.append((200, {}, '{"recipient_id": "1", "message_id": "m_graph_1"}'))

    assert drained(message).state == "sent"
    assert message.mid == "m_graph_1"
    assert Message.objects.filter(direction="out").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("text", ["Yes", "Y e s (changed)"])
def test_an_echo_without_metadata_before_the_answer_is_one_message_all_the_same(
    graph: FakeGraph, queue: Callable[..., Message], text: str, conversation: Conversation
) -> None:
    message = queue()

    def accept_and_echo() -> None:
        sent = graph.accept(message.page.page_id, {"recipient": {}, "message": {"text": text, "metadata": ""}})
        take_echo(message, sent, metadata=None)

    graph.meanwhile(accept_and_echo)
    graph.plan.append((200, {}, '{"recipient_id": "1", "message_id": "m_graph_1"}'))
    drained(message)

    conversation.refresh_from_db()
    assert (message.state, message.mid) == ("sent", "m_graph_1")
    assert Message.objects.filter(direction="out").count() == 1
    assert conversation.message_count == 2


@pytest.mark.parametrize("times", [1, 2])
def test_the_echo_after_the_answer_brings_metas_time_and_no_second_message(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller, times: int
) -> None:
    message = drained(queue())
    sent = {**graph.accepted[0], "at": timezone.now() - timedelta(milliseconds=200)}
    for _ in range(times):
        take_echo(message, sent)

    message.refresh_from_db()
    assert message.sent_at == sent["at"]
    assert Message.objects.filter(direction="out").count() == 1


def test_an_echo_by_mid_alone_is_known_as_ours(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = drained(queue())
    take_echo(message, graph.accepted[0], metadata=None)

    assert Message.objects.filter(direction="out").count() == 1


def test_the_mid_of_the_echo_replaces_the_id_of_the_conversation(
    graph: FakeGraph, queue: Callable[..., Message], clock: time_machine.Traveller
) -> None:
    graph.never_answer(accepted=True)
    message = drained(queue())
    clock.shift(delivery_status.grace())
    drained(message)
    take_echo(message, {**graph.accepted[0], "mid": "m_real"})

    message.refresh_from_db()
    assert message.mid == "m_real"


def test_a_second_arrival_after_sending_again_is_shown_because_it_is_true(
    graph: FakeGraph, queue: Callable[..., Message], alice: User, clock: time_machine.Traveller
) -> None:
    message = queue()
    Message.objects.filter(pk=message.pk).update(state="unsure", claimed_at=timezone.now(), attempts=1)
    message.refresh_from_db()
    first = graph.accept(
        message.page.page_id, {"recipient": {}, "message": {"text": "Yes", "metadata": f"desk:{message.pk}"}}
    )
    drained(undelivered.resend(alice, message))
    take_echo(message, graph.accepted[1])
    take_echo(message, first)

    assert Message.objects.filter(direction="out").count() == 2
    assert Message.objects.get(mid=first["mid"]).source == "this_app"


def test_a_reaction_that_came_before_the_answer_is_shown_with_the_reply(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    message_changes.receive(
        channel.page, "m_graph_1", key="r", kind="reaction", at=timezone.now(), by="customer", emoji="👍"
    )
    message = drained(queue())

    assert [reaction["emoji"] for reaction in message.reactions] == ["👍"]


def test_a_row_without_a_contact_of_its_own_page_is_not_touched_by_metadata(
    graph: FakeGraph, queue: Callable[..., Message]
) -> None:
    message = queue()
    stranger = make_contact(message.page)
    channel = message.conversation.channel
    sent = {"mid": "m_x", "at": timezone.now(), "message": {"text": "Yes", "metadata": f"desk:{message.pk}"}}
    event = echo_of(message, sent)
    receipts.take_echo(channel.page, channel, type(event)(**{**vars(event), "psid": stranger.psid}))

    message.refresh_from_db()
    assert message.state == "queued"
