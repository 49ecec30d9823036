"""The virtual environment and its packages, or one sentence about what is missing."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BOOTSTRAP = ROOT / "launcher" / "bootstrap.py"


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def old_python(tmp_path: Path) -> Path:
    """A Python that reports version 3.9."""
    pretend = "import sys, runpy; sys.version_info = (3, 9, 2); sys.argv = sys.argv[1:]; "
    run = "runpy.run_path(sys.argv[0], run_name='__main__')"
    return script(tmp_path / "old" / "python3", f'exec "{sys.executable}" -c "{pretend}{run}" "$@"')


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment whose Python only records its arguments."""
    folder = tmp_path / "venv"
    script(folder / "bin" / "python", f'echo "$@" >> "{folder}/calls"')
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text("django==5.2.19 --hash=sha256:0\n")
    return path


def make(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *map(str, arguments)],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def bootstrap(python: object, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), str(BOOTSTRAP), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def installs(venv: Path) -> int:
    return (venv / "calls").read_text().count("pip install")


def test_a_python_that_is_too_old_is_refused_with_the_version_that_is_needed(tmp_path: Path, old_python: Path) -> None:
    result = make("run", f"PYTHON={old_python}", f"VENV={tmp_path / 'none'}")
    assert result.returncode != 0
    assert "Python 3.9 is too old: Desk needs Python 3.11 or newer." in result.stderr
    assert "make run PYTHON=" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_sentence_for_an_old_python_names_a_newer_one_on_the_machine(tmp_path: Path, old_python: Path) -> None:
    script(tmp_path / "new" / "python3.11", f'exec "{sys.executable}" "$@"')
    result = bootstrap(
        old_python,
        tmp_path / "none",
        ROOT / "requirements.lock",
        "run",
        PATH=f"{tmp_path / 'new'}:{os.environ['PATH']}",
    )
    assert "make run PYTHON=python3.11" in result.stderr


def test_an_old_python_can_start_an_environment_that_has_a_new_one(old_python: Path, venv: Path, lock: Path) -> None:
    result = bootstrap(old_python, venv, lock, "run")
    assert result.returncode == 0, result.stderr


def test_an_old_python_can_parse_the_file() -> None:
    source = BOOTSTRAP.read_bytes()
    source.decode("ascii")
    tree = ast.parse(source, feature_version=(3, 7))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Nonlocal, ast.YieldFrom, ast.Starred, ast.Await)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]


def test_no_python_at_all_is_one_sentence() -> None:
    result = make("run", "PYTHON=no-such-python")
    assert result.returncode != 0
    assert "There is no no-such-python on this machine" in result.stderr


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_refused_with_the_package_of_debian(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text("raise ImportError\n")
    result = bootstrap(sys.executable, tmp_path / "none", ROOT / "requirements.lock", "run", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert f"Python's {module} module is missing" in result.stderr
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt-get install python{version}-venv" in result.stderr
    assert "Traceback" not in result.stderr


def test_packages_are_installed_once_and_again_when_the_lock_file_changes(venv: Path, lock: Path) -> None:
    for _ in range(2):
        assert bootstrap(sys.executable, venv, lock, "run").returncode == 0
    assert installs(venv) == 1
    lock.write_text("django==5.2.20 --hash=sha256:1\n")
    bootstrap(sys.executable, venv, lock, "run")
    assert installs(venv) == 2
    assert "--require-hashes -r" in (venv / "calls").read_text()


def test_a_failing_pip_is_one_sentence_and_tried_again(venv: Path, lock: Path) -> None:
    fails = script(venv / "bin" / "python", f'echo "$@" >> "{venv}/calls"; case "$*" in *install*) exit 1;; esac')
    result = bootstrap(sys.executable, venv, lock, "run")
    assert result.returncode == 1
    assert "pip could not install the packages of requirements.lock" in result.stderr
    script(fails, f'echo "$@" >> "{venv}/calls"')
    assert bootstrap(sys.executable, venv, lock, "run").returncode == 0
    assert installs(venv) == 2


def test_a_signal_to_make_reaches_the_launcher(tmp_path: Path) -> None:
    """Without `exec` it ends only the shell between the two, and Desk runs on without anybody who stops it."""
    for goal in ("run", "serve"):
        venv = tmp_path / goal
        calls = venv / "calls"
        waits = f'trap "echo stopped >> {calls}; exit 0" TERM; echo started >> {calls}; {"sleep 0.05; " * 200}'
        script(venv / "bin" / "python", f'case "$*" in "-m launcher {goal}") {waits};; esac')
        calls.touch()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        process = subprocess.Popen(["make", goal, f"VENV={venv}"], cwd=ROOT, env=clean, stderr=subprocess.DEVNULL)
        while "started" not in calls.read_text():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        process.wait()
        assert calls.read_text().split() == ["started", "stopped"], goal
