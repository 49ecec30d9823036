"""While Redis does not answer, due tasks are run all the same."""

from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django_q import tasks as queue_tasks
from django_q.brokers.redis_broker import Redis as RedisBroker
from django_q.conf import Conf
from pytest_django import Settings

from desk import queue, sweeper
from launcher.ports import free_port


@pytest.fixture
def no_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks go to a Redis that is not there."""
    monkeypatch.setattr(Conf, "REDIS", f"redis://127.0.0.1:{free_port()}/0")
    settings.Q_CLUSTER = {}
    monkeypatch.setattr(queue, "async_task", partial(queue_tasks.async_task, broker=RedisBroker()))
    monkeypatch.setattr(queue, "_away_until", [float("-inf")])
    monkeypatch.setattr(queue, "_warned_at", [float("-inf")])


@pytest.mark.django_db(transaction=True)
def test_tasks_that_redis_does_not_take_are_one_line_in_the_log(
    no_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        for _ in range(3):
            queue.enqueue("tickets.tasks.index_texts")
    assert queue.is_away()
    assert len([record for record in caplog.records if record.name == "desk.queue"]) == 1
    assert not [record for record in caplog.records if record.exc_info]


ran: list[int] = []


def note() -> None:
    ran.append(1)


def test_the_sweep_runs_due_tasks_itself_while_redis_is_away(
    no_redis: None, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> None:
    monkeypatch.setattr(sweeper, "_registered", {})
    monkeypatch.setattr(sweeper, "_threads", {})
    sweeper.register("rows", lambda: True, f"{__name__}.note")
    with django_db_blocker.unblock():
        assert sweeper.enqueue_due() == ["rows"]
        sweeper.wait_for_own_tasks(10)
    assert ran == [1]


@pytest.mark.django_db
def test_the_sweep_runs_nothing_itself_while_the_queue_takes_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "_registered", {})
    monkeypatch.setattr(sweeper, "_threads", {})
    sweeper.register("rows", lambda: True, f"{__name__}.note")
    assert sweeper.enqueue_due() == ["rows"]
    assert not sweeper._threads
