"""Workers that die, fail or meet each other: a scheduled reply is sent once, or stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection

from desk.models import User
from tests import factories
from tests.tickets.services.outgoing.scheduled import HOUR, pdf, sent, state_of
from tickets.models import Conversation, Message, ScheduledReply
from tickets.services.outgoing import (
    replies,
    scheduled_replies,
    scheduled_sending,
)
from tickets.services.outgoing.replies import ReplyError

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


def test_a_worker_that_dies_while_it_sends_leaves_it_scheduled(
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = later(files=[pdf()])
    clock.shift(HOUR)

    def die(*_args: Any, **_fields: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(scheduled_replies, "settle", die)
        with pytest.raises(SystemExit):
            scheduled_sending.send_due()
    assert (state_of(row)[0], sent(conversation)) == ("scheduled", [])
    scheduled_sending.send_due()
    assert sent(conversation) == ["Good morning", "offer.pdf"]


def test_one_that_fails_does_not_stop_the_others(
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = later("bad"), later("good")
    clock.shift(HOUR)
    original = replies.add_parts

    def fail(author: User, in_conversation: Conversation, parts: Any, *args: Any, **fields: Any) -> list[Message]:
        if parts[0].text == "bad":
            raise ValueError("broken")
        return original(author, in_conversation, parts, *args, **fields)

    monkeypatch.setattr(replies, "add_parts", fail)
    assert scheduled_sending.send_due() == 2
    assert (state_of(bad)[0], state_of(good)[0], sent(conversation)) == ("not_sent", "sent", ["good"])


def test_one_whose_row_the_database_refuses_does_not_stop_the_others(
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, worse, good = later("bad"), later("worse"), later("good")
    clock.shift(HOUR)
    add, keep = replies.add_parts, scheduled_sending._keep

    def refuse(author: User, in_conversation: Conversation, parts: Any, *args: Any, **fields: Any) -> list[Message]:
        if parts[0].text != "good":
            raise IntegrityError("this row")
        return add(author, in_conversation, parts, *args, **fields)

    def refuse_to_keep(in_conversation: Conversation, row: ScheduledReply, reason: str) -> None:
        if row.text == "worse":
            raise ValueError("broken")
        keep(in_conversation, row, reason)

    monkeypatch.setattr(replies, "add_parts", refuse)
    monkeypatch.setattr(scheduled_sending, "_keep", refuse_to_keep)
    assert scheduled_sending.send_due() == 2
    assert [state_of(row)[0] for row in (bad, worse, good)] == ["not_sent", "scheduled", "sent"]
    assert sent(conversation) == ["good"]


def in_threads(*actions_: Callable[[], object]) -> list[bool]:
    """Do these at once; return which succeeded."""

    def act(action: Callable[[], object]) -> bool:
        try:
            return bool(action())
        except ReplyError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions_)) as workers:
        return list(workers.map(act, actions_))


@pytest.mark.django_db(transaction=True)
def test_of_workers_and_agents_who_send_it_in_the_same_second_one_does(
    alice: User, conversation: Conversation, later: Callable[..., ScheduledReply], clock: time_machine.Traveller
) -> None:
    bert = factories.make_agent("bert", channels=(conversation.channel,))
    row = later(files=[pdf()])
    clock.shift(HOUR)
    did = in_threads(
        lambda: scheduled_replies.send_now(alice, row),
        lambda: scheduled_replies.send_now(bert, row),
        scheduled_sending.send_due,
        scheduled_sending.send_due,
    )
    assert (did.count(True), sent(conversation)) == (1, ["Good morning", "offer.pdf"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("choice", ["cancel", "edit"])
def test_cancelled_or_edited_while_it_is_due_it_is_sent_or_not_never_both(
    alice: User,
    conversation: Conversation,
    later: Callable[..., ScheduledReply],
    clock: time_machine.Traveller,
    choice: str,
) -> None:
    row = later()
    clock.shift(HOUR)

    def act() -> bool:
        if choice == "edit":
            scheduled_replies.take_back(alice, row)
        else:
            scheduled_replies.cancel(alice, row)
        return True

    acted, was_sent = in_threads(act, scheduled_sending.send_due)
    assert acted != was_sent
    assert sent(conversation) == (["Good morning"] if was_sent else [])
