"""A colleague is mentioned by keyboard, gets access, is told at once, and loses access when the ticket closes."""

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]

PDF: FilePayload = {"name": "terms.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"}


def test_a_colleague_without_access_is_mentioned(
    agent: Page, new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    name = f"outsider{os.getpid()}"
    demo.call(data.make_agent, name, "Workshop", answers_demo_channel=False)
    outsider = new_page()
    log_in(outsider, demo, name)
    Inbox(outsider, demo).open()
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    agent.keyboard.press("n")
    text = agent.locator("#composer-text")
    text.press_sequentially(f"Do you know this, @{name[:9]}")
    options = agent.get_by_role("listbox", name="Colleagues and departments").get_by_role("option")
    expect(options.filter(has_text=name)).to_contain_text("may not see this conversation")
    agent.keyboard.press("Enter")
    expect(text).to_have_value(f"Do you know this, @{name} ")
    agent.locator("#composer-files").set_input_files(PDF)
    question = agent.get_by_label("Give access until the ticket closes")
    expect(agent.get_by_text(f"{name} may not see this conversation and is not notified.")).to_be_visible()
    question.check()
    agent.locator("#composer-send").click()
    note = agent.locator(".note").filter(has_text="Do you know this")
    expect(note.locator(".mention")).to_have_text(f"@{name}", timeout=SOON_MS)
    expect(note).to_contain_text("terms.pdf")

    expect(outsider.locator("#toasts")).to_contain_text("mentioned you", timeout=SOON_MS)
    expect(outsider.locator('.view__count--mentions[data-count="mentions"]')).to_have_text("1", timeout=SOON_MS)
    Inbox(outsider, demo).row(customer.name).get_by_role("link").click()
    expect(outsider.locator(".mention--own")).to_have_text(f"@{name}")
    expect(outsider.locator("#gate")).to_contain_text("but not reply")
    expect(outsider.get_by_role("button", name="Close ticket")).to_have_count(0)
    expect(outsider.locator('.view__count--mentions[data-count="mentions"]')).to_have_text("", timeout=SOON_MS)

    agent.get_by_role("button", name="Close ticket").click()
    expect(Inbox(outsider, demo).row(customer.name)).to_have_count(0, timeout=SOON_MS)
