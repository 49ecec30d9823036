"""What all tests share: the effort of property tests, a real browser, and skips that say why."""

import gc
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.core.management.commands import flush
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection, transaction
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from tests.chromium import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.migrated import migrated

# Modules and collected tests are never garbage: looking for some among them is a twentieth of the work.
gc.disable()

# CI looks for the same examples each time, and says how to repeat a failure.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

expect.set_options(timeout=30_000)  # ms; how fast a page is, is for the benchmark to say

NO_CHROMIUM = "no Chromium was found: install it (Debian: apt-get install chromium) to run the browser tests"
_numbers = itertools.count(1)
# Folders whose tests have no database, or do not depend on it.
ANY_DATABASE = ("sandbox", "launcher", "channels_im/messenger", "tickets/rules")
NO_POSTGRESQL = "needs PostgreSQL: DATABASE_URL=postgres://…"


def place(item: pytest.Item) -> int:
    """Return the place of a test's kind in the run.

    Browser tests come last: while Playwright has its loop, Django's models and asyncio refuse to work in its thread.
    Among the tests with real processes those that take longest come first, so that all workers end together.
    """
    if "e2e" in item.path.parts:
        return 2 if "demo" in getattr(item, "fixturenames", ()) else 1
    return 3 if item.get_closest_marker("browser") else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, and skip what cannot run here, with the reason.

    pytest-xdist keeps the order with --no-loadscope-reorder. A missing browser is an error in CI (see `browser`).
    """
    items.sort(key=place)
    folders = [Path(__file__).parent / folder for folder in ANY_DATABASE]
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in folders):
            item.add_marker(pytest.mark.any_database)
        if item.get_closest_marker("browser") and CHROMIUM is None and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))
        # On a machine that is busy with other tests a browser may miss a moment. Tests without a browser get no second
        # run: what they find once, a lost message, is there.
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if item.get_closest_marker("postgresql") and "postgresql" not in settings.DATABASES["default"]["ENGINE"]:
            item.add_marker(pytest.mark.skip(reason=NO_POSTGRESQL))


def pytest_collection_finish() -> None:
    """Let the garbage collector look only at what tests make."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 50)  # most garbage is freed without it
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return our own scheduler for --dist loadfile."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.scheduling import Scheduling

    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, also when pytest is quiet."""
    reasons = {report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if report.longrepr}
    for reason in sorted(reasons):
        terminalreporter.write_line(f"NOTICE: {reason.removeprefix('Skipped: ')}", yellow=True)


@pytest.fixture(scope="session")
def django_db_keepdb(tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings: None) -> bool:
    """Begin with a copy of one migrated database where several workers would each migrate their own in SQLite."""
    if connection.vendor != "sqlite" or "PYTEST_XDIST_WORKER" not in os.environ:
        return False
    copied = migrated(tmp_path_factory.getbasetemp().parent)
    shutil.copy(copied, connection.settings_dict["TEST"]["NAME"])
    return True


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_keepdb: bool, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """End the sessions that threads of tests left open: PostgreSQL drops no database that is in use."""
    with django_db_blocker.unblock():
        call_command("flush", verbosity=0, interactive=False)  # every test begins with the same rows
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    elif django_db_keepdb:
        Path(connection.settings_dict["NAME"]).unlink()


class RowsOfEveryDatabase:
    """What post_migrate handlers add to an empty database: made once, and copied back each time a test has emptied it.

    Making content types, permissions and roles takes a tenth of a second, after each test with real transactions.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        if not self.rows:
            emit_post_migrate_signal(*args, **kwargs)
        with transaction.atomic(), connection.cursor() as cursor:
            if self.rows:
                for table, rows in self.rows.items():
                    cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)  # noqa: S608
                return
            for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
                cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own tables
                if rows := cursor.fetchall():
                    self.rows[table] = rows


setattr(flush, "emit_post_migrate_signal", RowsOfEveryDatabase())  # noqa: B010 - the stubs do not know the name


@pytest.fixture(autouse=True)
def _own_files_and_cache(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> None:
    """No test sees the files, the cached answers or the used-up login attempts of another."""
    settings.MEDIA_ROOT = tmp_path_factory.getbasetemp() / "media" / str(next(_numbers))  # made by who stores a file
    for cache in caches.all(initialized_only=True):
        cache.clear()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine would stand between a test and the loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    if CHROMIUM is None:
        pytest.fail(NO_CHROMIUM)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a browser that knows no cookies yet; an error on the page's console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, f"errors on the page: {errors}"
