"""The person behind a conversation, in a real browser: an earlier ticket far up, a note, an export, an erasure."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.screens import SOON_MS, Inbox, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]

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

    inbox.details().get_by_text("Note e-mail, phone or more").click()
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

    inbox.details().get_by_role("link", name="Erase this person").click()
    page.get_by_label("I understand that this cannot be undone.").check()
    page.get_by_role("button", name="Erase this person").click()
    expect(page.get_by_role("heading", name="Receipt: a person was erased")).to_be_visible(timeout=SOON_MS)
    inbox.open()
    expect(page.get_by_text("Their data was erased")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_text("Tom Becker")).to_have_count(0)
