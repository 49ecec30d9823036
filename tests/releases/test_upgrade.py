"""The database of every release is upgraded to this version and holds what it held."""

import json
import lzma
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from tests.e2e.databases import new_postgresql
from tests.e2e.processes import RunningDesk
from tests.migrated import DATABASE
from tests.releases import contents
from tests.releases.make import FOLDER, prepared_desk

pytestmark = pytest.mark.processes
RELEASES = sorted(folder.name for folder in FOLDER.iterdir() if folder.name[0].isdigit())


@contextmanager
def stored_database(release: Path, folder: Path) -> Iterator[RunningDesk]:
    """Yield a Desk with the database of a release, of the kind that the test run uses. None of its processes runs."""
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        (folder / DATABASE).write_bytes(lzma.decompress((release / "sqlite.xz").read_bytes()))
        yield prepared_desk(folder)
        return
    lines = lzma.decompress((release / "postgresql.xz").read_bytes()).splitlines(keepends=True)
    with new_postgresql(os.environ["DATABASE_URL"]) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(b"".join(line for line in lines if not line.startswith(b"\\")))  # for psql only
        yield prepared_desk(folder, DATABASE_URL=url)


def changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield what was there before and is different now. New keys of an object are no difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from changes(value, after.get(key), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changes(old, new, f"{path}[{number}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_a_database_of_a_release_is_upgraded_and_holds_what_it_held(release: str, tmp_path: Path) -> None:
    kind = settings.DATABASES["default"]["ENGINE"].rsplit(".", 1)[1].removesuffix("3")
    held = json.loads(lzma.decompress((FOLDER / release / f"{kind}.json.xz").read_bytes()))
    with stored_database(FOLDER / release, tmp_path) as desk:
        try:
            desk.call(contents.upgrade)
            now = desk.call(contents.read, held["token"], held["at"])
            assert not list(changes({"rows": held["rows"], "api": held["api"]}, now))
            assert not desk.call(contents.undecryptable)
            assert not desk.call(contents.broken_pages)
        finally:
            desk.stop()


@pytest.mark.slow
def test_the_demo_of_a_release_becomes_a_real_installation(tmp_path: Path) -> None:
    """`preflight` names this command before anything has migrated the database."""
    with stored_database(FOLDER / RELEASES[0], tmp_path) as desk:
        try:
            assert desk.call(contents.demo_users)
            desk.manage("disable_demo_users")
            assert not desk.call(contents.demo_users)
        finally:
            desk.stop()


def test_every_release_is_stored() -> None:
    released = re.findall(r"^## (\d+\.\d+\.\d+)", (settings.BASE_DIR / "CHANGELOG.md").read_text(), re.M)
    assert sorted(released) == RELEASES, "python -m tests.releases.make"


def test_differences_are_found() -> None:
    before = {"a": [1, {"b": 2}], "gone": 1}
    assert not list(changes(before, {"a": [1, {"b": 2, "new": 3}], "gone": 1}))
    assert list(changes(before, {"a": [1, {"b": 3}]})) == [".a[1].b: 2 became 3", ".gone: 1 became None"]
    assert list(changes([1], [1, 2])) == [": [1] became [1, 2]"]
