"""A session that ends while a page is open: the login in another tab brings it back, and nothing typed is lost."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import PASSWORD, SOON_MS, Inbox
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def use_session(page: Page, demo: RunningDesk, name: str) -> str:
    """Log in without the form, in a session of the page's own; return its key."""
    key = demo.call(data.session, name)
    page.context.add_cookies([{"name": "sessionid", "value": key, "url": demo.url}])
    return key


def log_in_again(page: Page, name: str) -> None:
    """Use the dialog's button: a new tab, its form, and back to this one."""
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Log in in a new tab").click()
    tab = opened.value
    tab.get_by_label("Username").fill(name)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("heading", name="You are logged in")).to_be_visible(timeout=SOON_MS)
    tab.close()


def test_a_note_and_a_reply_outlive_the_session(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    page = new_page()
    key = use_session(page, demo, "alice")
    inbox = Inbox(page, demo)
    inbox.open()
    inbox.choose(customer.name)
    field = page.locator("#composer-text")
    field.fill("A reply that is not sent yet")
    page.get_by_label("Note", exact=True).check(force=True)
    field.fill("A note that nobody may lose")
    demo.call(data.end_session, key)
    dialog = page.get_by_role("dialog", name="You were logged out")
    expect(dialog).to_be_visible(timeout=SOON_MS)
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    log_in_again(page, "bob")
    expect(dialog).to_contain_text("This page belongs to Alice Moreau", timeout=SOON_MS)
    log_in_elsewhere(page.context, demo, "alice")
    expect(dialog).to_be_hidden(timeout=SOON_MS)
    expect(field).to_have_value("A note that nobody may lose")
    page.locator("#composer-send").click()
    expect(page.locator(".note").filter(has_text="A note that nobody may lose")).to_be_visible(timeout=SOON_MS)
    expect(field).to_have_value("A reply that is not sent yet")


def log_in_elsewhere(context: BrowserContext, demo: RunningDesk, name: str) -> None:
    """Log in as somebody else in a tab of the same browser."""
    tab = context.new_page()
    tab.goto(f"{demo.url}/accounts/")
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_label("Username").fill(name)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    tab.wait_for_url(lambda address: "/accounts/login/" not in address)
    tab.close()


def test_a_form_of_setup_outlives_the_session(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    page = new_page()
    page.clock.install()
    key = use_session(page, demo, "admin")
    page.goto(f"{demo.url}/admin/desk/department/add/")
    page.get_by_label("Name").fill("Night shift")
    page.clock.fast_forward("05:00")
    demo.call(data.end_session, key)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog", name="You were logged out")).to_be_visible(timeout=SOON_MS)
    log_in_again(page, "admin")
    page.clock.fast_forward("00:10")
    expect(page.get_by_text("Night shift").first).to_be_visible(timeout=SOON_MS)
    page.wait_for_url(f"{demo.url}/admin/desk/department/", timeout=SOON_MS)
    demo.call(data.delete_department, "Night shift")
