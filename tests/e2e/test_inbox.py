"""The agent's workspace in a real browser: what only scripts can break."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.screens import SOON_MS, Inbox, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
GAP = "(s => s.scrollHeight - s.scrollTop - s.clientHeight)(document.getElementById('thread-scroll'))"


@pytest.fixture
def agent(browser: Browser, demo: Desk) -> Iterator[Page]:
    """alice's inbox; a violation of the content security policy or an error of a script fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    yield page
    context.close()
    assert not wrong, wrong


@pytest.fixture
def inbox(agent: Page, demo: Desk) -> Inbox:
    inbox = Inbox(agent, demo)
    inbox.choose("Tom Becker")
    return inbox


def test_pressing_enter_twice_sends_one_message(agent: Page, inbox: Inbox):
    agent.keyboard.press("r")
    agent.keyboard.type("Pressed twice")
    agent.keyboard.press("Enter")
    agent.keyboard.press("Enter")
    expect(agent.locator("[data-cursor]").filter(has_text="Pressed twice")).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("")
    agent.reload()
    expect(inbox.bubble("Pressed twice")).to_have_count(1)


def test_a_thread_opens_at_its_newest_message(agent: Page, inbox: Inbox):
    expect(agent.locator("#items [data-cursor]").last).to_be_in_viewport()
    assert agent.evaluate(GAP) < 2


def test_what_was_typed_is_there_again_after_a_reload_and_never_becomes_a_note(agent: Page, inbox: Inbox):
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
    agent.locator("#composer-text").fill("")


def test_the_counter_counts_an_emoji_once_and_offers_to_split(agent: Page, inbox: Inbox):
    text = agent.locator("#composer-text")
    text.fill("😀" * 1600)
    expect(agent.locator("#composer-send")).to_be_enabled()
    text.fill("😀" * 1601)
    expect(agent.locator("#composer-send")).to_be_disabled()
    expect(agent.locator("#composer-split")).to_have_text("Send as 2 messages")
    text.fill("")


def test_a_file_that_cannot_be_sent_is_named_at_once(agent: Page, inbox: Inbox):
    file = {"name": "program.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}
    agent.locator("#composer-files").set_input_files([file])
    expect(agent.locator(".tile--refused")).to_contain_text("program.exe")
    expect(agent.locator("#composer-send")).to_be_disabled()


def test_the_keyboard_leads_through_the_list_and_back(agent: Page, inbox: Inbox):
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


def test_on_a_phone_one_strip_is_shown_at_a_time(browser: Browser, demo: Desk):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    log_in(page, demo, "alice")
    inbox = Inbox(page, demo)
    inbox.open()
    inbox.choose("Tom Becker")
    expect(page.locator("#strip")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("#strip")).to_be_visible()
    context.close()


def test_while_the_server_is_away_it_says_so_and_then_catches_up(agent: Page, inbox: Inbox, demo: Desk):
    inbox.never_reloads()
    demo.processes.stop_one("web")
    expect(agent.locator("#connection")).to_contain_text("Reconnecting", timeout=10_000)
    agent.locator("#composer-text").fill("Sent into the void")
    agent.keyboard.press("Enter")
    expect(agent.locator("#composer-error")).to_contain_text("cannot be reached", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("Sent into the void")
    demo.start("web")
    expect(agent.locator("#connection")).to_be_hidden(timeout=30_000)
    agent.locator("#composer-send").click()
    expect(inbox.bubble("Sent into the void")).to_have_count(1, timeout=SOON_MS)
    inbox.expect_not_reloaded()
