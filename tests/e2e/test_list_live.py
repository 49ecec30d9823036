"""How the list follows: handed over the live stream, and read by the page where nothing is handed."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.screens import SOON_MS, Inbox, MessengerWindow
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
BERG_BIKES = "101000000000001"
ROWS = "**/inbox/rows/?*id=*"
UNHEARD = """
    const hear = EventSource.prototype.addEventListener;
    EventSource.prototype.addEventListener = function (kind, ...rest) {
        if (kind !== "row") hear.call(this, kind, ...rest);
    };
"""


def write(browser: Browser, demo: Desk, customer: str, text: str) -> None:
    context = browser.new_context()
    window = MessengerWindow(context.new_page(), demo)
    window.open(customer, BERG_BIKES)
    window.write(text)
    window.expect_text(text)
    context.close()


def unread(page: Page) -> int:
    return int(page.locator("#views").get_attribute("data-unread"))


def synced(page: Page) -> None:
    """Wait until the stream has begun and the list was read after it."""
    with page.expect_response(lambda response: "/inbox/list/" in response.url):
        page.reload()


def test_rows_and_counts_come_with_the_stream_and_no_page_asks_for_them(agent: Page, demo: Desk, browser: Browser):
    inbox = Inbox(agent, demo)
    synced(agent)
    agent.route(ROWS, lambda route: route.abort())
    before = unread(agent)
    write(browser, demo, "anouk", "Handed over the stream")
    expect(agent.locator(".row-item").first).to_contain_text("Handed over the stream", timeout=SOON_MS)
    expect(agent.locator("#views")).to_have_attribute("data-unread", str(before + 1), timeout=SOON_MS)
    expect(agent).to_have_title(f"({before + 1}) Inbox")

    agent.locator('[data-view="waiting"]').first.evaluate("link => link.click()")
    expect(agent.locator("#rows")).to_have_attribute("aria-label", "Waiting for reply", timeout=SOON_MS)
    row = inbox.row("Handed over the stream")
    expect(row).to_have_count(1)
    assert row.locator("a.row").get_attribute("href").endswith("?view=waiting")
    write(browser, demo, "anouk", "And in this view")
    row = inbox.row("And in this view")
    expect(row).to_have_count(1, timeout=SOON_MS)
    assert row.locator("a.row").get_attribute("href").endswith("?view=waiting")
    row.locator("a.row").click()
    expect(agent.locator("#composer")).to_be_visible(timeout=SOON_MS)
    inbox.answer("Here you are")
    expect(inbox.row("And in this view")).to_have_count(0, timeout=SOON_MS)
    expect(agent.locator(".row-item").filter(has_text="Here you are")).to_have_count(0)


def test_a_list_that_is_searched_is_asked_for(agent: Page, demo: Desk, browser: Browser):
    agent.keyboard.press("/")
    agent.keyboard.type("lighthouse")
    expect(agent.locator("#rows-empty")).to_contain_text("Nothing found", timeout=SOON_MS)
    write(browser, demo, "yusuf", "Near the lighthouse")
    expect(agent.locator(".row-item mark")).to_have_text("lighthouse", timeout=SOON_MS)


def test_a_row_that_is_not_handed_is_read_by_the_page(agent: Page, demo: Desk, browser: Browser):
    agent.add_init_script(UNHEARD)
    synced(agent)
    write(browser, demo, "yusuf", "Nobody handed this")
    expect(agent.locator(".row-item").first).to_contain_text("Nobody handed this", timeout=SOON_MS)


def test_a_stream_that_went_silent_is_noticed_and_begun_anew(agent: Page, demo: Desk):
    """A cable that is out or a machine that slept breaks the connection without telling anybody."""
    agent.clock.install()
    synced(agent)
    expect(agent.locator("#connection")).to_be_hidden()
    agent.evaluate("() => { window.EventSource = class { addEventListener() {} close() {} }; }")  # never answered
    agent.clock.run_for(41_000)
    expect(agent.locator("#connection")).to_contain_text("Reconnecting…", timeout=SOON_MS)


LINES_OF_VIEWS = """() => {
    for (const count of document.querySelectorAll("#views .view__count")) count.textContent = "99+";
    const links = [...document.querySelectorAll("#views > .view, #views > details > .view")];
    return [links.length, new Set(links.map((link) => Math.round(link.getBoundingClientRect().top))).size];
}"""


def test_the_views_keep_to_one_line_and_the_bar_takes_no_click(agent: Page, demo: Desk):
    assert agent.evaluate(LINES_OF_VIEWS) == [4, 1]
    expect(agent.locator("#connection")).to_have_css("pointer-events", "none")
