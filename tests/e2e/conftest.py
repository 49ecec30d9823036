"""Real processes for the tests of this folder: one running Desk for each pytest worker, and others where needed."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.customers import Customer
from tests.e2e.databases import new_postgresql, redis_for_desk
from tests.e2e.page_objects import DESKTOP, Inbox, log_in, report_errors
from tests.e2e.processes import RunningDesk
from tests.e2e.shared import SharedDesk


@contextmanager
def services(*, shared: bool = False, copy_of: str = "") -> Iterator[dict[str, str]]:
    """Yield the settings of a Desk on the kind of database and queue that the test run is for; both are its own."""
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
    """A Desk that is never started: its tables and static files are copied by all others.

    In SQLite they are made once for all workers of a run, on PostgreSQL once for each worker.
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
            desk.prepare()
            desk.stop()  # what ends its commands when we are killed, ends
            done.touch()
        yield desk


@contextmanager
def desks(tmp_path_factory: pytest.TempPathFactory, prepared: RunningDesk, *, shared: bool = False) -> Iterator:
    """Yield a function that makes a Desk, prepared and not yet started; all of them are ended in the end."""
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
    """Return a function that makes a Desk, prepared and not yet started; `settings` are laid over those it needs.

    For tests that end processes, need other settings or an empty database, or change what all share.
    """
    with desks(tmp_path_factory, prepared) as make:
        yield make


@pytest.fixture(scope="session")
def shared_desk(tmp_path_factory: pytest.TempPathFactory, prepared: RunningDesk) -> Iterator[SharedDesk]:
    """The Desk with demo data and sandbox that the tests of this worker share."""
    with desks(tmp_path_factory, prepared, shared=True) as make:

        def start() -> RunningDesk:
            desk = make()
            desk.start_all(demo_data=True)
            return desk

        yield SharedDesk(start)


@pytest.fixture
def demo(shared_desk: SharedDesk) -> Iterator[RunningDesk]:
    """Desk with demo data and sandbox, running, shared with other tests.

    A test changes only what it made itself (see `customer`), and undoes what concerns others.
    """
    desk = shared_desk.get()
    yield desk
    shared_desk.fail_if_ended()


@pytest.fixture
def new_customer(demo: RunningDesk) -> Callable[..., Customer]:
    """Return a function that makes a customer of Berg Bikes for this test alone; see `Customer`."""

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
    """A customer of Berg Bikes for this test alone, who has just written."""
    return new_customer()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page with cookies of its own; `options` are those of a browser context.

    A violation of the content security policy or an error of a script fails the test.
    """
    contexts = []
    errors: list[str] = []

    def open_page(**options: object) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESKTOP, **options}))
        page = contexts[-1].new_page()
        report_errors(page, errors)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.fixture
def agent(browser: Browser, demo: RunningDesk) -> Iterator[Page]:
    """A new page of alice's inbox, watched as those of `new_page`.

    Of the tests before, the browser has scripts and style sheets in its cache, and nothing in its storage.
    """
    context = demo.once("alice's browser", lambda: browser.new_context(viewport=DESKTOP))
    page = context.new_page()
    errors: list[str] = []
    report_errors(page, errors)
    page.goto(f"{demo.url}/healthz")
    page.evaluate("localStorage.clear()")
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    yield page
    context.unroute_all()
    page.close()
    assert not errors, errors


@pytest.fixture
def agent_with_clock(new_page: Callable[..., Page], demo: RunningDesk) -> Page:
    """alice's inbox in a browser whose clock the test sets."""
    page = new_page()
    page.clock.install()
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    return page
