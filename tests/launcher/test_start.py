"""The checks of `make run` and `make serve` before anything starts."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import environment as environments
from launcher.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
SERVE = {
    "DESK_SECRET_KEY": "a-secret",
    "DESK_PUBLIC_URL": "https://desk.example.com",
    "META_APP_ID": "1",
    "META_APP_SECRET": "s",
    "META_VERIFY_TOKEN": "t",
}


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def launch(tmp_path: Path, goal: str, **environment: object) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "META_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "launcher", goal],
        cwd=ROOT,
        env={**clean, "DESK_DATA_DIR": str(tmp_path), **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("variable", "other"), [("PORT", "SANDBOX_PORT"), ("SANDBOX_PORT", "PORT")])
def test_a_busy_port_is_named_with_how_to_choose_another(
    tmp_path: Path, busy_port: int, variable: str, other: str
) -> None:
    result = launch(tmp_path, "run", **{variable: busy_port, other: free_port()})
    assert result.returncode == 1
    assert f"Port {busy_port} cannot be used" in result.stderr
    assert f"make run {variable}=" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1"])
def test_a_value_that_is_not_a_port_is_refused(tmp_path: Path, port: str) -> None:
    result = launch(tmp_path, "run", PORT=port)
    assert result.returncode == 1
    assert "a port number from 1 to 65535" in result.stderr


def test_web_and_sandbox_cannot_share_a_port(tmp_path: Path) -> None:
    result = launch(tmp_path, "run", PORT=8123, SANDBOX_PORT=8123)
    assert result.returncode == 1
    assert "make run SANDBOX_PORT=8124" in result.stderr


def test_a_data_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = launch(tmp_path, "run", DESK_DATA_DIR=tmp_path / "file" / "var")
    assert result.returncode == 1
    assert "cannot be created" in result.stderr


@pytest.mark.parametrize("missing", SERVE)
def test_serve_refuses_to_start_without(tmp_path: Path, missing: str) -> None:
    result = launch(tmp_path, "serve", **{name: value for name, value in SERVE.items() if name != missing})
    assert result.returncode == 1
    assert missing in result.stderr
    assert not [name for name in SERVE if name != missing and name in result.stderr]
    assert "docs/operations.md" in result.stderr


def test_serve_refuses_a_public_url_that_is_not_an_address(tmp_path: Path) -> None:
    result = launch(tmp_path, "serve", **{**SERVE, "DESK_PUBLIC_URL": "desk.example.com"})
    assert result.returncode == 1
    assert "it must be a full address" in result.stderr


def test_the_demo_never_calls_meta_whatever_is_set(tmp_path: Path) -> None:
    given = {"DESK_DATA_DIR": str(tmp_path), "META_GRAPH_URL": "https://graph.facebook.com", "META_APP_SECRET": "real"}
    made = environments.demo(given, port=8000, sandbox_port=8090)
    assert made["META_GRAPH_URL"] == made["META_DIALOG_URL"] == "http://localhost:8090"
    assert "real" not in made.values()


def test_the_demo_keeps_its_secret_key_readable_only_by_its_owner(tmp_path: Path) -> None:
    key = environments.secret_key(tmp_path)
    assert len(key) >= 50
    assert environments.secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
