"""A conversation is worked on by the keyboard alone: assigned, snoozed, labelled, its fields filled, and so on."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.customers import Customer
from tests.e2e.keyboard import FEW, Keyboard
from tests.e2e.page_objects import SOON_MS

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]


def test_a_conversation_is_worked_on(customer: Customer, keyboard: Keyboard, label: str) -> None:
    page, head, details = keyboard.page, keyboard.page.locator("#thread-head"), keyboard.page.locator("#details")
    items = page.locator("#items")
    assign, snooze = page.locator("#assign-menu > summary"), page.locator("#snooze-menu > summary")
    keyboard.open(customer)
    row = page.locator(f"#row-{customer.conversation} a.row")
    keyboard.press("m")
    expect(head).to_contain_text("yours", timeout=SOON_MS)
    keyboard.expect_on(row)
    keyboard.press("a", "Escape")
    keyboard.expect_on(assign)
    keyboard.press("a")
    keyboard.choose("Bob Lindgren", key="ArrowDown", most=FEW)
    expect(items).to_contain_text("assigned this conversation to Bob Lindgren", timeout=SOON_MS)
    keyboard.expect_on(assign)
    for kind in ("In 3 hours", "Until they write"):
        keyboard.press("s")
        if not re.search(kind, keyboard.focus()["name"]):
            keyboard.to(kind, key="ArrowUp", most=FEW)
        keyboard.press("Enter")
        expect(head).to_contain_text("snoozed until", timeout=SOON_MS)
        keyboard.expect_on(snooze)
        keyboard.press("s", "Enter")
        expect(head).not_to_contain_text("snoozed until", timeout=SOON_MS)
        keyboard.expect_on(snooze)
    keyboard.press("e")
    expect(head.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)
    keyboard.choose("Reopen ticket", most=FEW)
    keyboard.expect_on(head.get_by_role("button", name="Close ticket"))

    keyboard.press("p", "ArrowRight", "Enter")
    expect(details.get_by_role("button", name="High")).to_have_attribute("aria-pressed", "true", timeout=SOON_MS)
    keyboard.expect_on(details.get_by_role("button", name="High"))
    keyboard.press("l", "Escape")
    keyboard.expect_on(page.locator("[data-label-menu] > summary"))
    keyboard.press("l")
    keyboard.type(label)
    keyboard.press("ArrowDown", "Enter")
    expect(details.locator(".ticket-labels")).to_contain_text(label, timeout=SOON_MS)
    keyboard.press("r")
    keyboard.choose(f"Remove the label {label}")
    expect(details.locator(".ticket-labels li")).to_have_count(0, timeout=SOON_MS)
    for name, field, words in (
        ("the subject", "Subject", "A new bell"),
        ("email, phone", "Email", "robin@example.org"),
    ):
        keyboard.choose(name)
        keyboard.press("Tab", "Control+a")
        keyboard.type(words)
        keyboard.press("Enter")
        expect(details).to_contain_text(words, timeout=SOON_MS)
        expect(details.get_by_label(field)).to_be_hidden(timeout=SOON_MS)
        assert re.search(name, keyboard.focus()["name"])

    macros = page.get_by_role("dialog", name="Run a macro")
    keyboard.press("i")
    expect(macros.get_by_role("searchbox")).to_be_focused(timeout=SOON_MS)
    keyboard.press("Escape", "i")
    expect(macros.get_by_role("searchbox")).to_be_focused(timeout=SOON_MS)
    keyboard.choose("^Refund", key="ArrowDown", most=FEW)
    expect(macros.get_by_role("button", name="Run macro")).to_be_focused(timeout=SOON_MS)
    keyboard.press("Enter")
    expect(page.locator("#macro-bar")).to_contain_text("applied", timeout=SOON_MS)
    keyboard.press("Control+z")
    expect(page.locator("#macro-bar")).to_contain_text("undone", timeout=SOON_MS)
    keyboard.focus()
    keyboard.press("?", "Escape", "b", "Escape", "Control+k")
    keyboard.type("snooze until they")
    keyboard.press("Enter")
    expect(head).to_contain_text("snoozed until they write", timeout=SOON_MS)
    keyboard.press("t", "ArrowDown", "Tab")
    keyboard.type("For you")
    keyboard.press("Escape", "Escape")
    expect(page.locator("#transfer-note")).to_be_hidden()
    keyboard.press("u")
    expect(page.locator("#thread[data-conversation]")).to_have_count(0, timeout=SOON_MS)
    keyboard.focus()  # the row is gone, too: it is snoozed


def test_custom_fields_are_filled(customer: Customer, keyboard: Keyboard, fields: dict[str, str]) -> None:
    details = keyboard.page.locator("#details")
    keyboard.open(customer)
    for of, words in (("ticket", "Steel"), ("contact", "Pedal friends")):
        keyboard.press("r")
        keyboard.choose(f"^{fields[of]}")
        keyboard.press("Tab")
        keyboard.type(words)
        keyboard.press("Escape", "Enter", "Enter")  # leaves the field, closes the form and opens it again
        keyboard.to(f"^{fields[of]}$")
        keyboard.press("Enter")
        field = details.locator(".custom-field").filter(has_text=fields[of])
        expect(field.locator(".custom-field__value")).to_have_text(words, timeout=SOON_MS)
        expect(field.get_by_role("textbox")).to_be_hidden()
        assert re.search(f"^{fields[of]}", keyboard.focus()["name"])
