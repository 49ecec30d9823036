"""Histories in any order, in any batches, with delays, failures and lost echoes: the same conversation in the end.

HISTORIES=10000 runs that many, in two equal parts, instead of a few.
"""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import responses
import time_machine
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from hypothesis import HealthCheck, event, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from channels_im import tasks
from channels_im.models import Channel
from desk.integrity import Wishes
from desk.models import User
from tests.factories import NOON, delivery, item, journal
from tests.tickets.services.graph import FakeGraph, error_answer
from tickets.models import Conversation, Message, Ticket
from tickets.rules.sending import SENT_STATES
from tickets.services.inbox import actions
from tickets.services.integrity import conversations as integrity
from tickets.services.outgoing import outbox, replies

PSID = "7001"
INBOX = "263902037430900"
LIMIT = timedelta(minutes=60)
GAPS_S = [0.001, 0.3, 5, 1800, 3600, 3600.001, 7300]
MS = timedelta(milliseconds=1)

EFFORT = hypothesis_settings(
    max_examples=int(os.environ.get("HISTORIES", "24")) // 2,
    # Each history is rolled back, so that the channel may serve all of them.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@dataclass
class Said:
    """What was said, as Meta knows it. A reply of Desk was written at `answers_until`."""

    text: str
    at: datetime
    by_customer: bool = False
    answers_until: datetime | None = None


@dataclass
class World:
    """One conversation: what Meta knows (`said`), what Desk has not learned yet (`to_come`), and Desk itself."""

    channel: Channel
    alice: User
    clock: time_machine.Traveller
    graph: FakeGraph
    skew: timedelta = timedelta(0)
    said: list[Said] = field(default_factory=list)
    to_come: list[dict[str, Any]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    with_actions: bool = False

    echoed: int = 0
    unread: int = 0

    # --- At Meta ------------------------------------------------------------------------------------------------------
    def speak(self, who: str, gap_s: float) -> None:
        self.clock.shift(gap_s)
        at, text = timezone.now() + self.skew, f"{who} {len(self.said)}"
        self.said.append(Said(text, at, by_customer=who == "customer"))
        content: dict[str, Any] = {"mid": f"m_{text}", "text": text}
        if who == "inbox":
            content |= {"is_echo": True, "app_id": INBOX}
        self._tell(text, at, content, from_page=who == "inbox")

    def _tell(self, text: str, at: datetime, content: dict[str, Any], *, from_page: bool) -> None:
        page = self.channel.page
        self.to_come.append(delivery(page, item(page, PSID, at, from_page=from_page, message=content)))

    def echo_replies(self, *, lose: bool) -> None:
        for sent in self.graph.accepted[self.echoed :]:
            text, at = sent["message"]["text"], sent["at"] + self.skew
            row = Message.objects.get(text=text)
            self.said.append(Said(text, at, answers_until=row.answers_until))
            content = {"mid": sent["mid"], "text": text, "is_echo": True, "app_id": int(settings.META_APP_ID)}
            if lose:
                self.lost.add(text)
            else:
                self._tell(text, at, content | {"metadata": sent["message"]["metadata"]}, from_page=True)
        self.echoed = len(self.graph.accepted)

    # --- At Desk ------------------------------------------------------------------------------------------------------
    def learn(self, places: list[int]) -> None:
        """Let Desk learn of these of the events to come, together."""
        chosen = list(dict.fromkeys(place % len(self.to_come) for place in places)) if self.to_come else []
        for place in chosen:
            journal(self.to_come[place])
        self.unread += sum("is_echo" not in _content(self.to_come[place]) for place in chosen)
        self.to_come = [told for place, told in enumerate(self.to_come) if place not in chosen]
        if chosen:
            tasks.drain_journal()
            self.check()

    def reply(self) -> None:
        row = Conversation.objects.filter(last_customer_message_at__isnull=False).first()
        if row is None or Message.objects.filter(source="agent").count() >= 4:
            return
        self.clock.shift(0.001)
        number = Message.objects.count()
        try:
            replies.queue_reply(self.alice, row, text=f"reply {number}")
        except replies.ReplyError:
            return
        self.unread = 0
        self.check()

    def drain(self, outcome: str, *, lose: bool) -> None:
        self.graph.plan.extend([lambda: self.clock.shift(0.15), PLANS[outcome]])
        outbox.drain_outbox()
        self.graph.plan.clear()
        self.echo_replies(lose=lose)
        self.check()

    def act(self, action: str) -> None:
        row = Conversation.objects.first()
        if row is not None:
            self.clock.shift(0.001)
            self.with_actions = True
            self.unread = 0 if action == "close" and _is_open(row) else self.unread
            (actions.close if action == "close" else actions.reopen)(self.alice, row)
            self.check()

    def come_to_rest(self) -> None:
        on_its_way = Message.objects.filter(
            Q(state__in=("queued", "sending")) | Q(state="unsure", retry_after__isnull=False)
        )
        while on_its_way.exists():
            self.clock.shift(0.005)
            outbox.drain_outbox()
            self.echo_replies(lose=False)
            self.clock.shift(700)
        self.learn(list(range(len(self.to_come)))[::-1])

    # --- What must hold -----------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Whatever Desk knows so far: the columns are what the one function says of the messages."""
        assert [problem.sentence for problem in integrity.problems(Conversation.objects.all())] == []
        row = Conversation.objects.first()
        assert row is None or row.unread_count == self.unread

    def check_end(self) -> None:
        """Desk knows everything: the conversation is what was said, by Meta's clock."""
        for check in (integrity.check_tickets, integrity.check_references):
            assert list(check(Wishes())) == []
        said = sorted(self.said, key=lambda each: each.at)
        exact = [each for each in said if each.text not in self.lost]
        sent = Message.objects.exclude(direction="out", state__in=("failed", "held", "queued", "unsure"))
        stored = list(sent.filter(kind="message").order_by("sent_at", "pk"))
        assert [message.text for message in stored if message.text not in self.lost] == [each.text for each in exact]
        assert [message.sent_at for message in stored if message.text not in self.lost] == [each.at for each in exact]
        ours = [message.pk for message in stored if message.source == "agent"]
        assert ours == sorted(ours), "two replies stand in the wrong order"
        for before, message in pairwise(stored):
            if message.direction == "out":
                assert message.ticket_id == before.ticket_id, "an answer stands in another ticket than its question"
        row = Conversation.objects.first()
        if row is None:
            return
        assert row.message_count == Message.objects.filter(kind="message").count()
        if not self.lost:
            self._check_row(row, said)

    def _check_row(self, row: Conversation, said: list[Said]) -> None:
        unsent = Message.objects.filter(state__in=("failed", "held", "queued", "unsure"))
        if not unsent.exists():
            newest = said[-1]
            assert (row.preview, row.last_message_at) == (newest.text, newest.at)
            assert row.preview_is_ours == (not newest.by_customer)
        if not self.with_actions and not unsent.filter(state__in=("queued", "unsure")).exists():
            answers = [min(each.at, each.answers_until or each.at) for each in said if not each.by_customer]
            waiting = [each.at for each in said if each.by_customer and each.at > max(answers, default=NOON - LIMIT)]
            assert row.waiting_since == (waiting[0] if waiting else None)

    def parts(self) -> list[list[str]]:
        """Return the texts of each ticket."""
        tickets = Ticket.objects.order_by("opened_at")
        return [list(ticket.messages.order_by("sent_at").values_list("text", flat=True)) for ticket in tickets]

    def expected_parts(self) -> list[list[str]]:
        """Return the tickets that the rule gives to those who hear everything in order."""
        parts: list[list[str]] = []
        previous: datetime | None = None
        for each in sorted(self.said, key=lambda each: each.at):
            if previous is None or (each.by_customer and each.at - previous > LIMIT):
                parts.append([])
            parts[-1].append(each.text)
            previous = each.at
        return parts


def _content(told: dict[str, Any]) -> dict[str, Any]:
    return told["entry"][0]["messaging"][0]["message"]


def _is_open(row: Conversation) -> bool:
    return row.current_ticket is not None and row.current_ticket.status == "open"


PLANS = {
    "answer": "ok",
    "lost_before": "lost_before",
    "lost_after": "lost_after",
    "transient": error_answer(2),
    "refused": error_answer(100, 2018001),
    "other app": error_answer(10, 2018300),
}

speaking = st.tuples(st.sampled_from(["customer", "customer", "inbox"]), st.sampled_from(GAPS_S))
learning = st.lists(st.integers(0, 9), min_size=1, max_size=5)
steps = st.one_of(
    speaking.map(lambda said: ("speak", said)),
    learning.map(lambda places: ("learn", places)),
    st.just(("reply", None)),
    st.tuples(st.sampled_from(list(PLANS)), st.booleans()).map(lambda drained: ("drain", drained)),
    st.sampled_from(["close", "reopen"]).map(lambda action: ("act", action)),
)
#: A reply, whose time Meta never told, and a customer's message that Desk learns of later stand at the same time.
# The clock of this machine is two seconds ahead, and only the last reply gets a time of Meta: its second, by a look-up.
FOUND_AFTER_ANSWERS: list[tuple[str, Any]] = [
    *[("speak", ("customer", 0.001))] * 3,
    ("learn", [0, 0]),
    *[("reply", None)] * 2,
    ("drain", ("answer", False)),
    *[("learn", [0])] * 2,
    ("speak", ("customer", 0.001)),
    ("learn", [0, 0, 0]),
    ("reply", None),
    ("speak", ("customer", 0.3)),
    ("drain", ("lost_after", True)),
    ("act", "reopen"),
]
AT_THE_SAME_MILLISECOND: list[tuple[str, Any]] = [
    *[("speak", ("customer", 0.001))] * 2,
    *[("learn", [0])] * 2,
    ("reply", None),
    ("speak", ("customer", 0.001)),
    ("speak", ("customer", 3600.001)),
    ("drain", ("lost_after", True)),
    ("learn", [8]),
]
skews = st.sampled_from([0, 0, -2_000, -150, 150, 2_000]).map(lambda ms: ms * MS)


@pytest.mark.slow
@pytest.mark.django_db
@EFFORT
@given(
    said=st.lists(speaking, min_size=1, max_size=8), random=st.randoms(use_true_random=False), batch=st.integers(1, 8)
)
def test_what_was_said_is_the_same_conversation_in_whatever_order_desk_learns_of_it(
    channel: Channel, alice: User, said: list[tuple[str, float]], random: Any, batch: int
) -> None:
    with (
        responses.RequestsMock(assert_all_requests_are_fired=False) as mock,
        time_machine.travel(NOON, tick=False) as clock,
        transaction.atomic(),
    ):
        world = World(channel, alice, clock, FakeGraph(mock))
        for who, gap_s in said:
            world.speak(who, gap_s)
        order = random.choice(["as it was said", "mixed"])
        if order == "mixed":
            random.shuffle(world.to_come)
        together = batch >= len(said)
        event(f"{order}, {'together' if together else 'in batches'}")
        while world.to_come:
            world.learn(list(range(min(batch, len(world.to_come)))))
        world.check_end()
        if together or order == "as it was said":
            assert world.parts() == world.expected_parts()
        transaction.set_rollback(True)


@pytest.mark.slow
@pytest.mark.django_db
@EFFORT
@given(story=st.lists(steps, max_size=16), skew=skews)
@example(story=AT_THE_SAME_MILLISECOND, skew=timedelta(0))
@example(story=FOUND_AFTER_ANSWERS, skew=timedelta(seconds=2))
def test_replies_that_are_late_lost_or_refused_leave_the_conversation_true(
    channel: Channel, alice: User, story: list[tuple[str, Any]], skew: timedelta
) -> None:
    with (
        responses.RequestsMock(assert_all_requests_are_fired=False) as mock,
        time_machine.travel(NOON, tick=False) as clock,
        transaction.atomic(),
    ):
        world = World(channel, alice, clock, FakeGraph(mock), skew)
        world.speak("customer", 1)
        for step, detail in story:
            match step:
                case "speak":
                    world.speak(*detail)
                case "learn":
                    world.learn(detail)
                case "reply":
                    world.reply()
                case "drain":
                    world.drain(detail[0], lose=detail[1])
                case "act":
                    world.act(detail)
        world.come_to_rest()
        world.check()
        world.check_end()
        for message in Message.objects.filter(author=world.alice, kind="message"):
            event(f"ends {message.state}")
            accepted = [sent for sent in world.graph.accepted if sent["message"]["text"] == message.text]
            assert len(accepted) <= 1
            assert bool(accepted) == (message.state in SENT_STATES) or message.state == "unsure"
        transaction.set_rollback(True)
