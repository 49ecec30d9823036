"""A personal canned reply, from the page of the account into a message."""

import os

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_a_personal_reply_is_previewed_inserted_and_counted(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    shortcut = f"thanks-{os.getpid()}"
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    agent.get_by_text("presence, preferences, log out").locator("..").click()
    agent.get_by_role("link", name="Your account").click()
    agent.get_by_role("link", name="Canned replies").click()
    agent.get_by_role("link", name="Add canned reply").click()
    agent.get_by_label("Shortcut").fill(shortcut)
    agent.get_by_label("Text").fill("Thank you, {{name}}!")
    agent.get_by_label("With the customer").select_option(str(customer.conversation))
    agent.get_by_role("button", name="Preview").click()
    expect(agent.get_by_text(f"Thank you, {customer.name}!")).to_be_visible()
    agent.get_by_role("button", name="Save").click()
    expect(agent.get_by_text(f"/{shortcut} is saved.")).to_be_visible()

    agent.get_by_role("link", name="Back to the inbox").click()
    expect(agent).to_have_url(f"{demo.url}/inbox/{customer.conversation}/")
    field = agent.locator("#composer-text")
    field.click()
    agent.keyboard.type(f"/{shortcut}")
    agent.keyboard.press("Enter")
    expect(field).to_have_value(f"Thank you, {customer.name}!")
    agent.keyboard.press("Enter")
    stored = agent.locator(".message--out:not(.message--sending)").filter(has_text=f"Thank you, {customer.name}!")
    expect(stored).to_be_visible(timeout=SOON_MS)
    agent.goto(f"{demo.url}/accounts/canned-replies/")
    expect(agent.get_by_role("listitem").filter(has_text=shortcut)).to_contain_text("Sent 1 time")
    demo.call(data.delete_canned_reply, shortcut)
