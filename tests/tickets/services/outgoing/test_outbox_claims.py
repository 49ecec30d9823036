"""Claims of the outbox: by two workers, while a call hangs, ahead of a free thread, and given back."""

import threading
import time
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_im.models import Channel, Page
from desk import loops
from tests import database_faults
from tests.factories import make_channel, make_conversation, png, receive
from tests.tickets.services.graph import FakeGraph
from tests.tickets.services.steps import drained
from tickets.models import Conversation, Message
from tickets.services.outgoing import outbox, replies

pytestmark = pytest.mark.usefixtures("clock")


def test_a_claim_needs_as_many_statements_for_many_replies_as_for_few(
    queue: Callable[..., Message], channel: Channel
) -> None:
    counts = []
    for number in (3, 24):
        channels = [channel, make_channel()]
        for each in range(number):
            other = make_conversation(channels[each % 3 > 1])
            receive(other)
            if each % 3:
                replies.queue_reply(None, other, text="Yes")
            else:
                queue("Yes", other)
        with CaptureQueriesContext(connection) as queries:
            rows, _contended = outbox._Drain()._claim(64)
        with CaptureQueriesContext(connection) as later:
            related = [(row.conversation.channel.page.page_token, row.conversation.contact, row.author) for row in rows]
        assert (len(related), len(later)) == (number, 0)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_token_that_is_replaced_at_the_moment_of_the_claim_is_used(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    message = queue("Yes")

    def link_again() -> None:
        page = Page.objects.get(pk=channel.page_id)
        page.page_token = "EAAnew"
        page.save()

    with database_faults.before_first('UPDATE "tickets_message"', link_again):
        rows, _contended = outbox._Drain()._claim(64)
    assert [(row.pk, row.conversation.channel.page.page_token) for row in rows] == [(message.pk, "EAAnew")]


@pytest.mark.django_db(transaction=True)
def test_two_workers_draining_at_once_send_each_reply_once(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    for number in range(12):
        other = make_conversation(channel)
        receive(other)
        queue(f"{number}", other)
    gate = threading.Barrier(2)

    def work() -> None:
        gate.wait()
        try:
            outbox.drain_outbox()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    outbox.drain_outbox()

    assert sorted(map(int, graph.texts())) == list(range(12))
    assert set(Message.objects.filter(direction="out").values_list("state", flat=True)) == {"sent"}


@pytest.mark.django_db(transaction=True)
def test_while_the_call_is_made_everybody_sees_the_claim(graph: FakeGraph, queue: Callable[..., Message]) -> None:
    message = queue()
    seen = []
    graph.meanwhile(lambda: seen.append(Message.objects.get(pk=message.pk)))
    drained(message)

    assert (seen[0].state, seen[0].attempts, seen[0].claimed_at) == ("sending", 1, timezone.now())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_call_that_hangs_delays_no_reply_that_comes_meanwhile(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel
) -> None:
    other = make_conversation(channel)
    receive(other)
    arrived = threading.Event()

    def hang() -> None:
        queue("quick", other)
        graph.meanwhile(arrived.set)
        assert arrived.wait(30), "the other reply waits for the call that hangs"

    graph.meanwhile(hang)
    queue("slow")
    outbox.drain_outbox()

    assert graph.texts() == ["quick", "slow"]


# --- Ahead of a free thread -------------------------------------------------------------------------------------------
@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits, so that the second row that is claimed waits for the call of the first."""
    monkeypatch.setattr(outbox, "POOL_SIZE", 1)
    monkeypatch.setattr(outbox, "LOOK_EVERY_S", 0.1)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_claimed_ahead_of_a_call_that_hangs_is_given_back(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "AHEAD_S", 0.2)  # a limit, lowered
    rows = [queue(text, conversation) for text, conversation in zip("123", conversations(channel, 3), strict=True)]
    states: list[tuple[str, int]] = []

    def hang() -> None:
        for state in ("sending", "queued"):
            now = wait_until(rows[2], state)
            states.append((now.state, now.attempts))

    graph.plan += ["ok", hang]
    outbox.drain_outbox()

    assert states == [("sending", 1), ("queued", 0)]
    assert graph.texts() == ["1", "2", "3"]
    assert [(row_of(row).state, row_of(row).attempts) for row in rows] == [("sent", 1)] * 3


@pytest.mark.usefixtures("one_thread")
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_gives_back_what_it_claimed_ahead(
    graph: FakeGraph, queue: Callable[..., Message], channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "_stopping", threading.Event())
    files = [[], [], [SimpleUploadedFile("photo.png", png())]]
    rows = [
        queue("" if files else text, conversation, files=files)
        for text, conversation, files in zip("123", conversations(channel, 3), files, strict=True)
    ]

    def hang() -> None:
        wait_until(rows[2], "sending")
        loops.Loop.stop()
        wait_until(rows[2], "queued")

    graph.plan += ["ok", hang]
    assert outbox.drain_outbox() == 2

    assert [(row_of(row).state, row_of(row).attempts) for row in rows] == [("sent", 1), ("sent", 1), ("queued", 0)]
    assert len(graph.calls) == 2
    monkeypatch.setattr(loops, "_stopping", threading.Event())
    outbox.drain_outbox()
    assert row_of(rows[2]).state == "sent"


def conversations(channel: Channel, number: int) -> list[Conversation]:
    """Return new conversations in which a customer has written."""
    made = [make_conversation(channel) for _ in range(number)]
    for each in made:
        receive(each)
    return made


def row_of(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


def wait_until(message: Message, state: str) -> Message:
    """Return the row as soon as it has this state, or as it is after a time in which it should have had it."""
    deadline = time.monotonic() + 20
    while (row := row_of(message)).state != state and time.monotonic() < deadline:
        time.sleep(0.02)
    return row
