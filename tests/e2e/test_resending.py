"""Resend a failed reply in a real browser: the question before it, and the place of the reply afterwards."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
LATE, SINCE = "It is ready, come by", "Probably tomorrow at noon"
NEWS = "Any news?"


@pytest.fixture
def customer(demo: RunningDesk) -> Customer:
    """Return a customer to whom alice's reply failed and who asked again hours later."""
    customer = Customer(demo)
    customer.wrote("When will it be ready?", hours_ago=6)
    demo.call(data.add_message, customer.conversation, LATE, data.FAILED, author="alice", hours_ago=5)
    customer.writes(NEWS)
    return customer


@pytest.fixture
def inbox(agent: Page, demo: RunningDesk, customer: Customer) -> Inbox:
    """Open the customer's conversation, in which somebody has answered from the Page in the meantime."""
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    expect(inbox.bubble(NEWS)).to_be_visible(timeout=SOON_MS)
    demo.call(data.add_message, customer.conversation, SINCE, data.FROM_PAGE_INBOX)
    expect(inbox.bubble(SINCE)).to_be_visible(timeout=SOON_MS)
    return inbox


@pytest.fixture
def without_scripts(new_page: Callable[..., Page], demo: RunningDesk) -> Page:
    page = new_page(java_script_enabled=False)
    log_in(page, demo, "alice")
    return page


def order(page: Page) -> list[str]:
    return [text for text in page.locator(".message .text").all_inner_texts() if text in (LATE, SINCE)]


def expect_sent_at_the_end(page: Page, late: Locator) -> None:
    expect(late).to_have_attribute("data-state", re.compile("sent|delivered|read"), timeout=SOON_MS)
    expect(late).to_have_count(1)
    assert order(page) == [SINCE, LATE]


def test_a_resend_needs_a_confirmation_and_moves_the_reply_to_the_end(agent: Page, inbox: Inbox) -> None:
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


def test_without_scripts_the_confirmation_is_above_the_composer(without_scripts: Page, inbox: Inbox) -> None:
    page = without_scripts
    page.goto(inbox.page.url)
    page.locator(".message").filter(has_text=LATE).get_by_role("button", name="Retry").click()
    notice = page.get_by_role("alert").filter(has_text="Send it anyway?")
    expect(notice).to_contain_text(SINCE)
    notice.get_by_role("button", name="Send anyway").click()
    expect_sent_at_the_end(inbox.page, inbox.bubble(LATE))


def test_menus_close_behind_a_dialog(agent: Page, inbox: Inbox, customer: Customer) -> None:
    menu, block = agent.locator("#more-menu > summary"), agent.get_by_role("button", name="Block", exact=True)
    menu.click()
    block.click()
    expect(agent.get_by_role("dialog")).to_contain_text(f"Block {customer.name}?")
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


def test_the_list_marks_a_failed_reply_until_it_is_sent(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer]
) -> None:
    customer = new_customer()
    inbox = Inbox(agent, demo)
    row = inbox.row(customer.name)
    expect(row).to_be_visible(timeout=SOON_MS)
    demo.call(data.add_message, customer.conversation, LATE, data.FAILED, author="alice")
    expect(row).to_contain_text("Not sent", timeout=SOON_MS)
    agent.mouse.move(700, 500)
    inbox.choose(customer.name)
    inbox.bubble(LATE).get_by_role("button", name="Retry").click()
    expect(row).not_to_contain_text("Not sent", timeout=SOON_MS)
