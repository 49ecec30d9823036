"""The journal's drain: retries, neighbours, claims, events that kill the worker, replay and health."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from time_machine import TimeMachineFixture

from channels_im import tasks
from channels_im.messenger.events import MessageReceived
from channels_im.models import Page, WebhookDelivery
from channels_im.services.journal import store
from desk import sweeper
from tests import factories as make
from tests.factories import NOON, deliver, delivery, post_webhook, text_item
from tests.matching import present

pytestmark = pytest.mark.django_db

State = WebhookDelivery.State


class Died(BaseException):
    """Stands for SIGKILL: nothing that catches Exception sees it, and the transaction is gone."""


class Desk:
    """A receiver of our own in the place of tickets: it keeps what it took in as rows of `taken` and obeys `orders`.

    `orders` maps the text of a message to what happens when it is taken in.
    """

    def __init__(self) -> None:
        self.orders: dict[str, Callable[[], None]] = {}
        self.tried: list[str] = []

    def receive(
        self, senders: Sequence[store.Sender], *, isolated: bool = False
    ) -> list[Callable[[store.IncomingEvent], None]]:
        return [self.taker(sender.page) for sender in senders]

    def taker(self, page: Page) -> Callable[[store.IncomingEvent], None]:
        def take(incoming: store.IncomingEvent) -> None:
            assert isinstance(incoming.event, MessageReceived)
            text = incoming.event.text or ""
            self.tried.append(text)
            locked = Page.objects.select_for_update().get(pk=page.pk)
            taken = locked.trouble.setdefault("taken", [])
            if text not in taken:  # whoever takes events in knows them again: a batch that died begins anew
                taken.append(text)
            locked.save(update_fields=["trouble"])
            self.orders.get(text, lambda: None)()

        return take

    @property
    def taken(self) -> list[str]:
        return [text for page in Page.objects.all() for text in page.trouble.get("taken", [])]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(store, "_registered", [])  # only our receiver: that of the tickets has tests of its own
    store.register_receiver(desk.receive)
    return desk


@pytest.fixture
def fb_page() -> Page:
    return make.make_channel().page


def fail() -> None:
    raise ValueError("no luck")


def die() -> None:
    raise Died


def refuse() -> None:
    raise store.UnusableEventError("This makes no sense.")


def texts(fb_page: Page, *names: str) -> dict[str, Any]:
    """One delivery with a message per name, of customers of their own."""
    return delivery(fb_page, *(text_item(fb_page, f"p{name}", name, NOON) for name in names))


# --- One that fails does not stop its neighbours ----------------------------------------------------------------------
def test_neighbours_of_a_failing_event_are_processed_and_it_is_kept_with_its_traceback(
    client: Client, fb_page: Page, desk: Desk
) -> None:
    desk.orders["b"] = fail
    deliver(client, texts(fb_page, "a", "b", "c"))
    assert sorted(desk.taken) == ["a", "c"]
    kept = WebhookDelivery.objects.get()
    assert kept.state == State.PENDING
    assert present(kept.retry_after) > timezone.now()
    assert "ValueError: no luck" in kept.error
    assert kept.progress["1"]["state"] == "waiting"
    assert kept.progress["1"]["tries"] == 1
    assert (kept.claimed_by, kept.claimed_at) == ("", None)


def test_a_failing_event_of_one_customer_does_not_stop_the_customers_next_one(
    client: Client, fb_page: Page, desk: Desk
) -> None:
    desk.orders["a"] = fail
    items = [text_item(fb_page, "7001", text, NOON) for text in ("a", "b")]
    deliver(client, delivery(fb_page, *items))
    assert desk.taken == ["b"]


def test_only_the_failed_event_is_tried_again_and_then_the_delivery_is_done(
    client: Client, fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["b"] = fail
    deliver(client, texts(fb_page, "a", "b", "c"))
    desk.tried.clear()
    del desk.orders["b"]
    tasks.drain_journal()
    assert desk.tried == []  # not before its time
    time_machine.shift(timedelta(seconds=3))
    tasks.drain_journal()
    assert desk.tried == ["b"]
    kept = WebhookDelivery.objects.get()
    assert (kept.state, kept.error, kept.retry_after) == (State.DONE, "", None)


@pytest.mark.slow
def test_three_quick_tries_then_ever_later_and_after_a_day_failed(
    client: Client, fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["a"] = fail
    deliver(client, texts(fb_page, "a"))
    pauses = []
    while (kept := WebhookDelivery.objects.get()).state == State.PENDING:
        pauses.append((present(kept.retry_after) - timezone.now()).total_seconds())
        time_machine.move_to(present(kept.retry_after) + timedelta(milliseconds=1))
        tasks.drain_journal()
    assert [round(pause) for pause in pauses[:5]] == [2, 4, 8, 16, 32]
    assert sum(pauses) < 24 * 3600 < 2 * sum(pauses)
    assert kept.state == State.FAILED
    assert "no luck" in kept.error
    assert len(desk.tried) == len(pauses) + 2  # the first try counts once and was two: with others, then alone


def test_what_makes_no_sense_is_failed_at_once_with_its_sentence(client: Client, fb_page: Page, desk: Desk) -> None:
    desk.orders["a"] = refuse
    deliver(client, texts(fb_page, "a", "b"))
    kept = WebhookDelivery.objects.get()
    assert (kept.state, desk.taken) == (State.FAILED, ["b"])
    assert "This makes no sense." in kept.error
    assert "Traceback" not in kept.error


# --- One that kills the worker ----------------------------------------------------------------------------------------
def kill_until_settled(desk: Desk, time_machine: TimeMachineFixture) -> int:
    """Let the worker die, be swept and come again until nothing waits; return how often it died."""
    deaths = 0
    for _ in range(60):
        try:
            tasks.drain_journal()
        except Died:
            deaths += 1
        if not WebhookDelivery.objects.filter(state__in=(State.PENDING, State.PROCESSING)).exists():
            return deaths
        time_machine.shift(timedelta(hours=12))
        sweeper.reclaim()
        time_machine.shift(timedelta(hours=12))
    raise AssertionError("it never ends")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_event_that_kills_the_worker_stops_after_its_tries_while_all_others_are_done(
    client: Client, fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["killer"] = die
    for data in (texts(fb_page, "a", "killer", "b"), texts(fb_page, "c"), texts(fb_page, "d")):
        assert post_webhook(client, data).status_code == 200
    deaths = kill_until_settled(desk, time_machine)
    assert sorted(desk.taken) == ["a", "b", "c", "d"]
    assert desk.tried.count("killer") == deaths
    assert 3 < deaths < 30
    failed = WebhookDelivery.objects.get(state=State.FAILED)
    assert "The worker died" in failed.error
    assert WebhookDelivery.objects.filter(state=State.DONE).count() == 2


@pytest.mark.django_db(transaction=True)
def test_neighbours_of_a_killer_are_done_before_it_is_tried_again(
    client: Client, fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["a-killer"] = die
    post_webhook(client, texts(fb_page, "a-killer", "b", "c"))
    with pytest.raises(Died):
        tasks.drain_journal()
    for _ in range(3):  # together once more, then alone
        time_machine.shift(timedelta(hours=1))
        sweeper.reclaim()
        time_machine.shift(timedelta(hours=1))
        with pytest.raises(Died):
            tasks.drain_journal()
    assert sorted(desk.taken) == ["b", "c"]


@pytest.mark.django_db(transaction=True)
def test_a_try_is_counted_and_committed_before_it_runs(
    client: Client, fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["a"] = fail
    deliver(client, texts(fb_page, "a"))
    seen = []

    def look() -> None:
        seen.append(WebhookDelivery.objects.get().progress["0"]["tries"])

    desk.orders["a"] = look
    time_machine.shift(timedelta(seconds=3))
    tasks.drain_journal()
    assert seen == [2]


def test_what_a_dead_worker_had_claimed_is_tried_once_more_together_then_alone(
    fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    for letter in "abc":
        make.journal(texts(fb_page, letter))
    for together in (3, 3, 0):
        assert len(store.claim_new(10)) == together  # and the worker dies
        time_machine.shift(timedelta(hours=12))
        sweeper.reclaim()
        time_machine.shift(timedelta(hours=12))
    assert store.claim_retry() is not None
    tasks.drain_journal()
    assert sorted(desk.taken) == ["b", "c"]


@pytest.mark.django_db(transaction=True)
def test_a_delivery_that_failed_is_tried_alone(
    client: Client, fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["a"] = fail
    deliver(client, texts(fb_page, "a"))
    time_machine.shift(timedelta(hours=1))
    assert store.claim_new(10) == []
    assert store.claim_retry() is not None


# --- Claims -----------------------------------------------------------------------------------------------------------
def test_a_claimed_delivery_is_nobody_elses(fb_page: Page, desk: Desk) -> None:
    make.journal(texts(fb_page, "a"))
    assert len(store.claim_new(10)) == 1
    assert store.claim_new(10) == []
    tasks.drain_journal()
    assert desk.tried == []


def test_a_claim_is_taken_back_after_its_time_and_not_before(
    fb_page: Page, desk: Desk, settings: Settings, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    make.journal(texts(fb_page, "a"))
    store.claim_new(10)
    time_machine.shift(timedelta(seconds=settings.DESK_CLAIM_SECONDS - 1))
    assert store.claims.reclaim_stale() == 0
    time_machine.shift(timedelta(seconds=2))
    assert store.claims.reclaim_stale() == 1
    time_machine.shift(timedelta(seconds=3))
    tasks.drain_journal()
    assert desk.taken == ["a"]


def test_who_lost_the_claim_writes_nothing_of_the_delivery(
    fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    make.journal(texts(fb_page, "a"))
    (mine,) = store.claim_new(10)
    time_machine.shift(timedelta(hours=1))
    store.claims.reclaim_stale()
    assert not store.claims.finish(mine, state=State.DONE)
    assert WebhookDelivery.objects.get().state == State.PENDING


# --- Replay -----------------------------------------------------------------------------------------------------------
def test_a_failed_delivery_is_replayed_whole_and_nothing_is_doubled(
    client: Client, fb_page: Page, time_machine: TimeMachineFixture
) -> None:
    from tickets.models import Message

    deliver(client, delivery(fb_page, {"message": {"text": "nobody"}}, text_item(fb_page, "7001", "somebody")))
    kept = WebhookDelivery.objects.get()
    assert kept.state == State.FAILED
    body = json.loads(bytes(kept.body))
    body["entry"][0]["messaging"][0]["sender"] = {"id": "7002"}
    WebhookDelivery.objects.update(body=json.dumps(body).encode())
    assert store.replay([kept.pk]) == 1
    tasks.drain_journal()
    assert WebhookDelivery.objects.get().state == State.DONE
    assert sorted(Message.objects.values_list("text", flat=True)) == ["nobody", "somebody"]


def test_all_failed_since_are_replayed_and_older_ones_are_not(fb_page: Page, desk: Desk) -> None:
    old = make.journal(b"no json", received_at=NOON - timedelta(days=2), state=State.FAILED)
    new = make.journal(texts(fb_page, "a"), received_at=NOON, state=State.FAILED)
    assert store.replay_failed(NOON - timedelta(days=1)) == 1
    tasks.drain_journal()
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (State.FAILED, State.DONE)


def test_a_delivery_that_is_being_processed_is_not_replayed(fb_page: Page, desk: Desk) -> None:
    kept = make.journal(texts(fb_page, "a"), state=State.PROCESSING, claimed_by="someone", claimed_at=NOON)
    assert store.replay([kept.pk]) == 0


# --- Health -----------------------------------------------------------------------------------------------------------
def test_the_report_counts_what_waits_and_what_failed_and_says_how_long(
    fb_page: Page, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON, tick=False)
    make.journal(texts(fb_page, "a"), received_at=NOON - timedelta(seconds=5))
    make.journal(texts(fb_page, "b"), state=State.PROCESSING)
    make.journal(texts(fb_page, "c"), state=State.FAILED)
    make.journal(texts(fb_page, "d"), state=State.DONE)
    report = store.report()
    assert report.values == {"pending": 2, "failed": 1, "oldest_s": 5.0}
    assert report.problems == []
    time_machine.shift(timedelta(minutes=10))
    assert store.report().problems


def test_a_delivery_that_waits_for_its_next_try_is_not_late(fb_page: Page, time_machine: TimeMachineFixture) -> None:
    time_machine.move_to(NOON, tick=False)
    later = NOON + timedelta(hours=1)
    make.journal(texts(fb_page, "a"), received_at=NOON - timedelta(hours=3), attempts=9, retry_after=later)
    assert store.report().values["oldest_s"] == 0
    assert not store.is_due()
