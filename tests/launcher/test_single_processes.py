"""The goals of the launcher for systemd and containers: migrate, web, worker, health."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher import data_folder
from launcher.ports import free_port
from tests.launcher.test_start import ROOT, SERVE, launch


@pytest.mark.parametrize("goal", ["migrate", "web", "worker"])
def test_a_missing_setting_is_named(tmp_path: Path, goal: str) -> None:
    result = launch(tmp_path, goal, **{name: value for name, value in SERVE.items() if name != "META_APP_SECRET"})
    assert result.returncode == 1
    assert "META_APP_SECRET" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("goal", ["migrate", "web", "worker"])
def test_the_folder_of_the_demo_is_refused(tmp_path: Path, goal: str) -> None:
    data_folder.mark_as_demo(tmp_path)
    result = launch(tmp_path, goal, PORT=free_port(), **SERVE)
    assert result.returncode == 1
    assert "belongs to the demo" in result.stderr
    assert not list(tmp_path.glob("*.sqlite3"))


@pytest.mark.slow
def test_a_failed_check_stops_before_anything_is_migrated(tmp_path: Path) -> None:
    database = tmp_path / "not-a-database"
    database.write_text("This is a text file, and no database of SQLite.")
    result = launch(tmp_path, "migrate", DATABASE_URL=f"sqlite:///{database}", **SERVE)
    assert result.returncode == 1
    assert database.read_text().startswith("This is a text file")


@pytest.mark.slow
def test_web_is_one_process_that_a_signal_reaches_and_health_tells_whether_it_answers(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, **SERVE, "DESK_DATA_DIR": str(tmp_path), "PORT": str(port)}
    environment.pop("DATABASE_URL", None)
    web = subprocess.Popen([sys.executable, "-m", "launcher", "web"], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while (health := launch(tmp_path, "health", PORT=port, **SERVE)).returncode:
            assert web.poll() is None
            assert time.monotonic() < deadline, health.stderr
        assert b"uvicorn" in Path(f"/proc/{web.pid}/cmdline").read_bytes()
        web.send_signal(signal.SIGTERM)
        assert web.wait(20) in {0, -signal.SIGTERM}
    finally:
        web.kill()
        web.wait()
    health = launch(tmp_path, "health", PORT=port, **SERVE)
    assert health.returncode == 1
    assert f"port {port} does not answer" in health.stderr
