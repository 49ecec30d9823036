"""The agent's workspace in a real browser: what only scripts can break."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import PHONE, SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
NOTES = """
window.notes = [];
window.Notification = class {
  static permission = "default";
  static requestPermission = async () => (Notification.permission = "granted");
  constructor(title, { body }) {
    window.notes.push(`${title}: ${body}`);
    window.lastNote = this;
    document.documentElement.dataset.notes = window.notes.join(" | ");
  }
  addEventListener(kind, act) { this.click = act; }
  close() {}
};
document.hasFocus = () => false;
"""
GAP = "(s => s.scrollHeight - s.scrollTop - s.clientHeight)(document.getElementById('thread-scroll'))"


@pytest.fixture
def inbox(agent: Page, demo: RunningDesk, customer: Customer) -> Inbox:
    """Open the customer's conversation in alice's inbox."""
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    return inbox


def test_pressing_enter_twice_sends_one_message(agent: Page, inbox: Inbox) -> None:
    agent.keyboard.press("r")
    agent.keyboard.type("Pressed twice")
    agent.keyboard.press("Enter")
    agent.keyboard.press("Enter")
    expect(agent.locator("[data-cursor]").filter(has_text="Pressed twice")).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("")
    agent.reload()
    expect(inbox.bubble("Pressed twice")).to_have_count(1)


def test_a_thread_opens_at_its_newest_message(agent: Page, inbox: Inbox, demo: RunningDesk, customer: Customer) -> None:
    for number in range(30):
        demo.call(data.add_message, customer.conversation, f"Line {number}", data.FROM_PAGE_INBOX)
    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    expect(agent.locator("#items [data-cursor]").last).to_contain_text("Line 29")
    expect(agent.locator("#items [data-cursor]").last).to_be_in_viewport()
    assert agent.evaluate(GAP) < 2


def test_the_page_itself_does_not_scroll(agent: Page, inbox: Inbox) -> None:
    root = agent.locator("html")
    assert root.evaluate("root => root.scrollHeight") == root.evaluate("root => root.clientHeight")


def test_a_draft_is_restored_after_a_reload_and_never_becomes_a_note(agent: Page, inbox: Inbox) -> None:
    agent.locator("#composer-text").fill("Half a sentence")
    expect(agent.locator("#draft-state")).to_have_text("Draft saved", timeout=SOON_MS)
    agent.reload()
    expect(agent.locator("#composer-text")).to_have_value("Half a sentence")
    agent.keyboard.press("n")
    expect(agent.locator("#composer-text")).to_have_value("")
    agent.keyboard.type("Only for us")
    agent.keyboard.press("Enter")
    expect(agent.locator(".note").filter(has_text="Only for us")).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("Half a sentence")


def test_the_counter_counts_an_emoji_once_and_offers_to_split(agent: Page, inbox: Inbox) -> None:
    text = agent.locator("#composer-text")
    text.fill("😀" * 1600)
    expect(agent.locator("#composer-send")).to_be_enabled()
    text.fill("😀" * 1601)
    expect(agent.locator("#composer-send")).to_be_disabled()
    expect(agent.locator("#composer-split")).to_have_text("Send as 2 messages")


def test_a_file_that_cannot_be_sent_is_named_at_once(agent: Page, inbox: Inbox) -> None:
    file: FilePayload = {"name": "program.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}
    agent.locator("#composer-files").set_input_files([file])
    expect(agent.locator(".tile--refused")).to_contain_text("program.exe")
    expect(agent.locator("#composer-send")).to_be_disabled()
    agent.get_by_role("button", name="Remove program.exe").click()
    misnamed: FilePayload = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"%PDF-1.7 a letter"}
    agent.locator("#composer-files").set_input_files([misnamed])
    refused = agent.locator(".tile--refused")
    expect(refused).to_contain_text("“photo.jpg” is a PDF document by its content", timeout=SOON_MS)
    expect(refused.locator("img")).to_have_count(0)
    expect(agent.locator("#composer-send")).to_be_disabled()


def test_the_keyboard_moves_through_the_list_and_back(
    agent: Page, new_customer: Callable[..., Customer], inbox: Inbox
) -> None:
    new_customer()
    agent.keyboard.press("Escape")
    expect(agent).to_have_url(f"{inbox.desk.url}/inbox/")
    first, second = (agent.locator(".row-item").nth(index).get_attribute("data-id") for index in (0, 1))
    for key, opened in (("j", first), ("j", second), ("k", first)):
        agent.keyboard.press(key)
        expect(agent.locator(f"#thread[data-conversation='{opened}']")).to_be_visible(timeout=SOON_MS)
        expect(agent).to_have_url(f"{inbox.desk.url}/inbox/{opened}/")
    agent.go_back()
    expect(agent.locator(f"#thread[data-conversation='{second}']")).to_be_visible(timeout=SOON_MS)
    agent.keyboard.press("?")
    expect(agent.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_the_command_bar_finds_a_person_and_acts_on_the_conversation(
    agent: Page, inbox: Inbox, new_customer: Callable[..., Customer]
) -> None:
    other = new_customer()
    agent.keyboard.press("Control+k")
    bar = agent.get_by_role("combobox", name="Find an action")
    bar.fill(other.name.lower())
    expect(agent.locator("#command-list [aria-selected=true]")).to_contain_text(other.name, timeout=SOON_MS)
    agent.keyboard.press("Enter")
    expect(agent.locator("#thread-head")).to_contain_text(other.name, timeout=SOON_MS)
    agent.keyboard.press("Control+k")
    bar.fill("internal note")
    agent.keyboard.press("Enter")
    expect(agent.get_by_role("radio", name="Note")).to_be_checked()
    expect(agent.locator("#composer-text")).to_be_focused()


def test_two_agents_see_each_other_and_the_second_reads_before_answering_too(
    agent: Page, inbox: Inbox, new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    colleague = new_page()
    log_in(colleague, demo, "bob")
    theirs = Inbox(colleague, demo)
    theirs.open()
    theirs.choose(customer.name)
    here = agent.locator("#onlookers")
    expect(here).to_contain_text("Bob Lindgren is viewing too", timeout=SOON_MS)
    colleague.locator("#composer-text").fill("Bob says yes")
    expect(here).to_contain_text("Bob Lindgren is typing a reply", timeout=SOON_MS)

    text, notice = agent.locator("#composer-text"), agent.locator("#answered")
    text.fill("Alice says yes")
    colleague.locator("#composer-send").click()
    expect(notice).to_contain_text("read it before you send", timeout=SOON_MS)
    agent.locator("#composer-send").click()
    expect(notice).to_contain_text("Your reply was not sent", timeout=SOON_MS)
    expect(text).to_have_value("Alice says yes")
    expect(inbox.bubble("Alice says yes")).to_have_count(0)
    agent.locator("#composer-send").click()
    expect(inbox.bubble("Alice says yes")).to_have_count(1, timeout=SOON_MS)
    expect(notice).to_be_hidden()
    colleague.close(run_before_unload=True)
    expect(here).to_have_text("", timeout=SOON_MS)


def test_a_notification_needs_permission_is_shown_once_and_opens_the_conversation(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    demo.call(data.make_agent, "nora", department="Customer Care")
    page = new_page()
    page.add_init_script(NOTES)
    log_in(page, demo, "nora")
    Inbox(page, demo).open()
    assert page.evaluate("Notification.permission") == "default"
    page.locator(".rail__avatar").click()
    with page.expect_response("**/inbox/news/"):
        page.get_by_label("For mine and unassigned").check()
    customer.writes("Anybody there?")
    expect(page.locator("html")).to_have_attribute("data-notes", f"{customer.name}: Anybody there?", timeout=SOON_MS)
    expect(page).to_have_title(re.compile(r"^\(\d+\) Inbox"), timeout=SOON_MS)
    page.evaluate("window.lastNote.click()")
    expect(page.locator("#thread-head")).to_contain_text(customer.name, timeout=SOON_MS)


def test_on_a_phone_one_strip_is_shown_at_a_time(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    page = new_page(viewport=PHONE, has_touch=True, is_mobile=True)
    log_in(page, demo, "alice")
    inbox = Inbox(page, demo)
    inbox.open()
    inbox.choose(customer.name)
    expect(page.locator("#strip")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("#strip")).to_be_visible()


def test_only_requests_of_an_agent_who_is_there_count_as_activity(
    agent_with_clock: Page, demo: RunningDesk, customer: Customer
) -> None:
    """An open page that nobody uses must not keep its session alive (desk.accounts.sessions)."""
    agent = agent_with_clock
    marks: list[str | None] = []
    agent.on("request", lambda request: marks.append(request.headers.get("x-desk-activity")))
    Inbox(agent, demo).choose(customer.name)
    assert "yes" in marks
    agent.clock.fast_forward(61_000)
    marks.clear()
    with agent.expect_request("**/onlookers/"):
        agent.clock.run_for(16_000)
    assert set(marks) == {None}
