"""What the worker does beside everything else, each in a thread of its own: for what is worthless when it is late.

Nothing waits for it and it takes no place of a task. Apps register in `ready()`; the worker calls `start_due`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection

logger = logging.getLogger(__name__)


@dataclass
class BackgroundJob:
    """`due` says cheaply whether there is anything to do, `run` does it; never twice at once in one worker."""

    name: str
    due: Callable[[], bool]
    run: Callable[[], object]
    thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Run in a thread, unless the last run has not ended yet."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._guarded, name=self.name, daemon=True)
            self.thread.start()

    def _guarded(self) -> None:
        try:
            self.run()
        except Exception:
            logger.exception("%s failed", self.name)
        finally:
            connection.close()  # of this thread alone


_jobs: dict[str, BackgroundJob] = {}


def register(name: str, due: Callable[[], bool], run: Callable[[], object]) -> None:
    """Let the worker look each second whether `run` has anything to do."""
    _jobs[name] = BackgroundJob(name, due, run)


def start_due() -> None:
    """Start whatever has something to do."""
    for aside in _jobs.values():
        if aside.due():
            aside.start()
