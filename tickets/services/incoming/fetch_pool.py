"""What waits to be fetched from Meta: claimed a few at a time, asked for at once in threads, kept by the main one."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from desk.queue import enqueue

Row = TypeVar("Row")
Found = TypeVar("Found")


def fetch_all(
    claim: Callable[[int], list[Row]],
    fetch: Callable[[Row], Found],
    keep: Callable[[Row, Found], None],
    *,
    at_once: int,
    longest_run_s: float,
    task: str,
) -> int:
    """Fetch until nothing is claimed any more; return how many rows were tried. Nudges `task` when the time is up.

    `fetch` runs in threads and touches no database; `claim` and `keep` run in the caller's.
    """
    began, count = time.monotonic(), 0
    with ThreadPoolExecutor(at_once) as pool:
        while claimed := claim(at_once):
            for row, found in zip(claimed, pool.map(fetch, claimed), strict=True):
                keep(row, found)
            count += len(claimed)
            if time.monotonic() - began > longest_run_s:
                enqueue(task)
                break
    return count
