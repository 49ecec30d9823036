"""A reply that did not go out is sent after all, in a real browser: asked first, and where it stands then."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.screens import SOON_MS, Inbox, MessengerWindow, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
BERG_BIKES = "101000000000001"
LATE, SINCE = "It is ready, come by", "Probably tomorrow at noon"
NEWS = "Any news?"
# Tom asked, and Alice's answer was refused. When he has asked again, hours later, somebody answers from the Page.
BEFORE = f"""
from datetime import timedelta
from django.utils import timezone
from desk.models import User
from tickets.models import Conversation
from tickets.services import threads

tom = Conversation.objects.get(contact__name="Tom Becker")
tom.messages.filter(text__in=["{LATE}", "{NEWS}", "{SINCE}"]).delete()
at = timezone.now() - timedelta(hours=5)
threads.add_message(tom, text="{LATE}", direction="out", source="agent", author=User.objects.get(username="alice"),
                    state="failed", reason="Facebook refused it.", sent_at=at)
"""
AFTER = f"""
from django.utils import timezone
from tickets.models import Conversation
from tickets.services import threads

tom = Conversation.objects.get(contact__name="Tom Becker")
threads.add_message(tom, text="{SINCE}", direction="out", source="page_inbox", state="sent", sent_at=timezone.now(),
                    mid=f"m_{{timezone.now()}}")
"""
REFUSED = f"""
from django.utils import timezone
from desk.models import User
from tickets.models import Conversation
from tickets.services import threads

lena = Conversation.objects.get(contact__name="Lena Fischer")
threads.add_message(lena, text="{LATE}", direction="out", source="agent", author=User.objects.get(username="alice"),
                    state="failed", reason="Facebook refused it.", sent_at=timezone.now())
"""


@pytest.fixture
def inbox(agent: Page, demo: Desk, browser: Browser) -> Inbox:
    demo.manage("shell", "--command", BEFORE)
    messenger = MessengerWindow(browser.new_context().new_page(), demo)
    messenger.open("tom", BERG_BIKES)
    messenger.write(NEWS)
    messenger.page.context.close()
    inbox = Inbox(agent, demo)
    inbox.choose("Tom Becker")
    expect(inbox.bubble(NEWS)).to_be_visible(timeout=SOON_MS)
    demo.manage("shell", "--command", AFTER)
    expect(inbox.bubble(SINCE)).to_be_visible(timeout=SOON_MS)
    return inbox


@pytest.fixture
def without_scripts(browser: Browser, demo: Desk) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    log_in(page, demo, "alice")
    yield page
    context.close()


def order(page: Page) -> list[str]:
    return [text for text in page.locator(".message .text").all_inner_texts() if text in (LATE, SINCE)]


def expect_sent_at_the_end(page: Page, late: Locator) -> None:
    expect(late).to_have_attribute("data-state", re.compile("sent|delivered|read"), timeout=SOON_MS)
    expect(late).to_have_count(1)
    assert order(page) == [SINCE, LATE]


def test_it_asks_before_it_is_sent_again_and_then_stands_at_the_end(agent: Page, inbox: Inbox):
    late, dialog = inbox.bubble(LATE), agent.get_by_role("dialog")
    expect(late).to_have_attribute("data-state", "failed")
    assert order(agent) == [LATE, SINCE]
    late.get_by_role("button", name="Retry").click()
    expect(dialog).to_contain_text("Somebody in the Page inbox replied today at")
    expect(dialog).to_contain_text(SINCE)
    agent.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(late).to_have_attribute("data-state", "failed")

    late.get_by_role("button", name="Retry").click()
    dialog.get_by_role("button", name="Send anyway").click()
    expect_sent_at_the_end(agent, late)
    agent.reload()
    expect_sent_at_the_end(agent, late)


def test_without_scripts_it_asks_above_the_composer(without_scripts: Page, inbox: Inbox):
    page = without_scripts
    page.goto(inbox.page.url)
    page.locator(".message").filter(has_text=LATE).get_by_role("button", name="Retry").click()
    notice = page.get_by_role("alert").filter(has_text="Send it anyway?")
    expect(notice).to_contain_text(SINCE)
    notice.get_by_role("button", name="Send anyway").click()
    expect_sent_at_the_end(inbox.page, inbox.bubble(LATE))


def test_menus_close_behind_a_dialog(agent: Page, inbox: Inbox):
    menu, block = agent.locator("#more-menu > summary"), agent.get_by_role("button", name="Block", exact=True)
    menu.click()
    block.click()
    expect(agent.get_by_role("dialog")).to_contain_text("Block Tom Becker?")
    expect(agent.locator("details.popover[open]")).to_have_count(0)
    agent.keyboard.press("Escape")
    expect(agent.get_by_role("dialog")).to_have_count(0)
    expect(menu).to_be_focused()

    for opener in ("Control+k", "?"):
        agent.locator("#assign-menu > summary").click()
        expect(agent.locator("#assign-menu")).to_have_attribute("open", "")
        agent.keyboard.press(opener)
        expect(agent.locator("dialog[open]")).to_have_count(1)
        expect(agent.locator("details.popover[open]")).to_have_count(0)
        agent.keyboard.press("Escape")
        expect(agent.locator("dialog[open]")).to_have_count(0)

    canned = agent.get_by_role("listbox", name="Canned replies")
    for elsewhere in (agent.locator(".thread-head__name").click, lambda: agent.keyboard.press("Control+k")):
        agent.get_by_role("button", name="Canned replies").click()
        expect(canned).to_be_visible()
        elsewhere()
        expect(canned).to_be_hidden()


def test_the_list_says_that_a_reply_did_not_go_out_for_as_long_as_that_is_so(agent: Page, demo: Desk):
    inbox = Inbox(agent, demo)
    row = inbox.row("Lena Fischer")
    expect(row).to_be_visible(timeout=SOON_MS)
    demo.manage("shell", "--command", REFUSED)
    expect(row).to_contain_text("Not sent", timeout=SOON_MS)
    agent.mouse.move(700, 500)
    inbox.choose("Lena Fischer")
    inbox.bubble(LATE).get_by_role("button", name="Retry").click()
    expect(row).not_to_contain_text("Not sent", timeout=SOON_MS)
