"""Static files: whole answers with the right headers, and modules that import each other by their hashed names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client, override_settings

pytestmark = [pytest.mark.filterwarnings("ignore:No directory at:UserWarning"), pytest.mark.slow]


@pytest.fixture
def collected(tmp_path: Path) -> Iterator[Path]:
    storages = {"staticfiles": {"BACKEND": "desk.static.StaticStorage"}, "default": {"BACKEND": "x"}}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0)
        yield tmp_path


def test_what_a_module_imports_is_named_by_its_content(collected: Path) -> None:
    [main] = [path for path in collected.glob("desk/js/main.*.js")]
    imported = re.findall(r'from "\./(.+?)";', main.read_text())
    assert imported
    for name in imported:
        assert re.fullmatch(r"[\w-]+\.[0-9a-f]{12}\.js", name)
        assert (main.parent / name).exists()


def test_a_hashed_file_is_served_whole_and_for_ever(collected: Path) -> None:
    [main] = [path for path in collected.glob("desk/js/main.*.js")]
    answer = Client().get(f"/static/desk/js/{main.name}")
    assert answer.status_code == 200
    assert not answer.streaming
    assert answer.content == main.read_bytes()
    assert "immutable" in answer["Cache-Control"]
    assert "javascript" in answer["Content-Type"]


def test_a_file_that_did_not_change_is_not_sent_again(collected: Path) -> None:
    [main] = [path for path in collected.glob("desk/js/main.*.js")]
    modified = Client().get(f"/static/desk/js/{main.name}")["Last-Modified"]
    answer = Client().get(f"/static/desk/js/{main.name}", headers={"If-Modified-Since": modified})
    assert answer.status_code == 304
    assert answer.content == b""
