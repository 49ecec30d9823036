"""Replies that are confirmed together: the same as one by one, with few statements."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels_im.models import Channel
from desk.models import User
from tests.factories import NOON, make_conversation, receive
from tickets.models import Conversation, EventDelivery, Message, MessageChange, Ticket
from tickets.services.inbox import actions
from tickets.services.outgoing import confirmations, delivery_status, replies
from tickets.services.outgoing.confirmations import Answer, confirm_answers
from tickets.services.outgoing.delivery_status import Evidence

pytestmark = pytest.mark.usefixtures("clock")

Step = Callable[[Message, User], object]


def set_on(message: Message, **fields: Any) -> None:
    Conversation.objects.filter(pk=message.conversation_id).update(**fields)


def store_early_edit(message: Message) -> None:
    content = {"text": "Edited", "number": 1}
    MessageChange.objects.create(
        page=message.page, mid=mid_of(message), key="edit", kind="edit", at=timezone.now(), content=content
    )


# What can have happened between the call and its answer.
STEPS: dict[str, Step] = {
    "they wrote": lambda reply, _alice: receive(reply.conversation, "And now?", timezone.now()),
    "they had written earlier": lambda reply, _alice: receive(reply.conversation, "Hm", NOON + timedelta(minutes=2)),
    "another reply": lambda reply, alice: replies.queue_reply(alice, reply.conversation, text="One more"),
    "a note": lambda reply, alice: actions.add_note(alice, reply.conversation, "Look at this"),
    "closed": lambda reply, alice: actions.close(alice, reply.conversation),
    "delivered": lambda reply, _alice: set_on(reply, delivered_watermark=timezone.now() + timedelta(minutes=1)),
    "read": lambda reply, _alice: set_on(reply, read_watermark=timezone.now() + timedelta(minutes=1)),
    "an echo": lambda reply, _alice: delivery_status.confirm(
        reply.pk, mid=mid_of(reply), sent_at=timezone.now() - timedelta(seconds=9), evidence=Evidence.ECHO
    ),
    "claimed by another worker": lambda reply, _alice: Message.objects.filter(pk=reply.pk).update(claimed_by="other"),
    "found to be unsure": lambda reply, _alice: Message.objects.filter(pk=reply.pk).update(state="unsure"),
}


def mid_of(message: Message) -> str:
    return f"m_answer_{message.pk}"


def being_sent(alice: User, channel: Channel) -> Message:
    """Return a reply, in a conversation of its own, of which a worker has made the call."""
    conversation = make_conversation(channel)
    receive(conversation, "Is it open?", NOON)
    (message,) = replies.queue_reply(alice, conversation, text="Yes")
    Message.objects.filter(pk=message.pk).update(state="sending", claimed_at=timezone.now(), claimed_by="worker")
    return Message.objects.select_related("conversation__channel__page").get(pk=message.pk)


def everything() -> list[list[tuple[Any, ...]]]:
    return [list(model.objects.order_by("pk").values_list()) for model in (Message, Conversation, Ticket)]


def in_savepoint(work: Callable[[], None]) -> list[list[tuple[Any, ...]]]:
    """Return what the tables hold after `work`, which is undone."""
    with transaction.atomic():
        work()
        after = everything()
        transaction.set_rollback(True)
    return after


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripts=st.lists(st.lists(st.sampled_from(sorted(STEPS)), max_size=2, unique=True), min_size=2, max_size=4))
def test_together_is_the_same_as_one_by_one(alice: User, channel: Channel, scripts: list[list[str]]) -> None:
    with transaction.atomic():
        sent = [being_sent(alice, channel) for _script in scripts]
        at = timezone.now() + timedelta(seconds=3)
        for message, script in zip(sent, scripts, strict=True):
            for step in script:
                STEPS[step](Message.objects.select_related("conversation__channel__page").get(pk=message.pk), alice)
        answers = [Answer(message, mid_of(message)) for message in sent]

        def one_by_one() -> None:
            for message in sent:
                delivery_status.confirm(message.pk, mid=mid_of(message), sent_at=at, evidence=Evidence.ANSWER)

        assert in_savepoint(lambda: confirm_answers(answers, at)) == in_savepoint(one_by_one)
        transaction.set_rollback(True)


def test_a_change_that_came_before_its_message_is_applied(alice: User, channel: Channel) -> None:
    sent = [being_sent(alice, channel) for _ in range(2)]
    store_early_edit(sent[0])

    confirm_answers([Answer(message, mid_of(message)) for message in sent], timezone.now())

    assert list(Message.objects.filter(direction="out").order_by("pk").values_list("text", "state")) == [
        ("Edited", "sent"),
        ("Yes", "sent"),
    ]


def test_the_statements_do_not_grow_with_the_replies(alice: User, channel: Channel) -> None:
    counts = []
    for number in (2, 12):
        answers = [Answer(message, mid_of(message)) for message in [being_sent(alice, channel) for _ in range(number)]]
        with CaptureQueriesContext(connection) as queries:
            confirm_answers(answers, timezone.now())
        counts.append(sum(not query["sql"].startswith("UPDATE") for query in queries.captured_queries))
    assert counts[0] == counts[1]
    assert Message.objects.filter(direction="out", state="sent").count() == 14


def test_when_they_cannot_be_written_together_each_is_written_alone(
    alice: User, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise DatabaseError("deadlock detected")

    monkeypatch.setattr(confirmations, "update_each", fail)
    sent = [being_sent(alice, channel) for _ in range(3)]

    confirm_answers([Answer(message, mid_of(message)) for message in sent], timezone.now())

    assert Message.objects.filter(direction="out", state="sent").count() == 3
    assert not EventDelivery.objects.exists()
