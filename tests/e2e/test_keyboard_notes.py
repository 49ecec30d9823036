"""Internal notes by the keyboard alone, in the conversation and on the page of a ticket."""

import pytest
from playwright.sync_api import expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.keyboard import Keyboard
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]


def test_a_note_is_written_changed_and_deleted(customer: Customer, keyboard: Keyboard) -> None:
    page, note = keyboard.page, keyboard.page.locator(".note")
    keyboard.open(customer)
    keyboard.press("n")
    keyboard.type("Please look @bob")
    expect(page.locator(".mention-option").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("Enter", "Enter")
    expect(note.locator(".mention")).to_have_text("@Bob Lindgren", timeout=SOON_MS)
    keyboard.expect_on(page.locator("#composer-text"))
    edit = page.get_by_label("Edit or delete this note")
    keyboard.choose("^Edit or delete", back=True)
    keyboard.press("Tab")
    keyboard.type(" Today. ")
    keyboard.press("Escape")  # leaves the field
    keyboard.expect_on(edit)
    keyboard.press("Escape")  # closes the form
    expect(note.locator("textarea")).to_be_hidden()
    keyboard.press("Enter")
    keyboard.choose("^Save")
    expect(note.locator(".text")).to_contain_text("Today.", timeout=SOON_MS)
    keyboard.expect_on(edit)
    keyboard.press("Enter")
    keyboard.choose("^Delete")
    keyboard.choose("^Delete")
    expect(page.locator(".note--deleted")).to_have_count(1, timeout=SOON_MS)
    keyboard.expect_on(page.locator("#items"))


def test_a_note_is_changed_and_deleted_on_the_page_of_its_ticket(
    customer: Customer, keyboard: Keyboard, demo: RunningDesk
) -> None:
    page, note = keyboard.page, keyboard.page.locator(".note")
    keyboard.open(customer)
    keyboard.press("n")
    keyboard.type("Call them")
    keyboard.press("Enter")
    expect(page.locator(".note[data-cursor]")).to_contain_text("Call them", timeout=SOON_MS)  # it is stored
    keyboard.visit(f"{demo.url}/tickets/{demo.call(data.current_ticket, customer.conversation)}/")
    edit = page.get_by_label("Edit or delete this note")
    keyboard.choose("^Edit or delete this note")
    keyboard.press("Tab", "Control+a")
    keyboard.type("Write to @bob")
    expect(page.locator(".mention-option").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("Enter")
    keyboard.choose("^Save")
    expect(note.locator(".mention")).to_have_text("@Bob Lindgren", timeout=SOON_MS)
    keyboard.expect_on(edit)
    keyboard.press("Enter")
    keyboard.choose("^Delete")
    keyboard.choose("^Delete")
    expect(page.locator(".note--deleted")).to_have_count(1, timeout=SOON_MS)
    keyboard.focus()
