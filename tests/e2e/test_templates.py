"""Templates and stickers in a real browser: sent by keyboard, seen by the customer."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]


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


def test_a_sticker_and_a_template_are_sent_later(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    name = f"good_day_{customer.id}"
    demo.call(data.make_template, name, "Good morning {{1}}.", "Maria")
    demo.wait_for(lambda: demo.call(data.is_approved, name), "the template is approved")
    Inbox(agent, demo).choose(customer.name)
    agent.locator("#composer-text").fill("Half a sentence")
    agent.get_by_role("button", name="Stickers").click()
    panel = agent.get_by_role("dialog", name="Stickers")
    panel.get_by_label("When to send").select_option("hour")
    panel.get_by_label("Cancel it if the customer writes first").check()
    panel.get_by_role("button", name="Thumbs up, small").click()
    sticker = agent.locator(".scheduled").filter(has_text="👍 Thumbs up")
    expect(sticker).to_contain_text("cancelled if the customer writes first")
    expect(sticker.get_by_role("button", name="Edit")).to_have_count(0)
    expect(agent.locator("#composer-text")).to_have_value("Half a sentence")
    agent.get_by_label("More ways to send").click()
    agent.get_by_role("button", name="Send a template").click()
    dialog = agent.get_by_role("dialog", name="Send a template")
    item = dialog.get_by_role("listitem").filter(has_text=name)
    expect(item).to_be_visible(timeout=SOON_MS)
    if item.locator("details[open]").count() == 0:  # the only template is open
        item.locator("summary").click()
    item.get_by_label("Value 1").fill("Maria")
    item.get_by_label("When to send").select_option("time")
    item.get_by_label("Day and time").fill("2001-01-01T10:00")
    item.get_by_role("button", name="Send").click()
    expect(item.get_by_role("alert")).to_contain_text("still to come")
    item.get_by_label("When to send").select_option("tomorrow")
    item.get_by_role("button", name="Send").click()
    expect(dialog).to_be_hidden()
    letter = agent.locator(".scheduled").filter(has_text="Good morning")
    expect(letter).to_contain_text("Scheduled for tomorrow")
    letter.get_by_text("Change the time").click()
    sticker.get_by_role("button", name="Send now").click()
    sent = agent.locator(".message--out").filter(has_text="👍 Thumbs up")
    expect(sent).to_have_attribute("data-state", "delivered", timeout=SOON_MS)
    expect(letter.get_by_role("button", name="Send at that time")).to_be_visible()  # still open after the update
    letter.get_by_role("button", name="Cancel reply").click()
    agent.get_by_role("dialog").get_by_role("button", name="Cancel reply").click()
    expect(letter).to_have_count(0)
