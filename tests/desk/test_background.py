"""Background jobs that the worker runs beside its tasks."""

import threading

import pytest

from desk.background import BackgroundJob
from tests.matching import present

LONG_S = 30  # only a failure takes so long


def test_it_runs_in_a_thread_of_its_own_and_never_twice_at_once() -> None:
    began, may_end, runs = threading.Event(), threading.Event(), []

    def run() -> None:
        runs.append(threading.current_thread())
        began.set()
        may_end.wait(LONG_S)

    aside = BackgroundJob("signals", lambda: True, run)
    aside.start()
    assert began.wait(LONG_S)
    aside.start()
    may_end.set()
    present(aside.thread).join(LONG_S)
    assert len(runs) == 1
    assert runs[0] is not threading.current_thread()
    aside.start()
    present(aside.thread).join(LONG_S)
    assert len(runs) == 2


def test_one_that_fails_is_logged_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = []

    def run() -> None:
        runs.append(1)
        raise ValueError("no")

    aside = BackgroundJob("signals", lambda: True, run)
    for _ in range(2):
        aside.start()
        present(aside.thread).join(LONG_S)
    assert len(runs) == 2
    assert "signals failed" in caplog.text
