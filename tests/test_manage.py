"""The command line where a setting is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("command", ["check", "makemigrations", "migrate"])
def test_a_missing_secret_key_is_one_sentence_and_no_traceback(command: str, tmp_path: Path) -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=ROOT,
        env={**given, "DESK_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("DESK_SECRET_KEY is not set.")
    assert "Traceback" not in done.stderr
