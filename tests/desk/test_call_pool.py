"""Calls for many rows at once: one that is slow delays no other."""

import threading
import time

import pytest

from desk import loops
from desk.call_pool import make_calls

LONG_S = 30  # only a failure takes so long


class Rows:
    """Rows 1, 2, 3 … to call for, of which `free` can be claimed."""

    def __init__(self, free: list[int]) -> None:
        self.free, self.most = free, 0
        self.finished: list[int] = []

    def claim(self, limit: int) -> list[int]:
        self.most = max(self.most, limit)
        claimed, self.free = self.free[:limit], self.free[limit:]
        return claimed

    def finish(self, row: int, result: int) -> None:
        assert result == row * 10
        self.finished.append(row)


def test_all_are_called_and_never_more_at_once_than_allowed() -> None:
    rows, now, most, lock = Rows([*range(20)]), [0], [0], threading.Lock()

    def call(row: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return row * 10

    assert make_calls(rows.claim, call, rows.finish, size=3, max_run_s=LONG_S) == 20
    assert sorted(rows.finished) == [*range(20)]
    assert most[0] <= 3
    assert rows.most == 3


def test_a_slow_call_delays_no_row_that_comes_while_it_is_under_way() -> None:
    slow_may_end, rows = threading.Event(), Rows([1])

    def call(row: int) -> int:
        if row == 1:
            assert slow_may_end.wait(LONG_S)
        if row == 3:
            slow_may_end.set()
        return row * 10

    woken = loops._of_this_thread.woken = threading.Event()

    def come() -> None:
        rows.free += [2, 3]
        woken.set()

    try:
        threading.Timer(0.2, come).start()
        assert make_calls(rows.claim, call, rows.finish, size=2, max_run_s=LONG_S) == 3
    finally:
        del loops._of_this_thread.woken
    assert rows.finished[0] == 2


def test_a_run_that_is_over_claims_no_more_and_finishes_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_stopping", threading.Event())
    rows = Rows([*range(10)])

    def call(row: int) -> int:
        loops.Loop.stop()
        return row * 10

    assert make_calls(rows.claim, call, rows.finish, size=2, max_run_s=LONG_S) == 2
    assert sorted(rows.finished) == [0, 1]


def test_a_result_that_cannot_be_written_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows([1, 2, 3])

    def call(row: int) -> int:
        if row == 2:
            raise ValueError("no")
        return row * 10

    assert make_calls(rows.claim, call, rows.finish, size=3, max_run_s=LONG_S) == 3
    assert sorted(rows.finished) == [1, 3]
    assert "could not be written" in caplog.text
