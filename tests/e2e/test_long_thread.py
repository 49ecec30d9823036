"""A long thread in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]
WATCH = """() => {
    window.drawn = 0;
    new MutationObserver((records) => (window.drawn += records.filter((one) => one.addedNodes.length > 1).length))
        .observe(document.getElementById("items"), { childList: true });
}"""


def test_a_found_message_far_up_is_shown_with_all_between_drawn_once(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    lines = [f"Line {number}." + " Needle" * (number == 17) for number in range(1000)]
    demo.call(data.add_long_history, customer.conversation, lines, minutes_between=10)
    agent.keyboard.press("/")
    agent.keyboard.type(customer.name)
    expect(agent.locator(".row-item")).to_have_count(1, timeout=SOON_MS)
    agent.locator(".row-item a.row").click()
    expect(agent.locator("#items").get_by_text("Line 999.", exact=True)).to_be_attached(timeout=SOON_MS)
    agent.evaluate("document.getElementById('thread-scroll').scrollTop = 1e9")
    agent.evaluate(WATCH)
    agent.locator("#search").fill("needle")
    expect(agent.locator(".row-item mark").first).to_have_text("Needle", timeout=SOON_MS)
    agent.locator(".row-item a.row").click()
    expect(agent.locator("#items").get_by_text("Line 17. Needle")).to_be_in_viewport(timeout=SOON_MS)
    assert agent.evaluate("window.drawn") <= 2  # older pages are not rendered one by one
    keys = agent.locator("#items > [data-key]").evaluate_all("all => all.map((one) => one.dataset.key)")
    assert len(keys) == len(set(keys))
    lines = agent.locator("#items .text").evaluate_all("all => all.map((one) => one.textContent)")
    numbers = [int(line.removeprefix("Line ").split(".")[0]) for line in lines if line.startswith("Line ")]
    assert numbers == list(range(numbers[0], 1000))
