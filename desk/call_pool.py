"""Make calls for many rows at once: the caller's thread claims and writes the rows, others make the calls."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from django.db import DatabaseError

from desk import loops

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")

LOOK_EVERY_S = 1.0  # for rows of which no wake was heard

_of_this_thread = threading.local()


def threads(size: int) -> ThreadPoolExecutor:
    """Return `size` threads for the calls of this thread. They live as long as it, so that connections are kept."""
    if getattr(_of_this_thread, "pid", None) != os.getpid():  # the threads of a process are not in its fork
        _of_this_thread.pid, _of_this_thread.pools = os.getpid(), {}
    pools: dict[int, ThreadPoolExecutor] = _of_this_thread.pools
    if size not in pools:
        pools[size] = ThreadPoolExecutor(size)
    return pools[size]


def make_calls(
    claim: Callable[[int], Sequence[Row]],
    call: Callable[[Row], Result],
    finish: Callable[[Row, Result], None],
    *,
    size: int,
    max_run_s: float,
) -> int:
    """Make up to `size` calls at a time until no row is left to claim; return how many were made.

    `claim(limit)` returns at most `limit` claimed rows. It is asked again whenever a call ends or the job of this
    thread is woken, so a slow call delays no other row; after `max_run_s` seconds it is not asked any more. `call` runs
    in threads and makes no query; `claim` and `finish` run in the caller's thread.
    """
    running: dict[Future[Result], Row] = {}
    began, count, woken = time.monotonic(), 0, loops.woken()
    try:
        while True:
            woken.clear()
            if loops.may_go_on(began, max_run_s) and len(running) < size:
                for row in claim(size - len(running)):
                    future = threads(size).submit(call, row)
                    running[future] = row
                    future.add_done_callback(lambda _future: woken.set())
                    count += 1
            if not running:
                return count
            woken.wait(LOOK_EVERY_S)
            for future in [future for future in running if future.done()]:
                _finish(finish, running.pop(future), future)
    finally:
        wait(running)


def _finish(finish: Callable[[Row, Result], None], row: Row, future: "Future[Result]") -> None:
    """Write a result. A row of which that fails keeps its claim until it expires; the others go on."""
    try:
        finish(row, future.result())
    except DatabaseError:
        raise
    except Exception:
        logger.exception("The result of a call could not be written")
