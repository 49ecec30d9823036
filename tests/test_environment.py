"""The variables of the shell do not change what a test sees."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent
SHELL = {
    "META_APP_ID": "1",
    "META_APP_SECRET": "x",
    "META_GRAPH_URL": "http://127.0.0.1:1",
    "META_HUMAN_AGENT": "false",
    "META_TIMEOUT_SECONDS": "soon",
    "DESK_DATA_DIR": "/nowhere",
    "DESK_DEBUG": "maybe",
    "DESK_PUBLIC_URL": "https://other.example",
    "DESK_SALT_KEYS": "other",
    "DESK_SECRET_KEY": "short",
    "EMAIL_URL": "smtp://x",
    "SANDBOX_PORT": "none",
    "PORT": "none",
}


def test_the_settings_of_the_tests_are_fixed() -> None:
    assert settings.META_APP_ID == "100000000000001"
    assert settings.META_GRAPH_URL == "https://graph.facebook.com"
    assert settings.META_HUMAN_AGENT is True
    assert settings.DEBUG is False
    assert "other.example" not in settings.PUBLIC_URL
    assert not {name for name in os.environ if name.startswith("SANDBOX_")}


@pytest.mark.slow
def test_the_tests_pass_in_a_shell_with_other_settings() -> None:
    test = "tests/test_environment.py::test_the_settings_of_the_tests_are_fixed"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env={**os.environ, **SHELL},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
