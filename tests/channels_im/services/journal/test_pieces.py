"""Deliveries with very many events are processed in pieces: others wait for one piece, and nothing is done twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from time_machine import TimeMachineFixture

from channels_im import tasks
from channels_im.models import Page, WebhookDelivery
from channels_im.services.journal import drain, pieces, progress, retry_one, store
from desk import sweeper
from tests import factories as make
from tests.channels_im.services.journal.test_drain import Desk, Died, die, fail
from tests.factories import NOON, delivery, text_item
from tests.matching import present
from tickets.models import Message

pytestmark = pytest.mark.django_db

State = WebhookDelivery.State


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The receiver of test_drain, which notes in which order it takes texts in."""
    desk = Desk()
    monkeypatch.setattr(store, "_registered", [])
    store.register_receiver(desk.receive)
    return desk


@pytest.fixture
def fb_page() -> Page:
    return make.make_channel().page


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_EVENTS_PER_DELIVERY", 20)


def of_one(fb_page: Page, count: int, psid: str = "7000") -> dict[str, Any]:
    return delivery(
        fb_page, *(text_item(fb_page, psid, f"one {n:03}", NOON + timedelta(seconds=n)) for n in range(count))
    )


def of_many(fb_page: Page, count: int) -> dict[str, Any]:
    return delivery(
        fb_page, *(text_item(fb_page, f"1{n:04}", f"many {n:03}", NOON, mid=f"m_many_{n:03}") for n in range(count))
    )


@pytest.mark.parametrize("big", [of_one, of_many])
def test_others_wait_at_most_one_piece_and_all_is_processed_once_and_in_order(
    fb_page: Page, desk: Desk, big: Callable[[Page, int], dict[str, Any]]
) -> None:
    make.journal(big(fb_page, 105))
    make.journal(delivery(fb_page, text_item(fb_page, "9999", "other", NOON)))
    finished = tasks.drain_journal()
    assert finished == 2
    assert desk.tried.index("other") <= 10  # in the first or second transaction
    mine = [text for text in desk.tried if text != "other"]
    assert mine == sorted(mine)
    assert len(mine) == 105
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {(State.DONE, 1)}
    assert WebhookDelivery.objects.order_by("pk").values_list("pieces", flat=True)[0] == 5


