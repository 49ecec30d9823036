"""Background jobs of the worker, each in its own thread, for work that is worthless when it is late.

Nothing waits for them, and they occupy no task slot of the queue. Apps register jobs in `AppConfig.ready()`; the worker
calls `start_due` every second.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection

logger = logging.getLogger(__name__)


@dataclass
class BackgroundJob:
    """A job. `due` says cheaply whether there is work, `run` does it; never twice at once in one worker."""

    name: str
    due: Callable[[], bool]
    run: Callable[[], object]
    thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Run the job in a thread, unless its last run has not ended yet."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._guarded, name=self.name, daemon=True)
            self.thread.start()

    def _guarded(self) -> None:
        try:
            self.run()
        except Exception:
            logger.exception("%s failed", self.name)
        finally:
            connection.close()  # this thread's own


_jobs: dict[str, BackgroundJob] = {}


def register(name: str, due: Callable[[], bool], run: Callable[[], object]) -> None:
    """Register a job: each second the worker calls `due`, and `run` when it returns True."""
    _jobs[name] = BackgroundJob(name, due, run)


def start_due() -> None:
    """Start all jobs that are due."""
    for job in _jobs.values():
        if job.due():
            job.start()
