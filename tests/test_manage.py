"""manage.py: its version, and its answer when a setting is missing."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import django
import pytest

from desk import __version__

ROOT = Path(__file__).parent.parent


def manage(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py without any setting of Desk."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**given, "DESK_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_the_version_is_that_of_desk_with_django_and_python(argument: str, tmp_path: Path) -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    done = manage(tmp_path, argument)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Desk {__version__} (Django {django.get_version()}, Python {python})\n"


def test_the_version_is_written_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "desk.__version__"}


def test_the_changelog_has_the_version() -> None:
    assert re.search(rf"^## {re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)


@pytest.mark.parametrize("command", ["check", "makemigrations", "migrate"])
def test_a_missing_secret_key_is_one_sentence_and_no_traceback(command: str, tmp_path: Path) -> None:
    done = manage(tmp_path, command)
    assert done.returncode == 1
    assert done.stderr.startswith("DESK_SECRET_KEY is not set.")
    assert "Traceback" not in done.stderr
