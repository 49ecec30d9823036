"""Whatever comes in whatever order: no reply is sent twice, none is lost, and what the screen says is true."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import responses
import time_machine
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import HealthCheck, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from channels_im.messenger import events
from tests.factories import NOON, make_agent, make_channel, make_conversation, ms, receive
from tests.tickets.services.graph import FakeGraph, error_answer
from tickets.models import Message
from tickets.rules.sending import SENT_STATES
from tickets.services.incoming import receipts
from tickets.services.outgoing import delivery_status, outbox, replies

OUTCOMES = ["answer", "lost_before", "lost_after", "killed_before", "killed_after", "transient", "limited", "refused"]
PAUSES = [
    1,
    10,
    settings.DESK_RETRY_BASE_SECONDS * delivery_status.FIRST_LOOKUP_FACTOR,
    settings.DESK_CLAIM_SECONDS + 1,
    3600,
]

steps = st.one_of(
    st.tuples(st.just("reply"), st.just(0)),
    st.tuples(st.just("drain"), st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3)),
    st.tuples(st.just("pause"), st.sampled_from(PAUSES)),
    st.tuples(st.sampled_from(["echo", "bare_echo", "read", "delivery"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["look_lost", "inbox", "customer"]), st.just(0)),
)


class Scene:
    """One conversation, Meta's side of it, and what is done to both."""

    def __init__(self, graph: FakeGraph, clock: time_machine.Traveller) -> None:
        self.graph, self.clock = graph, clock
        self.channel = make_channel()
        self.alice = make_agent(channels=(self.channel,))
        self.conversation = make_conversation(self.channel)
        receive(self.conversation, "Is it open?", NOON)
        self.furthest: dict[int, int] = {}

    def reply(self, _: int) -> None:
        if Message.objects.filter(author=self.alice).count() < 4:
            replies.queue_reply(self.alice, self.conversation, text="The same words")

    def drain(self, outcomes: list[str]) -> None:
        self.graph.plan.extend(PLANS[outcome] for outcome in outcomes)
        killed = [outcome.startswith("killed") for outcome in outcomes]
        before = len(self.graph.calls)
        outbox.drain_outbox()
        made = self.graph.calls[before:]
        self.graph.plan.clear()
        for was_killed, call in zip(killed, made, strict=False):
            if was_killed:
                self._die_during(call)

    def _die_during(self, call: dict[str, Any]) -> None:
        """A killed worker has written nothing since its claim."""
        pk = int(call["message"]["metadata"].removeprefix("desk:"))
        Message.objects.filter(pk=pk, state="unsure").update(
            state="sending", reason="", claimed_by="a dead worker", retry_after=delivery_status.lease_end()
        )

    def pause(self, seconds: float) -> None:
        self.clock.shift(seconds)

    def echo(self, number: int, **fields: Any) -> None:
        if number >= len(self.graph.accepted):
            return
        sent = self.graph.accepted[number]
        ours = "metadata" in sent["message"]
        event = events.Echo(
            page_id=self.channel.page.page_id,
            psid=self.conversation.contact.psid,
            timestamp_ms=ms(sent["at"]),
            key=f"message:{sent['mid']}",
            mid=sent["mid"],
            text=sent["message"]["text"],
            **{
                "app_id": settings.META_APP_ID if ours else "263902037430900",
                "metadata": sent["message"].get("metadata"),
                **fields,
            },
        )
        receipts.handle_echo(self.channel.page, self.channel, event)

    def bare_echo(self, number: int) -> None:
        self.echo(number, metadata=None)

    def read(self, number: int) -> None:
        self._receipt(number, events.Read, receipts.handle_read)

    def delivery(self, number: int) -> None:
        self._receipt(number, events.Delivered, receipts.handle_delivery)

    def _receipt(self, number: int, kind: Callable[..., Any], handle: Callable[..., object]) -> None:
        if number >= len(self.graph.accepted):
            return
        at = ms(self.graph.accepted[number]["at"])
        event = kind(page_id="1", psid=self.conversation.contact.psid, timestamp_ms=at, key="receipt", watermark_ms=at)
        handle(self.channel, event)

    def look_lost(self, _: int) -> None:
        self.graph.look_plan.append(error_answer(2))

    def inbox(self, _: int) -> None:
        psid = self.conversation.contact.psid
        self.graph.accept(self.channel.page.page_id, {"recipient": {"id": psid}, "message": {"text": "By hand"}})

    def customer(self, _: int) -> None:
        receive(self.conversation, "Hello?", timezone.now())

    def rows(self) -> QuerySet[Message]:
        return Message.objects.filter(author=self.alice).order_by("pk")

    def arrivals(self, row: Message) -> int:
        metadata = f"desk:{row.pk}"
        return sum(sent["message"].get("metadata") == metadata for sent in self.graph.accepted)

    def check(self) -> None:
        for row in self.rows():
            assert self.arrivals(row) <= 1, "the customer has it twice"
            if row.state in SENT_STATES:
                assert self.arrivals(row) == 1, "it says sent and is not"
            rank = SENT_STATES.index(row.state) if row.state in SENT_STATES else -1
            assert rank >= self.furthest.get(row.pk, -1), "a state moved back"
            self.furthest[row.pk] = rank
        mids = [row.mid for row in self.rows() if row.mid]
        ours = [sent["mid"] for sent in self.graph.accepted if "metadata" in sent["message"]]
        assert [mid for mid in ours if mid in mids] == mids, "out of order"

    def come_to_rest(self) -> None:
        self.graph.look_plan.clear()
        for number in range(len(self.graph.accepted)):
            self.echo(number)
        for _ in range(12):
            delivery_status.reclaim_stale()
            outbox.drain_outbox()
            self.clock.shift(700)


PLANS = {
    "answer": "ok",
    "lost_before": "lost_before",
    "lost_after": "lost_after",
    "killed_before": "lost_before",
    "killed_after": "lost_after",
    "transient": error_answer(2),
    "limited": error_answer(613),
    "refused": error_answer(100, 2018001),
}


@pytest.mark.slow
@pytest.mark.django_db
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=14))
def test_no_reply_is_sent_twice_or_lost_whatever_happens_in_whatever_order(story: list[tuple[str, Any]]) -> None:
    with (
        responses.RequestsMock(assert_all_requests_are_fired=False) as mock,
        time_machine.travel(NOON + timedelta(minutes=1), tick=False) as clock,
        transaction.atomic(),
    ):
        scene = Scene(FakeGraph(mock), clock)
        scene.reply(0)
        for step, detail in story:
            getattr(scene, step)(detail)
            scene.check()
        scene.come_to_rest()
        scene.check()
        for row in scene.rows():
            event(f"ends {row.state}")
            if scene.arrivals(row):
                assert row.state in SENT_STATES
                assert row.mid
            else:
                assert row.state in ("failed", "held") or (row.state == "unsure" and row.retry_after is None)
                assert row.reason
        sent = Message.objects.filter(conversation=scene.conversation, direction="out", source="this_app")
        assert not sent.exists()
        transaction.set_rollback(True)
