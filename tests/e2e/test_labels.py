"""A label is found by typing, added by keyboard, shown in the row, and kept while the subject is refused."""

import os
import time

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]


def answered_after_the_live_update(route: Route) -> None:
    """Let the page learn of the change by the live stream before the answer to the form comes."""
    response = route.fetch()
    time.sleep(1.5)
    route.fulfill(response=response)


def test_an_agent_labels_a_ticket_by_keyboard(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    name = f"Refund {os.getpid()}"
    demo.call(data.add_label, name)
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    details = agent.locator("#details")
    details.get_by_text("Add a label").click()
    search = details.get_by_label("Search labels")
    search.fill("nothing of it")
    expect(details.locator(".label-picker button:visible")).to_have_count(0)
    agent.route("**/add-label/", answered_after_the_live_update)
    search.fill(name.lower())
    search.press("ArrowDown")
    agent.keyboard.press("Enter")
    expect(details.locator(".ticket-labels")).to_contain_text(name, timeout=SOON_MS)
    expect(inbox.row(customer.name)).to_contain_text(name, timeout=SOON_MS)

    details.get_by_role("button", name="Urgent").click()
    expect(inbox.row(customer.name)).to_contain_text("Urgent", timeout=SOON_MS)
    details.get_by_text("Edit the subject").click()
    details.get_by_label("Subject").fill("   ")
    details.get_by_label("Subject").press("Enter")
    expect(agent.get_by_text("The subject is empty.")).to_be_visible()
    details.get_by_label("Subject").fill("Money back")
    details.get_by_label("Subject").press("Enter")
    expect(details.locator(".ticket-subject").first).to_have_text("Money back", timeout=SOON_MS)

    details.get_by_role("button", name=f"Remove the label {name}").click()
    expect(inbox.row(customer.name)).not_to_contain_text(name, timeout=SOON_MS)
    demo.call(data.delete_label, name)
