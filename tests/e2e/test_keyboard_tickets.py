"""Tickets, contacts and the account by the keyboard alone."""

import os

import pytest
from playwright.sync_api import expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.keyboard import FEW, MOST_TABS, Keyboard
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]


def test_tickets_contacts_and_the_account(
    customer: Customer, keyboard: Keyboard, demo: RunningDesk, agent_name: str
) -> None:
    channel = demo.call(data.make_channel, f"Third Page {os.getpid()}", agent_name)
    twin = f"{customer.name} twin"
    demo.call(data.make_conversation, f"78{customer.psid}", twin, channel)
    customer.writes("And something else")
    page = keyboard.page
    keyboard.open(customer)
    tickets = page.locator(".divider__ticket")

    def split() -> None:
        keyboard.press("r")
        keyboard.choose("Start a new ticket here", back=True)
        expect(tickets).to_have_count(2, timeout=SOON_MS)
        keyboard.expect_on(page.locator("#items"))

    split()
    expect(page.locator(".toast--undo")).to_be_visible(timeout=SOON_MS)
    keyboard.press("Control+z")
    expect(tickets).to_have_count(1, timeout=SOON_MS)
    split()

    keyboard.press("Control+k")
    keyboard.type("go to tickets")
    keyboard.follow()
    keyboard.to("Search tickets", most=FEW)
    keyboard.type(customer.name)
    keyboard.follow()
    keyboard.to("And something else")
    keyboard.follow()
    keyboard.to("Merge with the ticket before", most=FEW)
    keyboard.follow()
    expect(page.locator("h1")).to_contain_text("Hello")
    keyboard.to("^Undo", most=FEW)
    keyboard.follow()

    keyboard.to("^Contacts", back=True)
    keyboard.follow()
    keyboard.to("Search customers", most=FEW)
    keyboard.type(customer.name)
    keyboard.follow()
    keyboard.to(f"{customer.name} (?!twin)")
    keyboard.follow()
    keyboard.to("Same person as")
    keyboard.follow()
    keyboard.type(twin)
    keyboard.follow()
    keyboard.to(twin)
    keyboard.follow()
    keyboard.to("Mark as the same person", most=FEW)
    keyboard.follow()
    expect(page.locator(".contacts__inner")).to_contain_text(twin, timeout=SOON_MS)
    keyboard.to("^Separate", most=MOST_TABS)
    keyboard.follow()
    expect(page.get_by_text("No other customer is marked as the same person.")).to_be_visible()
    demo.call(data.delete_channel, channel)

    keyboard.choose("presence, preferences, log out", back=True)
    keyboard.press("Escape")
    assert "log out" in keyboard.focus()["name"]
    keyboard.press("Enter")
    keyboard.to("^Log out")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_label("Password")).to_be_visible(timeout=SOON_MS)
