"""The list of conversations by the keyboard alone: menus of rows, selecting, searching, and saved views."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.customers import Customer
from tests.e2e.keyboard import FEW, Keyboard
from tests.e2e.page_objects import SOON_MS

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]


def test_the_list(keyboard: Keyboard, new_customer: Callable[..., Customer]) -> None:
    first, second = new_customer("Is the lift fixed?"), new_customer()
    page, menu, bulk = keyboard.page, keyboard.page.locator(".row-menu"), keyboard.page.locator("#bulk")
    keyboard.open(first)
    row = page.locator(f"#row-{first.conversation}")
    for key in ("Shift+F10", "ContextMenu"):
        keyboard.press(key)
        expect(menu).to_be_visible(timeout=SOON_MS)
        keyboard.to("Priority", key="ArrowDown")
        keyboard.press("ArrowRight", "Escape", "Escape")
        expect(menu).to_have_count(0)
        keyboard.expect_on(row.locator("a.row"))
    keyboard.press("Shift+F10")
    expect(menu).to_be_visible(timeout=SOON_MS)
    keyboard.to("Priority", key="ArrowDown")
    keyboard.press("ArrowRight")
    keyboard.choose("Urgent", key="ArrowDown")
    expect(row).to_contain_text("Urgent", timeout=SOON_MS)
    keyboard.expect_on(row.locator("a.row"))

    keyboard.press("x", "k" if _is_above(page, second, first) else "j", "x", "Shift+X")
    expect(bulk).to_contain_text("2 selected")
    keyboard.choose("^Assign$")
    expect(page.locator("#bulk-assign .menu-item").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("ArrowDown", "Escape")
    keyboard.expect_on(page.locator("#bulk-assign > summary"))
    keyboard.choose("^Assign to me", back=True)
    expect(row.locator(".row__assignee")).to_contain_text("Assigned to you", timeout=SOON_MS)
    expect(bulk).to_be_hidden(timeout=SOON_MS)
    keyboard.focus()
    keyboard.press("x", "Shift+X")
    keyboard.choose("^More$")
    keyboard.choose("Refund", key="ArrowDown")
    keyboard.choose("^Run macro")
    expect(page.locator("#macro-bar")).to_contain_text("macro", timeout=SOON_MS)
    keyboard.press("Control+z")
    expect(page.locator("#toasts")).to_contain_text("undone", timeout=SOON_MS)

    keyboard.press("/")
    keyboard.type("lift fixed")
    expect(row.locator("mark").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("Control+a", "Delete", "Escape")
    keyboard.press("/")
    keyboard.choose("Order and filters", back=True)
    keyboard.to("Assigned to")
    keyboard.press("ArrowDown")
    expect(page.locator(".filter-chip")).to_contain_text("Assigned to: ", timeout=SOON_MS)
    keyboard.press("Escape")
    keyboard.expect_on(page.locator("#list-options > summary"))
    keyboard.choose("^Save view")
    keyboard.press("Tab")
    keyboard.type("My own")
    keyboard.press("Enter")
    expect(page.locator("#more-views > summary")).to_contain_text("My own", timeout=SOON_MS)
    keyboard.press("g", "i")
    expect(page.locator('[data-view="open"]')).to_have_attribute("aria-current", "true", timeout=SOON_MS)
    keyboard.press("g", "1")
    expect(page.locator("#more-views > summary")).to_contain_text("My own", timeout=SOON_MS)
    keyboard.press("/")
    keyboard.choose("Order and filters", back=True)
    keyboard.to("Assigned to")
    keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Save changes")).to_be_visible(timeout=SOON_MS)
    keyboard.press("Escape")
    keyboard.choose("^Save changes")
    expect(page.get_by_role("button", name="Save changes")).to_have_count(0, timeout=SOON_MS)
    keyboard.focus()
    keyboard.press("/")
    keyboard.choose("My own", most=FEW)
    keyboard.to("Manage views", key="ArrowUp", most=FEW)
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/views/")
    keyboard.choose("Change My own")
    keyboard.press("Tab", "Control+a")
    keyboard.type("My own ones")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="My own ones", exact=True)).to_be_visible()
    keyboard.to("Delete My own ones")
    page.keyboard.press("Enter")
    page.wait_for_url("**/delete/")
    assert keyboard.focus()["name"] == "Cancel"
    keyboard.to("^Yes, Delete", back=True, most=FEW)
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/views/")
    expect(page.get_by_role("link", name="Delete My own ones")).to_have_count(0)


def _is_above(page: Page, one: Customer, other: Customer) -> bool:
    """Return whether a customer's row is above another's."""
    ids = page.locator(".row-item").evaluate_all("rows => rows.map((row) => Number(row.dataset.id))")
    return ids.index(one.conversation) < ids.index(other.conversation)
