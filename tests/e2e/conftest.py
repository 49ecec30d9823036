"""Real processes for the tests of this folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.databases import new_postgresql
from tests.e2e.screens import Inbox, log_in
from tests.e2e.stage import Desk


@contextmanager
def services(copy_of: str | None = None) -> Iterator[dict[str, str]]:
    """Yield the settings of a Desk on the kind of database the test run is for; on PostgreSQL it has one of its own."""
    with ExitStack() as stack:
        settings = {}
        server = os.environ.get("DATABASE_URL", "")
        if server.startswith("postgres"):
            copied = urlsplit(copy_of).path.strip("/") if copy_of else "template0"
            settings["DATABASE_URL"] = stack.enter_context(new_postgresql(server, copy_of=copied))
        if redis := os.environ.get("REDIS_URL"):
            settings["REDIS_URL"] = redis
        yield settings


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A Desk that is never started: its tables and static files are made once, and copied by all others."""
    with services() as settings:
        desk = Desk(tmp_path_factory.mktemp("prepared"), **settings)
        desk.prepare()
        desk.stop()  # what ends its commands when we are killed, ends
        yield desk


@pytest.fixture(scope="module")
def new_desk(tmp_path_factory: pytest.TempPathFactory, prepared: Desk) -> Iterator[Callable[..., Desk]]:
    """Return a function that makes a Desk, prepared and not yet started; `settings` are laid over those it needs."""
    with ExitStack() as stack:

        def make(**settings: str) -> Desk:
            needed = stack.enter_context(services(copy_of=prepared.environment.get("DATABASE_URL")))
            desk = Desk(tmp_path_factory.mktemp("desk"), **{**needed, **settings})
            stack.callback(desk.stop)
            desk.prepare_like(prepared)
            return desk

        yield make


@pytest.fixture(scope="module")
def demo(new_desk: Callable[..., Desk]) -> Desk:
    """Desk with demo data and sandbox, running."""
    desk = new_desk()
    desk.start_all(demo_data=True)
    return desk


@pytest.fixture
def agent(browser: Browser, demo: Desk) -> Iterator[Page]:
    """alice's inbox; a violation of the content security policy or an error of a script fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    yield page
    context.close()
    assert not wrong, wrong
