"""Start the processes of the worker's loops (desk.loops), and start anew those that end.

One process, which has no threads of its own, forks them all: a fork of a process whose threads are at work could copy
a lock that nobody releases.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.context import ForkProcess
from typing import Any

from django.conf import settings
from django.db import connections

from desk import garbage
from desk.loops import Loop

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.2
RESTART_DELAY_S = 1.0
FINISH_S = 30.0  # how long the jobs may take to end
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_fork = multiprocessing.get_context("fork")


class LoopProcesses:
    """The processes of the loops, as DESK_LOOPS says how many of each."""

    def __init__(self) -> None:
        self._keeper = _fork.Process(target=_keep, args=[dict(settings.DESK_LOOPS)], name="loops")

    def start(self) -> None:
        """Start them. Call it before this process has threads."""
        connections.close_all()  # a process that is forked must not inherit a connection
        garbage.settle()  # or the collector of each process would copy the memory that they share
        self._keeper.start()

    def is_alive(self) -> bool:
        """Return whether they are kept running."""
        return self._keeper.is_alive()

    def request_stop(self) -> None:
        """Let the running jobs end; safe in a signal handler."""
        if self._keeper.pid is not None and self._keeper.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(self._keeper.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Let the running jobs end, and return when they have; those that take longer than FINISH_S are killed."""
        self.request_stop()
        self._keeper.join(FINISH_S + 5)


def die_with_parent() -> None:
    """From now on let each process that is forked end when the one that forked it was killed, so none is orphaned."""
    forking = [0]
    os.register_at_fork(
        before=lambda: forking.__setitem__(0, os.getpid()), after_in_child=lambda: _watch_parent(forking[0])
    )


def _watch_parent(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


def _keep(counts: dict[str, int]) -> None:
    """Keep so many processes of each loop running until a signal asks to stop."""
    stopping: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda received, _frame: stopping.append(received))
    wanted = [name for name, count in counts.items() for _ in range(count)]
    running = [_started(name) for name in wanted]
    while not stopping:
        time.sleep(CHECK_EVERY_S)
        for place, process in enumerate(running):
            if not process.is_alive() and not stopping:
                logger.error("The loop %s ended with code %s; it starts again", process.name, process.exitcode)
                time.sleep(RESTART_DELAY_S)
                if not stopping:
                    running[place] = _started(wanted[place])
    _end(running)


def _started(name: str) -> ForkProcess:
    """Start a process of a loop. A signal that comes before its handlers are there waits for them (`_run`)."""
    process = _fork.Process(target=_run, args=[name], name=name)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    return process


def _end(running: list[ForkProcess]) -> None:
    for process in running:
        process.terminate()
    ends_at = time.monotonic() + FINISH_S
    for process in running:
        process.join(max(0.0, ends_at - time.monotonic()))
        if process.is_alive():
            logger.error("The loop %s did not end within %s seconds; it is killed", process.name, FINISH_S)
            process.kill()


def _run(name: str) -> None:
    loop = Loop(name)

    def stop(*_: Any) -> None:
        loop.stop()

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    loop.run()
