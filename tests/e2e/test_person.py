"""The person behind a conversation, in a real browser: an earlier ticket far up, a note, an export, an erasure."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.screens import SOON_MS, Inbox, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SENT = re.compile("sent|delivered|read")
LONG_AGO = """
from datetime import timedelta
from tickets.models import Conversation, Message
from tickets.services import threads
tom = Conversation.objects.get(contact__name="Tom Becker")
first = tom.messages.order_by("sent_at").first().sent_at
for number in range(130):
    threads.add_message(tom, direction="in", source="customer", state="received", mid=f"m_long_ago_{number}",
                        text=f"long ago {number}", sent_at=first - timedelta(days=9, seconds=130 - number))
"""


def test_details_export_and_erasure_of_one_person(page: Page, demo: Desk, tmp_path: Path) -> None:
    demo.manage("shell", "--command", LONG_AGO)
    log_in(page, demo, "admin")
    inbox = Inbox(page, demo)
    inbox.open()
    inbox.choose("Tom Becker")
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
    assert re.fullmatch(r"Tom Becker \d{4}-\d\d-\d\d\.zip", download.value.suggested_filename)
    download.value.save_as(tmp_path / "export.zip")
    assert "long ago 129" in zipfile.ZipFile(tmp_path / "export.zip").read("conversation.html").decode()
    inbox.expect_not_reloaded()

    inbox.details().get_by_role("link", name="Erase this customer").click()
    page.get_by_label("I understand that this cannot be undone.").check()
    page.get_by_role("button", name="Erase this customer").click()
    expect(page.get_by_role("heading", name="Receipt: a customer was erased")).to_be_visible(timeout=SOON_MS)
    inbox.open()
    expect(page.get_by_text("Their data was erased")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_text("Tom Becker")).to_have_count(0)


def test_what_is_typed_in_the_details_stays_until_it_is_kept(agent: Page, demo: Desk) -> None:
    inbox = Inbox(agent, demo)
    inbox.choose("Sara Lindqvist")
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
    expect(thread.get_by_text("She asked twice")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()


def test_a_double_click_is_one_and_a_question_it_opens_stays(agent: Page, demo: Desk) -> None:
    inbox = Inbox(agent, demo)
    inbox.choose("João Almeida")
    agent.get_by_role("button", name="Close ticket").dblclick()
    expect(agent.get_by_role("log").get_by_text("closed ticket")).to_have_count(1, timeout=SOON_MS)
    expect(agent.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)
    agent.locator("#more-menu summary").click()
    agent.locator("#more-menu").get_by_role("button", name="Block").dblclick()
    question = agent.get_by_role("dialog")
    expect(question).to_contain_text("Block João Almeida?")
    question.get_by_role("button", name="Block").dblclick()
    expect(agent.get_by_role("log").get_by_text("blocked this customer")).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#gate").get_by_role("button", name="Unblock")).to_be_visible(timeout=SOON_MS)
