"""A wrong setting is answered with one sentence that names it, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from desk import setting_values

ROOT = Path(__file__).resolve().parents[2]


def read_number() -> int:
    return setting_values.whole_number("SETTING", default=2, least=1, most=64)


def read_seconds() -> float:
    return setting_values.seconds("SETTING", default=10, least=0.1, most=30)


def read_choice() -> str:
    return setting_values.choice("SETTING", default="plain", choices=("plain", "json"))


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda: setting_values.flag("SETTING", default=False), "Yes", True),
        (lambda: setting_values.flag("SETTING", default=True), "off", False),
        (lambda: setting_values.flag("SETTING", default=True), "", True),
        (lambda: setting_values.flag("SETTING", default=True), "perhaps", None),
        (read_number, " 8 ", 8),
        (read_number, "", 2),
        (read_number, "two", None),
        (read_number, "0", None),
        (read_number, "65", None),
        (read_number, "-1", None),
        (read_number, "٣", None),
        (read_number, "9" * 5000, None),
        (read_seconds, "0.5", 0.5),
        (read_seconds, "nan", None),
        (read_seconds, "inf", None),
        (read_seconds, "0", None),
        (read_seconds, "soon", None),
        (read_choice, "json", "json"),
        (read_choice, "xml", None),
        (lambda: setting_values.log_level("SETTING", default="INFO"), "warning", "WARNING"),
        (lambda: setting_values.log_level("SETTING", default="INFO"), "loud", None),
        (lambda: setting_values.time_zone("SETTING", default="UTC"), "Europe/Berlin", "Europe/Berlin"),
        (lambda: setting_values.time_zone("SETTING", default="UTC"), "Mars/Base", None),
        (lambda: setting_values.time_zone("SETTING", default="UTC"), "../../etc/passwd", None),
        (lambda: setting_values.time_zone("SETTING", default="UTC"), "Europe", None),
        (lambda: len(setting_values.networks("SETTING")), "10.0.0.5, 10.1.0.0/16", 2),
        (lambda: setting_values.networks("SETTING"), "10.0.0.5/33", None),
        (lambda: setting_values.web_address("SETTING", default="x"), "https://a.example/", "https://a.example"),
        (lambda: setting_values.web_address("SETTING", default="x"), "graph", None),
        (lambda: setting_values.web_address("SETTING", default="x"), "https://a:b", None),
        (lambda: setting_values.graph_version("SETTING", default="x"), "v28.0", "v28.0"),
        (lambda: setting_values.graph_version("SETTING", default="x"), "27", None),
        (lambda: setting_values.redis_url("SETTING"), "redis://:p@h:6379/0", "redis://:p@h:6379/0"),
        (lambda: setting_values.redis_url("SETTING"), "h:6379", None),
        (lambda: setting_values.redis_url("SETTING"), "redis://h:port", None),
        (lambda: setting_values.sender("SETTING", default="x"), "Desk <a@b.example>", "Desk <a@b.example>"),
        (lambda: setting_values.sender("SETTING", default="x"), "Desk", None),
        (lambda: setting_values.database("SETTING", default="")["PORT"], "postgres://u:p@h:5433/n", 5433),
        (lambda: setting_values.database("SETTING", default=""), "mysql://u:secret@h/n", None),
        (lambda: setting_values.database("SETTING", default=""), "postgres://u:secret@h:port/n", None),
        (lambda: setting_values.database("SETTING", default=""), "postgres://u:secret@h", None),
        (lambda: setting_values.folder("SETTING", default=Path("/")), "/dev/null/desk", None),
        (lambda: setting_values.text("SETTING"), "$1 {a}", "$1 {a}"),
        (lambda: setting_values.listing("SETTING"), "$a,,b", ["$a", "b"]),
    ],
)
def test_a_value_is_read_or_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], value: str, expected: Any
) -> None:
    monkeypatch.setenv("SETTING", value)
    if expected is not None:
        assert read() == expected
        return
    with pytest.raises(ImproperlyConfigured) as refused:
        read()
    assert str(refused.value).startswith("SETTING")
    assert "secret" not in str(refused.value)


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"DJANGO_SETTINGS_MODULE": "desk.settings", "DESK_SECRET_KEY": "k" * 60, "EMAIL_URL": "none"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **known, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DESK_LOG_LEVEL": "loud"}, "DESK_LOG_LEVEL is 'loud'. It must be DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        (
            {"DATABASE_URL": "postgres://desk:secret@127.0.0.1:1/desk"},
            "The database cannot be reached. Check DATABASE_URL, and that its server is running.",
        ),
    ],
)
def test_a_command_ends_with_the_sentence(tmp_path: Path, environment: dict[str, str], sentence: str) -> None:
    done = manage("preflight", "--before-migrate", DESK_DATA_DIR=str(tmp_path), **environment)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
