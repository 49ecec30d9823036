"""The worker's loops: processes that do the hot work as soon as there is some, without the queue.

Each loop is a process (desk/loop_processes.py) with a thread for each of its jobs. A job's rows say what there is to
do; `desk.wake` wakes its thread as soon as they are committed. A lost wake costs at most CHECK_EVERY_S: the thread
looks for due rows in any case. Several processes, also on several machines, may run the same loop: the jobs claim their
rows. Apps register jobs in `AppConfig.ready()`.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, close_old_connections, connection

from desk import timings, wake

logger = logging.getLogger(__name__)

INTAKE, SENDER, FETCHER, WEBHOOKS = "intake", "sender", "fetcher", "webhooks"
CHECK_EVERY_S = 1.0
RETRY_DELAY_S = 1.0


@dataclass(frozen=True)
class Job:
    """A job of a loop. `due` says cheaply whether there is work; `run` does some of it and returns how much.

    `run` ends when nothing is due or `may_go_on` says so. `pause_s` is how long the job rests after each check, in
    seconds: on SQLite every commit wakes every job.
    """

    name: str
    loop: str
    due: Callable[[], bool]
    run: Callable[[], int]
    pause_s: float = 0.0


_jobs: dict[str, Job] = {}
_stopping = threading.Event()
_of_this_thread = threading.local()


def register(name: str, loop: str, due: Callable[[], bool], run: Callable[[], int], *, pause_s: float = 0.0) -> None:
    """Register a job of a loop (INTAKE, SENDER, FETCHER or WEBHOOKS); `desk.wake.wake(name)` wakes it."""
    _jobs[name] = Job(name, loop, due, run, pause_s)


def woken() -> threading.Event:
    """Return the event that is set when the job of this thread is woken; outside of a loop a new one.

    A job that waits for something else as well may clear it, and look for new rows when it is set.
    """
    return getattr(_of_this_thread, "woken", None) or threading.Event()


def names_of(loop: str) -> list[str]:
    """Return the names of the jobs of a loop."""
    return [job.name for job in _jobs.values() if job.loop == loop]


def may_go_on(began: float, max_run_s: float) -> bool:
    """Return whether a job that began at `began` (time.monotonic) may take more rows: not while the worker stops."""
    return not _stopping.is_set() and time.monotonic() - began < max_run_s


class Loop:
    """The jobs of one loop, run by threads of this process."""

    def __init__(self, name: str) -> None:
        self._woken = {job: threading.Event() for job in _jobs.values() if job.loop == name}
        self._threads = [threading.Thread(target=self._run_job, args=[job], name=job.name) for job in self._woken]

    def run(self) -> None:
        """Run the jobs until `stop`, then let the running ones end.

        The thread that calls this only waits for others: a signal that it handles must not find it at `_stopping`,
        whose lock `stop` would then wait for without end.
        """
        flusher = timings.Flusher()
        flusher.start()
        listener = threading.Thread(target=wake.listen, args=[self._wake, _stopping], name="listener")
        for thread in (*self._threads, listener):
            thread.start()
        listener.join()
        self._wake(None)
        for thread in self._threads:
            thread.join()
        flusher.stop()

    @staticmethod
    def stop() -> None:
        """Let the jobs of this process end; safe in a signal handler of the thread that calls `run`."""
        _stopping.set()

    def _wake(self, names: set[str] | None) -> None:
        for job, woken in self._woken.items():
            if names is None or job.name in names:
                woken.set()

    def _run_job(self, job: Job) -> None:
        woken = _of_this_thread.woken = self._woken[job]
        while not _stopping.is_set():
            woken.clear()
            try:
                close_old_connections()
                while not _stopping.is_set() and job.due() and job.run():
                    pass
                pause_s = job.pause_s
            except DatabaseError as error:
                logger.warning("%s was interrupted: %s", job.name, error)
                pause_s = RETRY_DELAY_S
                connection.close()
            except Exception:
                logger.exception("%s failed", job.name)
                pause_s = RETRY_DELAY_S
                connection.close()
            _stopping.wait(pause_s)
            woken.wait(CHECK_EVERY_S)
        connection.close()
