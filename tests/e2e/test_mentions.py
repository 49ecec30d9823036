"""A colleague is mentioned by keyboard, gets access, is told at once, and loses access when the ticket closes.

Whom an unsent note mentions survives a reload, and the loss of the connection.
"""

import itertools
import os
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]

PDF: FilePayload = {"name": "terms.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"}
NUMBERS = itertools.count(1)
KEPT_NOTE = """async () => {
  const opened = await new Promise((done) => {
    const request = indexedDB.open("desk", 1);
    request.onsuccess = () => done(request.result);
  });
  const rows = await new Promise((done) => {
    const request = opened.transaction("notes").objectStore("notes").getAll();
    request.onsuccess = () => done(request.result);
  });
  opened.close();
  return rows.length ? (rows[0].mentions ?? []).map((one) => one.key + (one.isGiven ? "+" : "")) : null;
}"""


@pytest.fixture
def outsider(demo: RunningDesk) -> str:
    """Return the name of an agent who may not see the customer's conversation."""
    name = f"outsider{os.getpid()}{next(NUMBERS)}"
    demo.call(data.make_agent, name, "Workshop", answers_demo_channel=False)
    return name


def mention(page: Page, customer: Customer, name: str) -> None:
    """Begin a note that mentions this agent."""
    page.keyboard.press("n")
    page.locator("#composer-text").press_sequentially(f"Look at this, @{name}")
    option = page.get_by_role("listbox", name="Colleagues and departments").get_by_role("option", name=name)
    expect(option).to_be_visible(timeout=SOON_MS)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Give access until the ticket closes")).to_be_visible()


def kept_note(page: Page) -> list[str] | None:
    """Return whom the note mentions that the browser keeps, with + for who gets access; None without a note."""
    found: list[str] | None = page.evaluate(KEPT_NOTE)
    return found


def test_whom_a_note_mentions_survives_a_reload(
    agent: Page, demo: RunningDesk, customer: Customer, outsider: str
) -> None:
    Inbox(agent, demo).choose(customer.name)
    mention(agent, customer, outsider)
    demo.wait_for(lambda: len(kept_note(agent) or []) == 1, "the browser keeps the mention")
    agent.get_by_label("Give access until the ticket closes").check()
    demo.wait_for(lambda: (kept_note(agent) or [""])[0].endswith("+"), "the browser keeps that access is given")
    agent.reload()
    agent.locator("#composer").get_by_label("Note", exact=True).check(force=True)
    expect(agent.locator("#composer-text")).to_have_value(f"Look at this, @{outsider} ")
    expect(agent.get_by_label("Give access until the ticket closes")).to_be_checked()
    agent.locator("#composer-send").click()
    note = agent.locator(".note[data-cursor]").filter(has_text="Look at this")
    expect(note.locator(".mention")).to_have_text(f"@{outsider}", timeout=SOON_MS)
    expect(agent.locator("#details")).to_contain_text(outsider, timeout=SOON_MS)
    assert kept_note(agent) is None


def test_whom_a_waiting_note_mentions_survives_the_loss_of_the_connection(
    agent: Page, demo: RunningDesk, customer: Customer, outsider: str
) -> None:
    Inbox(agent, demo).choose(customer.name)
    mention(agent, customer, outsider)
    agent.get_by_label("Give access until the ticket closes").check()
    agent.context.set_offline(True)
    agent.locator("#composer-send").click()
    waiting = agent.locator("#items > .unsent")
    expect(waiting).to_contain_text("Waiting for connection", timeout=SOON_MS)
    agent.route("**/reply/", lambda route: route.abort())  # it still waits after the reload
    agent.context.set_offline(False)
    agent.reload()
    waiting.get_by_role("button", name="Edit").click()
    expect(agent.get_by_label("Give access until the ticket closes")).to_be_checked()
    agent.locator("#composer-send").click()
    expect(waiting).to_have_count(1, timeout=SOON_MS)
    agent.unroute("**/reply/")
    note = agent.locator(".note[data-cursor]").filter(has_text="Look at this")
    expect(note.locator(".mention")).to_have_text(f"@{outsider}", timeout=20_000)
    expect(agent.locator("#details")).to_contain_text(outsider, timeout=SOON_MS)


def test_a_colleague_without_access_is_mentioned(
    agent: Page, new_page: Callable[..., Page], demo: RunningDesk, customer: Customer, outsider: str
) -> None:
    name, reader = outsider, new_page()
    log_in(reader, demo, name)
    Inbox(reader, demo).open()
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    agent.keyboard.press("n")
    text = agent.locator("#composer-text")
    text.press_sequentially(f"Do you know this, @{name}")
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

    expect(reader.locator("#toasts")).to_contain_text("mentioned you", timeout=SOON_MS)
    expect(reader.locator('.view__count--mentions[data-count="mentions"]')).to_have_text("1", timeout=SOON_MS)
    Inbox(reader, demo).row(customer.name).get_by_role("link").click()
    expect(reader.locator(".mention--own")).to_have_text(f"@{name}")
    expect(reader.locator("#gate")).to_contain_text("but not reply")
    expect(reader.get_by_role("button", name="Close ticket")).to_have_count(0)
    expect(agent.locator("[data-react]").first).not_to_have_css("display", "none")
    expect(reader.locator("[data-react]").first).to_have_css("display", "none")
    expect(reader.locator('.view__count--mentions[data-count="mentions"]')).to_have_text("", timeout=SOON_MS)

    agent.get_by_role("button", name="Close ticket").click()
    expect(Inbox(reader, demo).row(customer.name)).to_have_count(0, timeout=SOON_MS)


def test_a_note_that_cannot_be_saved_stays_as_it_was_typed(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    Inbox(agent, demo).choose(customer.name)
    agent.keyboard.press("n")
    agent.locator("#composer-text").fill("Call back at ten")
    agent.locator("#composer-send").click()
    note = agent.locator(".note[data-cursor]")
    expect(note).to_contain_text("Call back at ten", timeout=SOON_MS)
    note.get_by_text("Edit", exact=True).click()
    note.get_by_role("textbox").fill("Call back at noon")
    agent.route("**/change/", lambda route: route.abort())
    note.get_by_role("button", name="Save").click()
    expect(agent.locator("#toasts")).to_contain_text("Nothing was changed.", timeout=SOON_MS)
    expect(note.get_by_role("textbox")).to_have_value("Call back at noon")
    agent.unroute("**/change/")
    note.get_by_role("button", name="Save").click()
    expect(note.locator(".text")).to_have_text("Call back at noon", timeout=SOON_MS)
