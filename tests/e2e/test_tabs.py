"""Many tabs of one browser: they share one live stream, since a browser opens six connections to a host."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import DESKTOP, SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]
TABS = 8


class Tabs:
    """Tabs of one browser in which alice is logged in, and the live streams that they opened."""

    def __init__(self, context: BrowserContext, desk: RunningDesk) -> None:
        self.context, self.desk = context, desk
        self.streams: list[Page] = []
        self.pages: list[Page] = []
        context.on("request", self._count)

    def open(self, count: int) -> None:
        """Open the inbox in `count` tabs."""
        for _ in range(count):
            page = self.context.new_page()
            log_in(page, self.desk, "alice")
            Inbox(page, self.desk).open()
            self.pages.append(page)

    def show(self, customer: Customer, text: str) -> None:
        """Fail unless each tab shows the customer's newest text in the list."""
        for page in self.pages:
            row = page.locator(f"#row-{customer.conversation}")
            expect(row).to_contain_text(text, timeout=SOON_MS)

    def _count(self, request: Request) -> None:
        if request.url.endswith("/live/"):
            self.streams.append(request.frame.page)


@pytest.fixture
def tabs(browser: Browser, demo: RunningDesk) -> Iterator[Tabs]:
    """Return a browser of alice without tabs."""
    context = browser.new_context(viewport=DESKTOP)
    yield Tabs(context, demo)
    context.close()


def test_more_tabs_than_a_browser_has_connections_all_work(tabs: Tabs, new_customer: Callable[..., Customer]) -> None:
    tabs.open(TABS)
    customer = new_customer()
    customer.writes("to all tabs")
    tabs.show(customer, "to all tabs")
    assert set(tabs.streams) == {tabs.pages[0]}
    assert tabs.pages[0].evaluate("fetch('/healthz').then((response) => response.status)") == 200


def test_when_the_tab_with_the_stream_is_closed_another_takes_over(
    tabs: Tabs, new_customer: Callable[..., Customer]
) -> None:
    tabs.open(3)
    customer = new_customer()
    first = tabs.pages.pop(0)
    assert set(tabs.streams) == {first}
    first.close()
    customer.writes("after it was closed")
    tabs.show(customer, "after it was closed")
    assert len(set(tabs.streams)) == 2


def test_without_locks_a_tab_has_its_own_stream(tabs: Tabs, new_customer: Callable[..., Customer]) -> None:
    tabs.context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    tabs.open(2)
    customer = new_customer()
    customer.writes("over plain http")
    tabs.show(customer, "over plain http")
    assert set(tabs.streams) == set(tabs.pages)
