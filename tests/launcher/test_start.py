"""The checks of `make run` and `make serve` before anything starts."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import data_folder
from launcher import environment as environments
from launcher.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
SERVE = {
    "DESK_SECRET_KEY": "a-secret",
    "DESK_PUBLIC_URL": "https://desk.example.com",
    "META_APP_ID": "1",
    "META_APP_SECRET": "s",
    "META_VERIFY_TOKEN": "t",
    "EMAIL_URL": "none",
}


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def launch(tmp_path: Path, goal: str, **environment: object) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DESK_", "META_", "DATABASE_", "EMAIL_"))
    }
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


def test_serve_refuses_to_print_links_that_reset_passwords(tmp_path: Path) -> None:
    result = launch(tmp_path, "serve", **{**SERVE, "EMAIL_URL": "consolemail://"})
    assert result.returncode == 1
    assert "links that reset passwords" in result.stderr


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


# --- The data folder --------------------------------------------------------------------------------------------------
def test_a_second_make_run_on_one_data_folder_names_the_port_of_the_first(tmp_path: Path) -> None:
    with data_folder.lock_for_demo(tmp_path, 8123):
        result = launch(tmp_path, "run", PORT=free_port(), SANDBOX_PORT=free_port())
    assert result.returncode == 1
    assert "Another make run uses the data folder" in result.stderr
    assert "port 8123" in result.stderr
    with data_folder.lock_for_demo(tmp_path, 8124):  # the lock of a run that ended is no obstacle
        assert (tmp_path / "run.lock").read_text() == "8124\n"


def test_make_serve_refuses_the_folder_of_the_demo(tmp_path: Path) -> None:
    data_folder.mark_as_demo(tmp_path)
    result = launch(tmp_path, "serve", PORT=free_port(), **SERVE)
    assert result.returncode == 1
    assert "belongs to the demo" in result.stderr
    assert "DESK_DATA_DIR=" in result.stderr
    assert not list(tmp_path.glob("*.sqlite3"))


def test_make_serve_refuses_the_folder_of_a_demo_that_left_no_mark(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    assert "belongs to the demo" in launch(tmp_path, "serve", PORT=free_port(), **SERVE).stderr


def test_a_make_run_that_cannot_start_leaves_no_mark(tmp_path: Path, busy_port: int) -> None:
    """A folder of a real installation that somebody names by mistake can be served afterwards."""
    assert "cannot be used" in launch(tmp_path, "run", PORT=busy_port, SANDBOX_PORT=free_port()).stderr
    data_folder.refuse_demo(tmp_path)


@pytest.mark.parametrize(
    ("url", "part"), [("https://example.com/desk", "cannot run below a path"), ("desk.example.com", "full address")]
)
def test_make_serve_refuses_a_public_address_that_cannot_work(tmp_path: Path, url: str, part: str) -> None:
    result = launch(tmp_path, "serve", PORT=free_port(), **{**SERVE, "DESK_PUBLIC_URL": url})
    assert result.returncode == 1
    assert part in result.stderr
    assert "Traceback" not in result.stderr
