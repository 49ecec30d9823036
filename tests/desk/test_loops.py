"""The worker's loops do work as soon as another process has committed it, in processes that are kept running."""

import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from desk import loops, wake
from desk.models import LiveEvent

SOON_S = 0.9  # without a wake the job looks after a second
JOB, LOOP = "work", "intake"


class Work:
    """Rows of LiveEvent are the work. `moments` says when the job found some."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.done = 0
        self.failures = 0

    def has_done(self, count: int) -> bool:
        return self.done == count

    def due(self) -> bool:
        return LiveEvent.objects.exists()

    def run(self) -> int:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("out of order")
        count, _by_model = LiveEvent.objects.all().delete()
        self.done += count
        self.moments.append(time.monotonic())
        return count


def until(ready: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def add_work() -> None:
    """Commit work as another process does."""

    def add() -> None:
        with transaction.atomic():
            LiveEvent.objects.create(payload={})
            wake.wake(JOB)
        connection.close()

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()


@pytest.fixture
def work(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    work, stop = Work(), threading.Event()
    monkeypatch.setattr(loops, "_jobs", {})
    monkeypatch.setattr(loops, "_stopping", stop)
    loops.register(JOB, LOOP, work.due, work.run)
    loops.register("elsewhere", loops.SENDER, lambda: pytest.fail("a job of another loop"), lambda: 0)
    add_work()  # before the loop listens
    thread = threading.Thread(target=loops.Loop(LOOP).run)
    thread.start()
    until(lambda: work.done == 1)
    yield work
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_work_is_done_as_soon_as_it_is_committed(work: Work) -> None:
    waits = []
    for done in (2, 3, 4):
        add_work()
        committed = time.monotonic()
        until(partial(work.has_done, done))
        waits.append(work.moments[-1] - committed)
    assert min(waits) < SOON_S


@pytest.mark.slow
def test_a_job_that_fails_runs_again(work: Work) -> None:
    work.failures = 2
    add_work()
    until(lambda: work.done == 2)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_burst_costs_one_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "_woken_at", {})
    with CaptureQueriesContext(connection) as asked:
        for _ in range(10):
            wake.wake(JOB, at_most_every=60)
    assert len(asked) == 1


def test_each_job_is_in_a_loop_that_a_worker_starts() -> None:
    assert {job.loop for job in loops._jobs.values()} == set(settings.DESK_LOOPS)


def test_jobs_take_no_more_rows_while_the_worker_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_stopping", threading.Event())
    began = time.monotonic()
    assert loops.may_go_on(began, 60)
    assert not loops.may_go_on(began - 61, 60)
    loops.Loop.stop()
    assert not loops.may_go_on(began, 60)


def test_the_thread_that_handles_signals_never_waits_for_the_event_that_they_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal that came while it holds the lock of the event could not set it: the process would stand still."""
    waiting: list[threading.Thread] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waiting.append(threading.current_thread())
            return super().wait(timeout)

    monkeypatch.setattr(loops, "_jobs", {})
    monkeypatch.setattr(loops, "_stopping", Stopping())
    monkeypatch.setattr(wake, "listen", lambda _woken, stop: stop.wait(20))
    loops.register(JOB, LOOP, lambda: False, lambda: 0)
    threading.Timer(0.2, loops.Loop.stop).start()
    loops.Loop(LOOP).run()
    assert waiting
    assert threading.current_thread() not in waiting


# --- Processes --------------------------------------------------------------------------------------------------------
PROGRAM = textwrap.dedent(
    """
    import os, sys, time
    from django.conf import settings
    settings.configure(DESK_LOOPS={"intake": 2, "sender": 0}, DATABASES={})
    import django
    django.setup()
    from desk import loop_processes, loops

    def run(self):
        os.write(1, f"began {os.getpid()}\\n".encode())
        loops._stopping.wait(60)
        time.sleep(0.5)  # the running job ends
        os.write(1, f"ended {os.getpid()}\\n".encode())

    if "slow" in sys.argv:  # the processes of the loops take long until they handle signals
        main = os.getpid()
        os.register_at_fork(
            after_in_parent=lambda: os.getpid() != main and os.write(1, b"forked\\n"),
            after_in_child=lambda: time.sleep(0.5),
        )
    loop_processes.die_with_parent()
    loops.Loop.run = run
    loop_processes.RESTART_DELAY_S, loop_processes.FINISH_S = 0.1, 10
    processes = loop_processes.LoopProcesses()
    processes.start()
    sys.stdin.readline()
    processes.stop()
    print("stopped", flush=True)
    """
)


class Program:
    """A process that keeps two processes of a loop running."""

    def __init__(self, path: Path, *arguments: str) -> None:
        script = path / "program.py"
        script.write_text(PROGRAM)
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = Popen([sys.executable, script, *arguments], stdin=PIPE, stdout=PIPE, text=True, env=environment)

    def says(self, word: str) -> int:
        """Return the number in the next line, which must begin with `word`."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        assert said[:1] == [word]
        return int(said[1]) if len(said) > 1 else 0

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@pytest.fixture
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(tmp_path, *getattr(request, "param", ()))
    with program.process:
        yield program
        program.process.kill()


@pytest.mark.slow
def test_a_loop_that_is_killed_starts_again_and_all_end_in_order(program: Program) -> None:
    first, second = program.says("began"), program.says("began")
    os.kill(first, signal.SIGKILL)
    third = program.says("began")
    assert len({first, second, third}) == 3
    program.stop()
    assert {program.says("ended"), program.says("ended")} == {second, third}
    program.says("stopped")
    assert program.process.wait(20) == 0


@pytest.mark.slow
@pytest.mark.parametrize("program", [["slow"]], indirect=True)
def test_loops_that_have_just_started_hear_that_they_must_stop(program: Program) -> None:
    program.says("forked")
    program.says("forked")
    program.stop()
    assert program.process.stdout is not None
    said = [program.process.stdout.readline().split()[0] for _ in range(5)]
    assert (said.count("began"), said.count("ended"), said[-1]) == (2, 2, "stopped")
