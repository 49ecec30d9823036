"""The page of one ticket: what a message offers there does what it says, and the page stays where it is."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]

NOTE = {"direction": "out", "kind": "note", "source": "agent", "state": "sent", "mid": None}


@pytest.fixture
def ticket(agent: Page, demo: RunningDesk, customer: Customer) -> Page:
    """Open the page of the customer's ticket, with a note of alice, a long message and a reply that is unsure."""
    demo.call(data.add_message, customer.conversation, "Call them", NOTE, "alice")
    demo.call(data.add_message, customer.conversation, "Word " * 700, data.FROM_CUSTOMER)
    demo.call(data.add_message, customer.conversation, "On its way", {**data.FAILED, "state": "unsure"}, "alice")
    agent.goto(f"{demo.url}/tickets/{demo.call(data.current_ticket, customer.conversation)}/")
    return agent


def test_a_note_is_edited_and_deleted(ticket: Page) -> None:
    address, note = ticket.url, ticket.locator(".note")
    text = note.get_by_role("textbox", name="Note")
    note.get_by_label("Edit or delete this note").click()
    text.fill("Look, ")
    text.press("End")
    text.press_sequentially("@bob")
    ticket.get_by_role("option").filter(has_text="Bob Lindgren").click()
    note.get_by_role("button", name="Save").click()
    expect(note.locator(".mention")).to_have_text("@Bob Lindgren", timeout=SOON_MS)
    expect(text).to_be_hidden()
    expect(note).to_contain_text("edited")

    note.get_by_label("Edit or delete this note").click()
    text.fill(" ")
    note.get_by_role("button", name="Save").click()
    expect(ticket.locator(".toast--error")).to_contain_text("The note is empty", timeout=SOON_MS)
    text.fill("Kept while the network is away")
    ticket.context.set_offline(True)
    note.get_by_role("button", name="Save").click()
    expect(ticket.locator(".toast--error").last).to_contain_text("Nothing was changed", timeout=SOON_MS)
    ticket.context.set_offline(False)
    expect(text).to_have_value("Kept while the network is away")

    note.get_by_role("button", name="Delete").click()
    question = ticket.get_by_role("dialog")
    question.get_by_role("button", name="Cancel").click()
    expect(note.locator(".mention")).to_be_visible()
    note.get_by_role("button", name="Delete").click()
    question.get_by_role("button", name="Delete").click()
    expect(note).to_contain_text("deleted this note", timeout=SOON_MS)
    assert ticket.url == address


def test_the_buttons_of_messages(ticket: Page, demo: RunningDesk, customer: Customer) -> None:
    address = ticket.url
    long = ticket.locator(".message--in").filter(has_text="Word").locator(".text")
    before = long.bounding_box()
    ticket.get_by_role("button", name="Show all").click()
    after = long.bounding_box()
    assert before
    assert after
    assert after["height"] > before["height"]
    ticket.get_by_role("button", name="Show less").click()

    ticket.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply = ticket.locator(".message--out").filter(has_text="On its way")
    reply.get_by_role("button", name="Copy").click()
    expect(ticket.locator(".toast").last).to_contain_text("Copied", timeout=SOON_MS)
    reply.get_by_role("button", name="Send again").click()
    question = ticket.get_by_role("dialog")
    expect(question).to_contain_text("the customer gets it twice")
    question.get_by_role("button", name="Cancel").click()
    expect(reply).to_contain_text("Unsure whether it arrived")
    reply.get_by_role("button", name="It arrived").click()
    expect(reply).not_to_contain_text("Unsure whether it arrived", timeout=SOON_MS)
    assert ticket.url == address

    ticket.get_by_role("button", name="Close ticket").click()
    expect(ticket.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)


def test_a_reply_is_edited_in_the_conversation(ticket: Page, demo: RunningDesk, customer: Customer) -> None:
    demo.call(data.add_message, customer.conversation, "Too early", data.FAILED, "alice")
    ticket.reload()
    ticket.locator(".message--out").filter(has_text="Too early").get_by_role("button", name="Edit and resend").click()
    ticket.wait_for_url(f"**/inbox/{customer.conversation}/**")
    expect(ticket.locator("#composer-text")).to_have_value("Too early")
