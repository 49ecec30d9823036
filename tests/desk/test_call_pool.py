"""Calls for many rows at once: one that is slow delays no other."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import DatabaseError

from desk import http, loops
from desk.call_pool import make_calls, threads

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


class Server(ThreadingHTTPServer):
    """A server that keeps connections, and the client's ports in the order of the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ports: list[int] = []

    def ask(self, row: int) -> int:
        with http.thread_session().get(f"http://127.0.0.1:{self.server_port}/") as response:
            assert response.text == "yes"
        return row * 10


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.ports.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"yes")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        threads(1).submit(lambda: http.thread_session().close()).result()
        server.shutdown()
        thread.join()


def test_a_connection_is_kept_from_one_run_to_the_next(server: Server) -> None:
    for row in range(3):
        rows = Rows([row])
        assert make_calls(rows.claim, server.ask, rows.finish, size=1, max_run_s=LONG_S) == 1
    assert len(server.ports) == 3
    assert len(set(server.ports)) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_IDLE_S", 0.0)  # a limit, lowered
    for row in range(2):
        rows = Rows([row])
        make_calls(rows.claim, server.ask, rows.finish, size=1, max_run_s=LONG_S)
    assert len(set(server.ports)) == 2


def test_a_database_error_leaves_no_call_under_way() -> None:
    rows, may_end, ended = Rows([1, 2]), threading.Event(), threading.Event()

    def call(row: int) -> int:
        if row == 2:
            assert may_end.wait(LONG_S)
            ended.set()
        return row * 10

    def finish(_row: int, _result: int) -> None:
        threading.Timer(0.1, may_end.set).start()
        raise DatabaseError

    with pytest.raises(DatabaseError):
        make_calls(rows.claim, call, finish, size=2, max_run_s=LONG_S)
    assert ended.is_set()
