"""Fixtures that run Desk in real processes: one Desk for each pytest worker, and more where a test needs them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.databases import new_postgresql, redis_for_desk
from tests.e2e.keyboard import Keyboard
from tests.e2e.page_objects import DESKTOP, PASSWORD, Inbox, log_in, report_errors
from tests.e2e.processes import RunningDesk
from tests.e2e.shared import SharedDesk
from tests.migrated import DATABASE, migrated


@contextmanager
def services(*, shared: bool = False, copy_of: str = "") -> Iterator[dict[str, str]]:
    """Yield the settings of a Desk with its own database and queue, of the kinds that the test run uses."""
    with ExitStack() as stack:
        settings = {}
        server = os.environ.get("DATABASE_URL", "")
        if server.startswith("postgres"):
            settings["DATABASE_URL"] = stack.enter_context(new_postgresql(server, copy_of=copy_of))
        if redis := os.environ.get("REDIS_URL"):
            settings["REDIS_URL"] = redis_for_desk(redis, shared=shared)
        yield settings


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    """Prepare a Desk that is never started; the others copy its tables and static files.

    With SQLite it is prepared once for all workers of a run, with PostgreSQL once for each worker.
    """
    folder = tmp_path_factory.getbasetemp()
    with services() as settings:
        if "DATABASE_URL" not in settings and "PYTEST_XDIST_WORKER" in os.environ:
            folder = folder.parent
        with (folder / "prepared.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
            done = folder / "prepared.done"
            desk = RunningDesk(folder / "prepared", **settings)
            desk.is_prepared = done.exists()
            if folder != tmp_path_factory.getbasetemp() and not desk.is_prepared:
                shutil.copy(migrated(folder), desk.directory / DATABASE)
            desk.prepare()
            desk.stop()  # ends the guard process of its commands
            done.touch()
        yield desk


@contextmanager
def desks(
    tmp_path_factory: pytest.TempPathFactory, prepared: RunningDesk, *, shared: bool = False
) -> Iterator[Callable[..., RunningDesk]]:
    """Yield a function that makes a prepared Desk, not started yet; all of them are stopped at the end."""
    with ExitStack() as stack:

        def make(**settings: str) -> RunningDesk:
            copied = prepared.environment.get("DATABASE_URL", "")
            needed = stack.enter_context(services(shared=shared, copy_of=copied))
            desk = RunningDesk(tmp_path_factory.mktemp("desk"), **{**needed, **settings})
            stack.callback(desk.stop)
            desk.prepare_like(prepared)
            return desk

        yield make


@pytest.fixture(scope="module")
def new_desk(tmp_path_factory: pytest.TempPathFactory, prepared: RunningDesk) -> Iterator[Callable[..., RunningDesk]]:
    """Return a function that makes a prepared Desk, not started yet; its `settings` override the usual ones.

    For tests that stop processes, need other settings or an empty database, or change data that other tests share.
    """
    with desks(tmp_path_factory, prepared) as make:
        yield make


@pytest.fixture(scope="session")
def shared_desk(tmp_path_factory: pytest.TempPathFactory, prepared: RunningDesk) -> Iterator[SharedDesk]:
    """Share one Desk with demo data and sandbox among the tests of this worker."""
    with desks(tmp_path_factory, prepared, shared=True) as make:

        def start() -> RunningDesk:
            desk = make()
            desk.start_all(demo_data=True)
            return desk

        yield SharedDesk(start)


@pytest.fixture
def demo(shared_desk: SharedDesk) -> Iterator[RunningDesk]:
    """Return the running Desk with demo data and sandbox that tests share.

    A test changes only what it made itself (see `customer`), and restores everything else.
    """
    desk = shared_desk.get()
    yield desk
    shared_desk.fail_if_exited()


@pytest.fixture
def new_customer(demo: RunningDesk) -> Callable[..., Customer]:
    """Return a function that makes a customer of Berg Bikes for this test; see `Customer`."""

    def make(text: str = "Hello", *, hours_ago: float = 0) -> Customer:
        customer = Customer(demo)
        if hours_ago:
            customer.wrote(text, hours_ago)
        else:
            customer.writes(text)
        return customer

    return make


@pytest.fixture
def customer(new_customer: Callable[..., Customer]) -> Customer:
    """Return a customer of Berg Bikes for this test, who has just written."""
    return new_customer()


@pytest.fixture
def agent_name(demo: RunningDesk) -> str:
    """Return the name of an agent who logs in and out without ending the session that other tests use."""
    name = f"robin{os.getpid()}"
    demo.once(name, lambda: demo.call(data.make_agent, name, "Customer Care"))
    return name


@pytest.fixture
def label(demo: RunningDesk) -> Iterator[str]:
    """Return the name of a label."""
    name = f"Warranty {os.getpid()}"
    demo.call(data.add_label, name)
    yield name
    demo.call(data.delete_label, name)


@pytest.fixture
def fields(demo: RunningDesk) -> Iterator[dict[str, str]]:
    """Make a custom field of tickets and one of contacts; return their names."""
    names = {"ticket": f"Frame {os.getpid()}", "contact": f"Club {os.getpid()}"}
    for of, name in names.items():
        demo.call(data.add_field, f"{of}{os.getpid()}", name, of)
    yield names
    for of in names:
        demo.call(data.delete_field, f"{of}{os.getpid()}")


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a new browser context; `options` are those of the context.

    A violation of the content security policy or a script error fails the test.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(**options: Any) -> Page:
        contexts.append(browser.new_context(**({"viewport": DESKTOP} | options)))
        page = contexts[-1].new_page()
        report_errors(page, errors)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.fixture
def keyboard(new_page: Callable[..., Page], demo: RunningDesk, agent_name: str) -> Keyboard:
    """Log the agent in."""
    made = Keyboard(new_page(reduced_motion="reduce"))
    made.visit(f"{demo.url}/accounts/login/")
    expect(made.page.get_by_label("Username")).to_be_focused()
    made.type(agent_name)
    made.press("Tab")
    made.type(PASSWORD)
    with made.page.expect_navigation(url="**/inbox/**"):
        made.page.keyboard.press("Enter")
    return made


@pytest.fixture
def agent(browser: Browser, demo: RunningDesk) -> Iterator[Page]:
    """Open alice's inbox on a new page; errors on it fail the test, as with `new_page`.

    The browser keeps its cache of scripts and style sheets between tests; its storage is cleared.
    """
    context = demo.once("alice's browser", lambda: browser.new_context(viewport=DESKTOP))
    page = context.new_page()
    errors: list[str] = []
    report_errors(page, errors)
    page.goto(f"{demo.url}/healthz")
    page.evaluate("() => { localStorage.clear(); indexedDB.deleteDatabase('desk'); }")
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    yield page
    context.unroute_all()
    context.set_offline(False)
    for tab in context.pages:
        tab.close()
    assert not errors, errors


@pytest.fixture
def agent_with_clock(new_page: Callable[..., Page], demo: RunningDesk) -> Page:
    """Open alice's inbox in a browser whose clock the test sets."""
    page = new_page()
    page.clock.install()
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    return page
