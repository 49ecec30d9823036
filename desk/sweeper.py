"""Find waiting rows without the queue, so that no row waits for a task that was lost. Apps register in `ready()`."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from django.utils.module_loading import import_string

from desk.queue import enqueue, is_away

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WaitingRows:
    """One kind of waiting rows. `due` says cheaply whether there are any; `task` (a dotted name) processes them.

    `reclaim` cleans up, above all releases the claims of dead workers, and returns the number of rows changed. Rows
    that no task processes, but that must be deleted when they are old, have a `reclaim` alone.
    """

    name: str
    due: Callable[[], bool] | None = None
    task: str = ""
    reclaim: Callable[[], int] | None = None


_registered: dict[str, WaitingRows] = {}
_threads: dict[str, threading.Thread] = {}


def register(
    name: str, due: Callable[[], bool] | None = None, task: str = "", reclaim: Callable[[], int] | None = None
) -> None:
    """Register a kind of rows: the worker calls `due` each second and `reclaim` each DESK_SWEEP_SECONDS."""
    _registered[name] = WaitingRows(name, due, task, reclaim)


def enqueue_due() -> list[str]:
    """Enqueue the task of all rows that are due; return their names. A check that fails does not stop the others."""
    return [rows.name for rows in _registered.values() if _guarded(rows, _enqueue_if_due)]


def reclaim() -> int:
    """Call all registered `reclaim`s; return how many rows they changed. One that fails does not stop the others."""
    return sum(_guarded(rows, _reclaim_one) for rows in _registered.values())


def _guarded(rows: WaitingRows, act: Callable[[WaitingRows], int]) -> int:
    try:
        return act(rows)
    except Exception:
        logger.exception("Sweeping %s failed", rows.name)
        return 0


def _enqueue_if_due(rows: WaitingRows) -> int:
    if rows.due is None or not rows.due():
        return 0
    enqueue(rows.task)
    if is_away():
        _run_here(rows)
    return 1


def wait_for_own_tasks(timeout_s: float) -> None:
    """Wait until the tasks that run in this process have ended, at most `timeout_s` seconds for each."""
    for thread in _threads.values():
        thread.join(timeout_s)


def _run_here(rows: WaitingRows) -> None:
    """Run the task in a thread of this process, once at a time: the queue does not take it."""
    running = _threads.get(rows.name)
    if running is None or not running.is_alive():
        _threads[rows.name] = threading.Thread(target=_run_task, args=[rows], name=rows.name, daemon=True)
        _threads[rows.name].start()


def _run_task(rows: WaitingRows) -> None:
    try:
        import_string(rows.task)()
    except Exception:
        logger.exception("%s failed", rows.name)
    finally:
        connection.close()  # this thread's own


def _reclaim_one(rows: WaitingRows) -> int:
    count = rows.reclaim() if rows.reclaim else 0
    if count:
        logger.info("%s: %s rows reclaimed", rows.name, count)
    return count
