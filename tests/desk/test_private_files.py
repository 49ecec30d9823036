"""What customers wrote and sent is not readable for other users of the machine."""

import stat
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.django_db
def test_preflight_closes_the_database_and_the_media_folder(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    media, database = tmp_path / "media", tmp_path / "desk.sqlite3"
    for suffix in ("", "-wal"):
        Path(f"{database}{suffix}").touch(0o644)
    settings.MEDIA_ROOT = media
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(database))
    call_command("preflight", "--before-migrate")
    assert permissions(media) == 0o750
    assert [permissions(path) for path in sorted(tmp_path.glob("desk.sqlite3*"))] == [0o640, 0o640]
