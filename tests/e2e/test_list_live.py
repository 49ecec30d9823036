"""How the list stays up to date: rows come with the live stream, and the page requests those that do not."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, HeldEvents, Inbox
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
ROWS = "**/inbox/rows/?*id=*"
LIST = re.compile("/inbox/list/")
WITHOUT_ROW_EVENTS = """
    const listen = EventSource.prototype.addEventListener;
    EventSource.prototype.addEventListener = function (kind, ...rest) {
        if (kind !== "row") listen.call(this, kind, ...rest);
    };
"""


def attribute(locator: Locator, name: str) -> str:
    """Return the value of an attribute that the element must have."""
    value = locator.get_attribute(name)
    assert value is not None
    return value


def unread(page: Page) -> int:
    """Return how many conversations the page counts as unread."""
    return int(attribute(page.locator("#views"), "data-unread"))


def synced(page: Page) -> None:
    """Reload the page and wait until it has opened the stream and read the list again."""
    with page.expect_response(lambda response: "/inbox/list/" in response.url):
        page.reload()


def test_rows_and_counts_come_with_the_stream_without_a_request(agent: Page, demo: RunningDesk) -> None:
    inbox, customer = Inbox(agent, demo), Customer(demo)
    synced(agent)
    agent.route(ROWS, lambda route: route.abort())
    before = unread(agent)
    customer.writes("Sent with the stream")
    expect(agent.locator(".row-item").first).to_contain_text("Sent with the stream", timeout=SOON_MS)
    expect(agent.locator("#views")).to_have_attribute("data-unread", str(before + 1), timeout=SOON_MS)
    expect(agent).to_have_title(f"({before + 1}) Inbox")

    agent.locator('[data-view="waiting"]').first.evaluate("link => link.click()")
    expect(agent.locator("#rows")).to_have_attribute("aria-label", "Waiting for reply", timeout=SOON_MS)
    row = inbox.row("Sent with the stream")
    expect(row).to_have_count(1)
    assert attribute(row.locator("a.row"), "href").endswith("?view=waiting")
    customer.writes("And in this view")
    row = inbox.row("And in this view")
    expect(row).to_have_count(1, timeout=SOON_MS)
    assert attribute(row.locator("a.row"), "href").endswith("?view=waiting")
    row.locator("a.row").click()
    expect(agent.locator("#composer")).to_be_visible(timeout=SOON_MS)
    inbox.answer("Here you are")
    expect(inbox.row("And in this view")).to_have_count(0, timeout=SOON_MS)
    expect(agent.locator(".row-item").filter(has_text="Here you are")).to_have_count(0)


def test_a_searched_list_is_requested_again(agent: Page, customer: Customer) -> None:
    agent.keyboard.press("/")
    agent.keyboard.type("lighthouse")
    expect(agent.locator("#rows-empty")).to_contain_text("Nothing found", timeout=SOON_MS)
    customer.writes("Near the lighthouse")
    expect(agent.locator(".row-item mark")).to_have_text("lighthouse", timeout=SOON_MS)


def test_the_page_requests_a_row_that_the_stream_does_not_send(agent: Page, customer: Customer) -> None:
    agent.add_init_script(WITHOUT_ROW_EVENTS)
    synced(agent)
    customer.writes("Not in the stream")
    expect(agent.locator(".row-item").first).to_contain_text("Not in the stream", timeout=SOON_MS)


def test_a_silent_stream_is_noticed_and_opened_again(agent_with_clock: Page) -> None:
    """An unplugged cable or a machine that slept breaks the connection without an error."""
    agent = agent_with_clock
    synced(agent)
    expect(agent.locator("#connection")).to_be_hidden()
    agent.evaluate("() => { window.EventSource = class { addEventListener() {} close() {} }; }")  # never opens
    agent.clock.run_for(41_000)
    expect(agent.locator("#connection")).to_contain_text("Reconnecting…", timeout=SOON_MS)


LINES_OF_VIEWS = """() => {
    for (const count of document.querySelectorAll("#views .view__count")) count.textContent = "99+";
    const links = [...document.querySelectorAll("#views > .view, #views > details > .view")];
    return [links.length, new Set(links.map((link) => Math.round(link.getBoundingClientRect().top))).size];
}"""


def test_the_views_keep_to_one_line_and_the_bar_takes_no_click(agent: Page) -> None:
    assert agent.evaluate(LINES_OF_VIEWS) == [4, 1]
    expect(agent.locator("#connection")).to_have_css("pointer-events", "none")


def test_a_row_that_comes_while_the_list_is_read_again_stays(agent: Page, demo: RunningDesk) -> None:
    customer, row = Customer(demo), Inbox(agent, demo).row("Written meanwhile")
    held: list[Route] = []
    synced(agent)
    agent.route(LIST, lambda route: held.append(route))
    agent.evaluate("dispatchEvent(new Event('online'))")  # it connects again, and reads what it may have missed
    while not held:
        agent.wait_for_timeout(50)
    without = held[0].fetch()
    customer.writes("Written meanwhile")
    expect(row).to_have_count(1, timeout=SOON_MS)
    with agent.expect_response(LIST):
        held[0].fulfill(response=without)
    agent.wait_for_timeout(300)
    expect(row).to_have_count(1)


def test_a_row_that_changes_while_it_is_pressed_is_opened(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    inbox = Inbox(agent, demo)
    events = HeldEvents(agent, "row")
    synced(agent)
    customer.writes("While it is pressed")
    events.expect("While it is pressed")
    row = inbox.row(customer.name)
    row.get_by_role("link").hover()
    agent.mouse.down()
    events.let_pass()
    agent.mouse.up()
    expect(agent.locator("#thread-head")).to_contain_text(customer.name, timeout=SOON_MS)
    expect(row).to_contain_text("While it is pressed")


def test_a_press_without_an_end_does_not_stop_the_page(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    inbox = Inbox(agent, demo)
    synced(agent)
    inbox.row(customer.name).get_by_role("link").hover()
    agent.mouse.down()
    customer.writes("It is shown all the same")
    expect(inbox.row(customer.name)).to_contain_text("It is shown all the same", timeout=SOON_MS)
    agent.mouse.up()
