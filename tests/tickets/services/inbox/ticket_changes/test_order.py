"""Splitting, merging and undoing keep all that follows from messages right, whoever does what meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from desk.errors import Refused
from desk.models import User
from tests.factories import NOON, answer, make_agent, make_channel, make_conversation, receive
from tests.tickets.services.inbox.ticket_changes.state import MINUTE, contents, findings
from tickets.models import Conversation
from tickets.services.inbox import actions, ticket_changes

pytestmark = pytest.mark.django_db

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["customer", "late", "reply", "held", "note", "split", "merge", "undo", "close", "reopen"]),
        st.integers(0, 50),
        st.sampled_from([1, 7, 61, 3000]),  # minutes
    ),
    max_size=24,
)


@pytest.mark.slow
@given(STEPS)
@hypothesis_settings(
    max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None
)
def test_at_random_everything_follows_from_the_messages(
    alice: User, channel: Any, steps: list[tuple[str, int, int]]
) -> None:
    with transaction.atomic():
        conversation = make_conversation(channel)
        receive(conversation, "First", NOON)
        numbers: set[int] = set()
        at = NOON
        for step, choice, minutes in steps:
            with time_machine.travel(at, tick=False):
                at = _do(step, choice, minutes, alice, conversation, at)
            assert findings() == []
            present_now = set(conversation.tickets.values_list("pk", flat=True))
            assert all(pk > max(numbers, default=0) for pk in present_now - numbers)  # never one that was used
            numbers |= present_now
        transaction.set_rollback(True)


def _do(step: str, choice: int, minutes: int, alice: User, conversation: Conversation, at: Any) -> Any:
    rows = list(conversation.messages.filter(kind="message").order_by("sent_at", "pk"))
    tickets = list(conversation.tickets.order_by("opened_at", "pk"))
    changes = list(conversation.ticket_changes.order_by("pk"))
    match step:
        case "customer":
            at += timedelta(minutes=minutes)
            receive(conversation, f"Message {len(rows)}", at)
        case "late":
            receive(
                conversation, f"Late {len(rows)}", rows[choice % len(rows)].sent_at + minutes * timedelta(seconds=1)
            )
        case "reply" | "held":
            at += timedelta(minutes=minutes)
            answer(conversation, f"Reply {len(rows)}", at, state="sent" if step == "reply" else "failed", author=alice)
        case "note":
            actions.add_note(alice, conversation, "Note")
        case "close":
            actions.close(alice, conversation, tickets[choice % len(tickets)].pk)
        case "reopen":
            actions.reopen(alice, conversation, tickets[choice % len(tickets)].pk)
        case _:
            try:
                if step == "split":
                    ticket_changes.split(alice, conversation, rows[choice % len(rows)].pk)
                elif step == "merge":
                    ticket_changes.merge(alice, conversation, tickets[choice % len(tickets)].pk)
                elif changes:
                    ticket_changes.undo(alice, conversation, changes[-1 - choice % len(changes)].pk)
            except Refused:
                pass
    return at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", ["customer", "merge", "close", "split", "undo"])
def test_what_happens_at_once_is_one_after_the_other(other: str) -> None:
    channel = make_channel()
    alice = make_agent("alice", channels=(channel,))
    conversation = make_conversation(channel)
    for number in range(6):
        receive(conversation, f"Message {number}", NOON + number * MINUTE)
    message = conversation.messages.get(text="Message 3")
    earlier = ticket_changes.split(alice, conversation, conversation.messages.get(text="Message 2").pk)
    acts: dict[str, Callable[[Conversation], object]] = {
        "customer": lambda row: receive(row, "At once", NOON + 7 * MINUTE),
        "merge": lambda row: ticket_changes.merge(alice, row, earlier.later),
        "close": lambda row: actions.close(alice, row),
        "split": lambda row: ticket_changes.split(alice, row, message.pk),
        "undo": lambda row: ticket_changes.undo(alice, row, earlier.pk),
    }

    def run(name: str) -> str:
        try:
            acts[name](Conversation.objects.get(pk=conversation.pk))
        except Refused as refused:
            return str(refused)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(run, ["split", other]))
    assert findings() == []
    texts = [text for texts in contents(conversation).values() for text in texts]
    assert sorted(texts) == sorted({*texts})
    assert len(texts) == (7 if other == "customer" else 6)
    if other in ("customer", "close"):
        assert answers == ["", ""]
    if other == "split":
        assert sorted(answers) == ["", "The ticket begins with this message already."]
