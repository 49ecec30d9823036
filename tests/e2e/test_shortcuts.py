"""No shortcut is silent: one that can do nothing says why."""

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]

OPEN_FIRST = "Open a conversation first."


def expect_sentence(page: Page, keys: str, sentence: str) -> None:
    """Press the keys; the sentence is the only one shown."""
    page.locator("#toasts").evaluate("toasts => toasts.replaceChildren()")
    for key in keys.split():
        page.keyboard.press(key)
    expect(page.locator(".toast")).to_have_text([sentence], timeout=SOON_MS)


def test_without_a_conversation(agent: Page, customer: Customer) -> None:
    for key in ("r", "n", "m", "a", "t", "e", "Shift+E", "s", "l", "p", "i", "u", "b", "d", "Enter"):
        expect_sentence(agent, key, OPEN_FIRST)
    expect_sentence(agent, "x", "Go to a conversation in the list first, with J or K.")
    expect_sentence(agent, "Shift+X", "Select conversations in the list first, with X.")
    expect_sentence(agent, "g s", "Only administrators can open Setup.")
    expect_sentence(agent, "g 9", "There is no saved view with this number.")


def test_at_the_ends_of_the_list(agent: Page, new_customer: Callable[..., Customer]) -> None:
    word = f"only{secrets.token_hex(6)}"  # names are found by their beginnings too
    new_customer(word)
    search = agent.get_by_role("searchbox", name="Search")
    search.fill(word)
    expect(agent.locator(".row-item")).to_have_count(1, timeout=SOON_MS)
    search.press("Escape")
    agent.keyboard.press("j")
    expect(agent.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    expect_sentence(agent, "j", "This is the last conversation in the list.")
    expect_sentence(agent, "k k", "This is the first conversation in the list.")
    search.fill(f"{word} nobody")
    expect(agent.locator(".row-item")).to_have_count(0, timeout=SOON_MS)
    search.press("Escape")
    expect_sentence(agent, "j", "The list is empty.")


def test_what_one_conversation_does_not_allow(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    Inbox(agent, demo).choose(customer.name)
    head = agent.locator("#thread-head")
    agent.keyboard.press("m")
    expect(head).to_contain_text("yours", timeout=SOON_MS)
    expect_sentence(agent, "m", "This conversation is already yours.")
    expect_sentence(agent, "l", "There is no other label for this ticket.")
    agent.keyboard.press("e")
    expect(head.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)
    expect_sentence(agent, "s", "A closed ticket cannot be snoozed. Reopen it first.")
    expect_sentence(agent, "Shift+E", "The ticket is already closed.")


def test_labels_of_a_closed_ticket(agent: Page, demo: RunningDesk, customer: Customer, label: str) -> None:
    Inbox(agent, demo).choose(customer.name)
    agent.keyboard.press("e")
    expect(agent.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)
    agent.keyboard.press("l")
    agent.keyboard.type(label)
    agent.keyboard.press("ArrowDown")
    agent.keyboard.press("Enter")
    expect(agent.locator("#details .ticket-labels")).to_contain_text(label, timeout=SOON_MS)


def test_a_deleted_channel_an_erased_customer_and_a_reader(
    agent: Page,
    new_page: Callable[..., Page],
    demo: RunningDesk,
    customer: Customer,
    new_customer: Callable[..., Customer],
) -> None:
    channel = demo.call(data.make_channel, f"Closing down {customer.name}", "alice")
    gone = demo.call(data.make_conversation, f"79{customer.psid}", f"{customer.name} gone", channel)
    demo.call(data.add_message, gone, "Hello", data.FROM_CUSTOMER)
    demo.call(data.delete_channel, channel)
    agent.goto(f"{demo.url}/inbox/{gone}/")
    for key in ("m", "a", "t", "s", "b"):
        expect_sentence(agent, key, "The channel of this conversation was deleted.")

    demo.call(data.erase, customer.conversation)
    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    for key in ("n", "l", "p", "t"):
        expect_sentence(agent, key, "The data of this customer was erased.")

    reader = f"reader{customer.psid}"
    demo.call(data.make_agent, reader, "Sales", answers_demo_channel=False)
    other = new_customer()
    demo.call(data.let_read, other.conversation, reader)
    page = new_page()
    log_in(page, demo, reader)
    page.goto(f"{demo.url}/inbox/{other.conversation}/")
    for key in ("m", "a", "t", "e", "s", "l", "p", "u", "b"):
        expect_sentence(page, key, "You can read this conversation and write notes. Only its agents can change it.")


def test_search_shows_the_list_when_it_is_hidden(agent: Page, customer: Customer) -> None:
    agent.keyboard.press("[")
    expect(agent.locator("#search")).to_be_hidden()
    agent.keyboard.press("/")
    expect(agent.locator("#search")).to_be_focused()
