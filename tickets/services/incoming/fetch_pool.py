"""Fetch rows from Meta in batches: claimed and written by the main thread, requested in parallel by a thread pool."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from desk.queue import enqueue

Row = TypeVar("Row")
Result = TypeVar("Result")


def fetch_all(
    claim: Callable[[int], list[Row]],
    fetch: Callable[[Row], Result],
    store: Callable[[Row, Result], None],
    *,
    batch_size: int,
    max_run_s: float,
    task: str,
) -> int:
    """Fetch until nothing is left to claim; return how many rows were tried.

    After `max_run_s` seconds the run ends and enqueues `task`. `claim(limit)` returns at most `limit` claimed rows.
    `fetch` runs in threads and makes no query; `claim` and `store` run in the caller's thread.
    """
    began, count = time.monotonic(), 0
    with ThreadPoolExecutor(batch_size) as pool:
        while claimed := claim(batch_size):
            for row, result in zip(claimed, pool.map(fetch, claimed), strict=True):
                store(row, result)
            count += len(claimed)
            if time.monotonic() - began > max_run_s:
                enqueue(task)
                break
    return count
