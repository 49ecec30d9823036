"""Templates and stickers in a real browser: sent by keyboard, seen by the customer."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_a_template_is_sent_where_the_window_is_shut(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer]
) -> None:
    demo.call(data.make_template, "order_left", "Hi {{1}}, your order {{2}} has left.", "Maria", "1042")
    demo.call(data.make_template, "appointment", "Your appointment is on {{1}}.", "Monday")
    demo.wait_for(lambda: demo.call(data.is_approved, "appointment"), "the template is approved")
    customer = new_customer("I will wait", hours_ago=8 * 24)
    demo.sandbox.customer_writes(customer.id, BERG_BIKES, "I will wait", timestamp=1_700_000_000_000, silent=True)
    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    agent.get_by_role("button", name="Send a template").click()
    dialog = agent.get_by_role("dialog", name="Send a template")
    expect(dialog.get_by_label("Search templates")).to_be_focused()
    agent.keyboard.type("left")
    expect(dialog.locator("summary").filter(has_text="appointment")).to_be_hidden()
    item = dialog.get_by_role("listitem").filter(has_text="order_left")
    item.locator("summary").click()
    expect(item.get_by_label("Value 1")).to_have_value("Robin")
    item.get_by_label("Value 2").fill("77")
    expect(item.get_by_label("Preview")).to_have_text("Hi Robin, your order 77 has left.")
    agent.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    sent = agent.locator(".message--out").filter(has_text="Hi Robin, your order 77 has left.")
    expect(sent).to_have_attribute("data-state", "delivered", timeout=SOON_MS)
    assert [row["text"] for row in demo.sandbox.sent(BERG_BIKES, customer.psid)] == [
        "Hi Robin, your order 77 has left."
    ]


def test_a_sticker_is_chosen_by_keyboard_and_leaves_the_text(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    Inbox(agent, demo).choose(customer.name)
    agent.locator("#composer-text").fill("Half a sentence")
    agent.get_by_role("button", name="Stickers").focus()
    agent.keyboard.press("Enter")
    expect(agent.get_by_role("button", name="Thumbs up, small")).to_be_focused()
    agent.keyboard.press("ArrowRight")
    agent.keyboard.press("ArrowRight")
    agent.keyboard.press("Enter")
    sent = agent.locator(".message--out").filter(has_text="👍 Thumbs up")
    expect(sent).to_have_attribute("data-state", "delivered", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("Half a sentence")
    (shown,) = demo.sandbox.sent(BERG_BIKES, customer.psid)
    assert shown["attachments"][0]["sticker_id"] == "369239383222810"
