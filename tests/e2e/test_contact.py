"""The contact of a conversation in a real browser: an earlier ticket far up, notes, an export, an erasure."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SENT = re.compile("sent|delivered|read")


def test_details_export_and_erasure_of_one_person(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer, tmp_path: Path
) -> None:
    lines = [f"long ago {number}" for number in range(130)]
    demo.call(data.add_earlier_lines, customer.conversation, lines, minutes_between=1 / 60, days_before=9)
    page = new_page()
    log_in(page, demo, "admin")
    inbox = Inbox(page, demo)
    inbox.open()
    inbox.choose(customer.name)
    inbox.never_reloads()

    earlier = inbox.details().get_by_role("region", name="Earlier tickets")
    earlier.get_by_text("long ago 0", exact=True).click()
    earlier.get_by_role("link", name="Show in the conversation").last.click()
    expect(page.get_by_role("log").get_by_text("long ago 0", exact=True)).to_be_in_viewport(timeout=SOON_MS)

    inbox.details().get_by_text("Add email, phone or notes").click()
    inbox.details().get_by_label("Phone").fill("+49 151 5550")
    inbox.details().get_by_role("button", name="Save").click()
    expect(inbox.details().get_by_role("definition").filter(has_text="+49 151 5550")).to_be_visible(timeout=SOON_MS)

    inbox.details().get_by_text("Export this conversation").click()
    with page.expect_download() as download:
        inbox.details().get_by_role("button", name="Download").click()
    assert re.fullmatch(rf"{customer.name} \d{{4}}-\d\d-\d\d\.zip", download.value.suggested_filename)
    download.value.save_as(tmp_path / "export.zip")
    assert "long ago 129" in zipfile.ZipFile(tmp_path / "export.zip").read("conversation.html").decode()
    inbox.expect_not_reloaded()

    inbox.details().get_by_role("link", name="Erase this customer").click()
    page.get_by_label("This cannot be undone. Type the name").fill(customer.name)
    page.get_by_role("button", name="Erase this customer").click()
    expect(page.get_by_role("heading", name="Receipt: a customer was erased")).to_be_visible(timeout=SOON_MS)
    page.goto(f"{demo.url}/inbox/?view=all")
    expect(page.get_by_text("Their data was erased")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_text(customer.name)).to_have_count(0)


def test_text_typed_in_the_details_stays_until_it_is_saved(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    demo.call(data.assign, customer.conversation, "alice")
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    inbox.never_reloads()
    details, thread = inbox.details(), agent.get_by_role("log")
    assigned = agent.get_by_label("Assign: Alice Moreau")
    expect(assigned).to_be_visible()

    details.get_by_text("Add email, phone or notes").click()
    details.get_by_label("Email").fill("no address")
    details.get_by_role("textbox", name="About this customer").fill("Prefers mornings")
    details.get_by_label("Email").press("Enter")  # presses the button of these fields, not the first of the page
    expect(agent.get_by_text("was not saved")).to_be_visible(timeout=SOON_MS)
    inbox.answer("Something happens meanwhile")
    expect(inbox.bubble("Something happens meanwhile")).to_have_attribute("data-state", SENT, timeout=SOON_MS)
    expect(details.get_by_role("textbox", name="About this customer")).to_have_value("Prefers mornings")
    details.get_by_label("Email").fill("sara@example.org")
    details.get_by_label("Email").press("Enter")
    expect(details.get_by_role("link", name="sara@example.org")).to_be_visible(timeout=SOON_MS)
    expect(assigned).to_be_visible()

    agent.keyboard.press("t")
    details.get_by_label("Note for them").fill("She asked twice")
    details.get_by_role("button", name="Transfer").click()
    expect(agent.get_by_text("Choose the department or colleague")).to_be_visible(timeout=SOON_MS)
    expect(details.get_by_label("Note for them")).to_have_value("She asked twice")
    details.get_by_label("To", exact=True).select_option(label="Bob Lindgren")
    details.get_by_role("button", name="Transfer").click()
    expect(thread.get_by_text("assigned this conversation to Bob Lindgren")).to_be_visible(timeout=SOON_MS)
    expect(thread.locator(".text", has_text="She asked twice")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()


def test_a_double_click_counts_once_and_the_dialog_it_opens_stays(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    Inbox(agent, demo).choose(customer.name)
    agent.get_by_role("button", name="Close ticket").dblclick()
    expect(agent.get_by_role("log").get_by_text("closed ticket")).to_have_count(1, timeout=SOON_MS)
    expect(agent.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)
    agent.locator("#more-menu summary").click()
    agent.locator("#more-menu").get_by_role("button", name="Block").dblclick()
    question = agent.get_by_role("dialog")
    expect(question).to_contain_text(f"Block {customer.name}?")
    question.get_by_role("button", name="Block").dblclick()
    expect(agent.get_by_role("log").get_by_text("blocked this customer")).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#gate").get_by_role("button", name="Unblock")).to_be_visible(timeout=SOON_MS)


def test_presence_is_set_without_losing_what_is_typed(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer, agent_name: str
) -> None:
    page = new_page()
    log_in(page, demo, agent_name)
    page.goto(f"{demo.url}/inbox/{customer.conversation}/")
    page.get_by_role("link", name="Open the customer's page").click()
    note = page.get_by_label("New note")
    note.fill("Half a note")
    page.get_by_text("presence, preferences, log out").locator("..").click()
    dot = page.locator("#presence-dot")
    other = "online" if dot.get_attribute("data-presence") == "away" else "away"
    page.get_by_label(other.capitalize(), exact=True).check()
    expect(dot).to_have_attribute("data-presence", other, timeout=SOON_MS)
    expect(note).to_have_value("Half a note")
