"""Replies by the keyboard alone: text, emoji, files, quotes, reactions, templates, and sending later."""

import os

import pytest
from playwright.sync_api import FilePayload, expect

from tests import factories
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.keyboard import FEW, Keyboard
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]

PICTURE: FilePayload = {"name": "bike.png", "mimeType": "image/png", "buffer": factories.png()}


def test_a_conversation_is_answered(customer: Customer, keyboard: Keyboard) -> None:
    page, text, items = keyboard.page, keyboard.page.locator("#composer-text"), keyboard.page.locator("#items")
    # From the start: the browser is told a moment later that the test chooses the file, which may be after the key.
    page.on("filechooser", lambda _chooser: None)
    keyboard.press("Tab")  # the first on the page leads to the conversation
    assert keyboard.focus()["name"] == "Skip to the conversation"
    keyboard.open(customer)
    keyboard.press("Enter")
    keyboard.expect_on(page.locator("#thread"))
    keyboard.press("Enter")
    keyboard.type("Good morning")
    keyboard.press("Enter")
    expect(items).to_contain_text("Good morning", timeout=SOON_MS)
    keyboard.expect_on(text)

    keyboard.choose("^Emoji", most=FEW)
    keyboard.type("grinning")
    keyboard.press("ArrowDown", "Enter")
    keyboard.expect_on(text)
    keyboard.choose("^Stickers", most=FEW)
    expect(page.get_by_role("dialog", name="Stickers")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stickers")).to_be_focused()
    keyboard.choose("^Canned replies", most=FEW)
    keyboard.press("ArrowDown", "Enter")
    expect(text).not_to_have_value("")
    keyboard.to("^Attach files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(PICTURE)
    expect(page.get_by_role("button", name="Remove bike.png")).to_be_visible(timeout=SOON_MS)
    keyboard.choose("^Remove bike.png", back=True)
    keyboard.press("r", "Control+a", "Delete")
    keyboard.expect_on(text)

    keyboard.choose("^Reply to this message", back=True)
    keyboard.expect_on(text)
    keyboard.press("Escape")
    expect(page.locator("#composer-quote")).to_be_hidden()
    keyboard.choose("^React to this message", back=True)
    keyboard.press("Enter")
    ours = page.locator(".reaction--ours:not(.reaction--waiting)")
    expect(ours).to_be_visible(timeout=SOON_MS)
    keyboard.choose("remove it", back=True)
    expect(ours).to_have_count(0, timeout=SOON_MS)
    keyboard.focus()

    keyboard.press("r")
    keyboard.type("Until tomorrow")
    keyboard.press("Control+Shift+Enter", "ArrowDown", "Enter")
    expect(page.locator(".scheduled")).to_contain_text("Until tomorrow", timeout=SOON_MS)
    keyboard.expect_on(text)
    keyboard.choose("^Cancel reply", back=True)
    keyboard.press("Escape")
    keyboard.expect_on(page.get_by_role("button", name="Cancel reply"))
    keyboard.press("Enter")
    keyboard.choose("^Cancel reply")
    expect(page.locator(".scheduled")).to_have_count(0, timeout=SOON_MS)
    keyboard.expect_on(items)

    page.context.set_offline(True)
    keyboard.press("r")
    keyboard.type("Written in the lift")
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible(timeout=SOON_MS)
    keyboard.choose("^Cancel$", back=True)
    keyboard.focus()
    page.context.set_offline(False)


def test_a_template_is_sent(customer: Customer, keyboard: Keyboard, demo: RunningDesk) -> None:
    ready, other = (f"{name}_{os.getpid()}" for name in ("ready", "late"))
    demo.call(data.make_template, ready, "Bike {{1}} is ready.", "7")
    demo.call(data.make_template, other, "We open late on {{1}}.", "Monday")
    demo.wait_for(lambda: demo.call(data.is_approved, other), "the template is approved")
    page, dialog = keyboard.page, keyboard.page.get_by_role("dialog", name="Send a template")
    keyboard.open(customer)
    for _ in range(2):
        keyboard.press("r")
        keyboard.choose("^More ways to send", most=FEW)
        keyboard.choose("^Send a template", key="ArrowDown", most=FEW)
        expect(dialog.get_by_label("Search templates")).to_be_focused(timeout=SOON_MS)
        keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    keyboard.press("r")
    keyboard.choose("^More ways to send", most=FEW)
    keyboard.choose("^Send a template", key="ArrowDown", most=FEW)
    expect(dialog.get_by_label("Search templates")).to_be_focused(timeout=SOON_MS)
    keyboard.type(ready)
    keyboard.choose(f"^{ready}", most=FEW)
    if "Value" not in keyboard.focus()["name"]:
        keyboard.to("Value 1", most=FEW)
    keyboard.press("Control+a")
    keyboard.type("77")
    expect(dialog.get_by_label("Preview").filter(has_text="Bike 77 is ready.")).to_be_visible()
    keyboard.press("Enter")
    expect(dialog).to_be_hidden(timeout=SOON_MS)
    expect(page.locator(".message--out").filter(has_text="Bike 77 is ready.")).to_be_visible(timeout=SOON_MS)
    keyboard.focus()
