"""`make run` from the first start to Ctrl-C."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from launcher.ports import check_free, free_port
from tests.migrated import DATABASE, migrated

pytestmark = [pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]
ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120


class MakeRun:
    """`make run` in a session of its own, as in a terminal."""

    def __init__(self, directory: Path, goal: str = "run", **settings: str) -> None:
        self.directory = directory
        self.port, self.sandbox_port = free_port(), free_port()
        ours = ("DESK_", "META_", "DATABASE_", "REDIS_", "DJANGO_", "MAKE", "MFLAGS")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        ports = {"PORT": str(self.port), "SANDBOX_PORT": str(self.sandbox_port)}
        self.output = directory / "output"
        with self.output.open("a") as out:
            self.began = out.tell()  # what an earlier run printed stands before it
            self.process = subprocess.Popen(
                ["make", goal, f"VENV={sys.prefix}", f"PYTHON={sys.executable}"],
                cwd=ROOT,
                env={**clean, "DESK_DATA_DIR": str(directory / "var"), **ports, **settings},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self.output.read_bytes()[self.began :].decode()

    def wait_until_printed(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.printed:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)

    def press_ctrl_c(self) -> None:
        """Do what a terminal does: send SIGINT to all processes in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)

    def left_running(self) -> list[str]:
        """Return the command lines of the processes that still use this run's data folder."""
        mark = f"DESK_DATA_DIR={self.directory / 'var'}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def pids_of(self, name: str) -> list[int]:
        """Return the ids of this run's processes whose command line contains `name`."""
        mark = f"DESK_DATA_DIR={self.directory / 'var'}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes() and name.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        return sorted(found)

    def end(self) -> None:
        if self.process.poll() is None:
            self.press_ctrl_c()


MakeRuns = Callable[..., MakeRun]


@pytest.fixture(scope="session")
def nearly_migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database in which only the table of sessions is left to migrate: all tables take ten seconds each time.

    Without that table nobody can log in, so a start that does not migrate fails.
    """
    folder = tmp_path_factory.getbasetemp()
    copy = tmp_path_factory.mktemp("nearly_migrated") / DATABASE
    shutil.copy(migrated(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder), copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DROP TABLE django_session")
        assert connection.execute("DELETE FROM django_migrations WHERE app = 'sessions'").rowcount == 1
    return copy


@pytest.fixture
def make_run(tmp_path: Path, nearly_migrated: Path) -> Iterator[MakeRuns]:
    """Return a function that starts `make run`, or another goal; the runs are stopped after the test."""
    runs: list[MakeRun] = []
    (tmp_path / "var").mkdir()
    shutil.copy(nearly_migrated, tmp_path / "var" / DATABASE)

    def start(goal: str = "run", **settings: str) -> MakeRun:
        runs.append(MakeRun(tmp_path, goal, **settings))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


def get(url: str) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    return session.get(url, timeout=10)


def has_sessions(run: MakeRun) -> bool:
    """Return whether the database of the run has the table that it did not have at first."""
    with closing(sqlite3.connect(run.directory / "var" / DATABASE)) as connection:
        return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'django_session'").fetchall())


def test_make_run_starts_stops_on_ctrl_c_starts_again_and_stops_when_one_process_dies(make_run: MakeRuns) -> None:
    """All in one test: each start takes as long as a hundred other tests."""
    first = make_run()
    first.wait_until_printed("Log in as alice or bob")
    addresses = re.findall(rf"http://localhost:(?:{first.port}|{first.sandbox_port})/\w+/", first.printed)
    assert [address.split("/")[3] for address in addresses] == ["inbox", "admin", "messenger"]
    for address in addresses:
        assert get(address).status_code == 200
    assert "44 messages" in first.printed
    assert has_sessions(first)

    first.press_ctrl_c()
    assert not first.left_running()
    for port in (first.port, first.sandbox_port):
        check_free("127.0.0.1", port, "PORT", "run")
    assert "Traceback" not in first.printed

    again = make_run()
    again.wait_until_printed("The demo data already exist")
    again.wait_until_printed("Log in as alice or bob")
    os.kill(again.pids_of("sandbox")[0], signal.SIGKILL)
    assert again.process.wait(30) != 0
    assert "sandbox exited: killed by SIGKILL. The other processes are stopped." in again.printed
    assert not again.left_running()


def test_make_serve_runs_without_demo_data_and_without_the_sandbox(make_run: MakeRuns) -> None:
    run = make_run(
        "serve",
        DESK_SECRET_KEY="a-long-secret-for-the-test-of-make-serve-0123456789",
        DESK_PUBLIC_URL="https://desk.example.com",
        META_APP_ID="1",
        META_APP_SECRET="secret",
        META_VERIFY_TOKEN="token",
        EMAIL_URL="none",
        WEB_CONCURRENCY="2",
    )
    run.wait_until_printed("is running at https://desk.example.com")
    assert has_sessions(run)
    assert len(run.pids_of("multiprocessing")) >= 2
    assert not run.pids_of("sandbox")
    session = requests.Session()
    session.trust_env = False
    answer = session.get(
        f"http://127.0.0.1:{run.port}/accounts/login/", headers={"Host": "desk.example.com"}, timeout=10
    )
    assert answer.status_code == 200
    form = {
        "login": "alice",
        "password": "desk-demo",
        "csrfmiddlewaretoken": session.cookies.get("__Host-csrftoken", ""),
    }
    assert form["csrfmiddlewaretoken"]
    refused = requests.post(
        answer.url,
        data=form,
        headers={"Host": "desk.example.com", "Referer": "https://desk.example.com/"},
        cookies={"__Host-csrftoken": form["csrfmiddlewaretoken"]},
        allow_redirects=False,
        timeout=10,
    )
    assert refused.status_code == 200  # the form again: there is no alice
    assert "__Host-sessionid" not in refused.cookies
    run.press_ctrl_c()
    assert not run.left_running()
