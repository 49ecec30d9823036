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

    job = BackgroundJob("signals", lambda: True, run)
    job.start()
    assert began.wait(LONG_S)
    job.start()
    may_end.set()
    present(job.thread).join(LONG_S)
    assert len(runs) == 1
    assert runs[0] is not threading.current_thread()
    job.start()
    present(job.thread).join(LONG_S)
    assert len(runs) == 2


def test_one_that_fails_is_logged_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = []

    def run() -> None:
        runs.append(1)
        raise ValueError("no")

    job = BackgroundJob("signals", lambda: True, run)
    for _ in range(2):
        job.start()
        present(job.thread).join(LONG_S)
    assert len(runs) == 2
    assert "signals failed" in caplog.text