def test_what_arrives_meanwhile_is_processed_before_the_next_pieces(
    fb_page: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Continued deliveries, however many, leave places for new ones."""
    for number in range(store.CONTINUED + 3):
        make.journal(of_one(fb_page, 50, psid=f"70{number}"))
    store.receiver()
    batch = store.claim_new(100)
    drain.process_batch(batch)
    make.journal(delivery(fb_page, text_item(fb_page, "9999", "other", NOON)))
    desk.tried.clear()
    drain.process_batch(store.claim_new(store.CONTINUED + 1))
    assert "other" in desk.tried
    assert len(desk.tried) == store.CONTINUED * 20 + 1


def test_a_batch_that_takes_long_is_given_back_and_what_was_not_reached_keeps_its_place(
    fb_page: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "MAX_PIECE_S", 0)
    for number in range(3):
        make.journal(of_one(fb_page, 10, psid=f"70{number}"))
    assert drain.process_batch(store.claim_new(10)) == 1
    assert len(desk.tried) == 10
    rows = list(WebhookDelivery.objects.order_by("pk").values_list("state", "attempts", "pieces", "claimed_by"))
    assert rows == [(State.DONE, 1, 0, ""), (State.PENDING, 0, 0, ""), (State.PENDING, 0, 0, "")]


def test_a_failing_event_waits_for_the_next_attempt_and_the_pieces_go_on_without_it(
    fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["one 003"] = fail
    make.journal(of_one(fb_page, 50))
    tasks.drain_journal()
    kept = WebhookDelivery.objects.get()
    assert (kept.state, kept.attempts) == (State.PENDING, 1)
    assert present(kept.retry_after) > NOON
    assert len(desk.taken) == 49
    assert desk.tried.count("one 003") == 2  # together with others, then alone
    assert desk.tried.count("one 030") == 1
    time_machine.shift(timedelta(seconds=5))
    desk.orders.clear()
    tasks.drain_journal()
    assert WebhookDelivery.objects.get().state == State.DONE
    assert desk.tried.count("one 003") == 3


@pytest.mark.django_db(transaction=True)
def test_what_was_done_before_a_kill_is_not_done_again_and_only_the_killer_is_blamed(
    fb_page: Page, desk: Desk, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(NOON)
    desk.orders["one 033"] = die
    make.journal(of_one(fb_page, 50))
    with pytest.raises(Died):
        tasks.drain_journal()
    assert len(desk.taken) == 30  # the transaction of the killer is gone
    desk.tried.clear()
    for _ in range(3):
        time_machine.shift(timedelta(hours=1))
        sweeper.reclaim()
        time_machine.shift(timedelta(hours=1))
        with pytest.raises(Died):
            tasks.drain_journal()
    assert not {text for text in desk.tried if text < "one 030"}
    assert len(desk.taken) == 49
    blamed = [entry for entry in progress.unpack(WebhookDelivery.objects.get().progress).values() if entry.get("error")]
    assert len(blamed) == 1
    assert blamed[0]["tries"] == 3


def test_a_retry_that_takes_long_is_given_back_without_another_attempt(
    fb_page: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make.journal(of_one(fb_page, 5), attempts=2)
    monkeypatch.setattr(retry_one, "MAX_PIECE_S", 0)
    claimed = present(store.claim_retry())
    retry_one.process(claimed)
    kept.refresh_from_db()
    assert (kept.state, kept.attempts, kept.claimed_by) == (State.PENDING, 2, "")
    monkeypatch.setattr(retry_one, "MAX_PIECE_S", 60)
    tasks.drain_journal()
    kept.refresh_from_db()
    assert (kept.state, len(desk.taken)) == (State.DONE, 5)


def test_an_event_is_tried_once_per_attempt_though_the_attempt_has_pieces(
    fb_page: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        desk.orders[f"one {number:03}"] = fail
    make.journal(of_one(fb_page, 4), attempts=2)
    ticks = iter(range(1000))
    monkeypatch.setattr(retry_one.time, "monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(retry_one, "MAX_PIECE_S", 2)  # one event in each piece
    for _ in range(10):
        if claimed := store.claim_retry():
            retry_one.process(claimed)
    assert sorted(desk.tried) == ["one 000", "one 001", "one 002", "one 003"]
    assert WebhookDelivery.objects.get().retry_after is not None


@pytest.mark.parametrize("path", ["batch", "retry"])
def test_long_work_renews_its_claims(
    fb_page: Page, desk: Desk, settings: Settings, path: str, time_machine: TimeMachineFixture
) -> None:
    settings.DESK_CLAIM_SECONDS = 0
    make.journal(of_one(fb_page, 30), attempts=0 if path == "batch" else 2)
    renewed: list[object] = []
    renew = store.claims.renew

    def renew_and_count(rows: Any) -> set[int]:
        renewed.append(rows)
        return renew(rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store.claims), "renew", lambda _self, rows: renew_and_count(rows))
        tasks.drain_journal()
    assert len(renewed) >= 3
    assert WebhookDelivery.objects.get().state == State.DONE


@pytest.mark.parametrize("count", [5, 50], ids=["small", "large"])
def test_who_loses_a_claim_stops_and_what_it_did_in_that_transaction_is_undone(
    fb_page: Page, desk: Desk, settings: Settings, count: int
) -> None:
    settings.DESK_CLAIM_SECONDS = 0  # renews before each transaction
    make.journal(of_one(fb_page, count))
    other = make.journal(delivery(fb_page, text_item(fb_page, "9999", "other", NOON)))

    def lose() -> None:
        WebhookDelivery.objects.exclude(pk=other.pk).update(claimed_by="another worker")

    desk.orders["one 002"] = lose
    drain.process_batch(store.claim_new(10))
    assert "one 025" not in desk.tried
    assert desk.taken == (["other"] if count == 50 else desk.taken)
    other.refresh_from_db()
    assert other.state == State.DONE
    assert WebhookDelivery.objects.exclude(pk=other.pk).get().state == State.PROCESSING


def test_the_progress_of_thousands_of_events_is_short_and_readable() -> None:
    entries: dict[int, dict[str, Any]] = {index: {"state": "done"} for index in range(4000)}
    entries[7] = {"state": "waiting", "tries": 2, "error": "no luck", "kind": "Read", "attempt": 3}
    packed = progress.pack(entries)
    assert len(str(packed)) < 1200
    assert progress.unpack(packed) == entries
    old = {"0": {"kind": "Read", "state": "done", "tries": 1, "error": ""}}  # as earlier versions wrote it
    assert progress.unpack(old) == {0: old["0"]}


@pytest.mark.slow
def test_a_replay_begins_with_the_first_piece(client: Client, fb_page: Page) -> None:
    kept = make.journal(of_one(fb_page, 50), state=State.FAILED, pieces=3, progress={"done": "ff"})
    store.replay([kept.pk])
    tasks.drain_journal()
    assert Message.objects.count() == 50
