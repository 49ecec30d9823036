"""Processes start and stop together."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher import guard
from launcher import processes as module
from launcher.errors import CannotStart, Stopped
from launcher.processes import Processes, read_procfile

FOREVER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {FOREVER!r}])
print("child", child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def processes(out: io.StringIO) -> Iterator[Processes]:
    processes = Processes(os.environ, out=out)
    yield processes
    processes.stop()


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "not within 20 seconds"
        time.sleep(0.01)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended, perhaps just now; or the machine has no /proc
        return guard.alive(pid)  # a program named kill is not on every machine
    return status.rpartition(")")[2].split()[0] != "Z"


def test_every_line_starts_with_the_name_of_its_process(processes: Processes, out: io.StringIO) -> None:
    processes.run("first", python("print('hello')"))
    assert "   first | hello\n" in out.getvalue()


def test_a_command_that_fails_is_named_with_its_exit_code(processes: Processes) -> None:
    with pytest.raises(CannotStart, match=r"migrate failed: exit code 3\."):
        processes.run("migrate", python("raise SystemExit(3)"))


def test_a_process_that_exits_by_itself_is_named(processes: Processes) -> None:
    processes.start("web", python(FOREVER))
    assert processes.exited() is None
    processes.start("worker", python("raise SystemExit(7)"))
    wait_until(processes.exited)
    assert processes.exited() == "worker exited: exit code 7."


def test_a_missing_program_is_one_sentence(processes: Processes) -> None:
    with pytest.raises(CannotStart, match="web cannot be started: /no/such/program"):
        processes.start("web", ["/no/such/program"])


def test_stopping_also_stops_the_children_of_children(processes: Processes, out: io.StringIO) -> None:
    processes.start("worker", python(PARENT))
    wait_until(lambda: "up" in out.getvalue() and "child" in out.getvalue())
    child = int(out.getvalue().split("child ")[1].split()[0])
    processes.stop()
    wait_until(lambda: not alive(child))


def test_a_process_that_ignores_sigterm_is_killed(
    processes: Processes, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)  # a limit, lowered: the test would take 12 seconds
    process = processes.start("web", python(STUBBORN))
    wait_until(lambda: "up" in out.getvalue())
    processes.stop()
    assert process.returncode == -9
    assert "web did not stop in time; killing it." in out.getvalue()


@pytest.mark.slow
def test_when_the_launcher_is_killed_its_processes_stop(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"""
import os, pathlib, time
from launcher.processes import Processes
processes = Processes(os.environ, out=open({str(log)!r}, "w"))
processes.start("worker", [{sys.executable!r}, "-c", {PARENT!r}])
time.sleep(600)
"""
    launcher = subprocess.Popen(python(code), cwd=Path(module.ROOT))
    wait_until(lambda: log.exists() and "up" in log.read_text() and "child" in log.read_text())
    child = int(log.read_text().split("child ")[1].split()[0])
    launcher.kill()
    launcher.wait()
    wait_until(lambda: not alive(child))


def test_a_requested_stop_interrupts_a_long_command(processes: Processes) -> None:
    processes.stop_requested.set()
    with pytest.raises(Stopped):
        processes.run("migrate", python(FOREVER))
    processes.stop()
    assert not processes.running


def test_the_procfile_names_the_three_processes_with_their_ports() -> None:
    commands = read_procfile({"DESK_BIND": "127.0.0.1", "PORT": "8123"})
    assert set(commands) == {"web", "worker", "sandbox"}
    assert "8123" in commands["web"]
