"""Filters, saved views and the menu of a row in a real browser."""

import os
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]


def test_a_list_is_filtered_saved_and_found_again(agent: Page, new_customer: Callable[..., Customer]) -> None:
    new_customer()
    agent.reload()
    agent.locator("#list-options > summary").click()
    agent.locator("#list-assignee").select_option("nobody")
    chip = agent.locator(".filter-chip")
    expect(chip).to_contain_text("Assigned to: Nobody", timeout=SOON_MS)
    expect(agent).to_have_url(re.compile(r"\?assignee=nobody$"), timeout=SOON_MS)
    agent.locator("#list-since-day").fill("2026-01-31")
    expect(chip).to_have_count(2, timeout=SOON_MS)
    agent.locator("#list-since").select_option("7d")  # the last choice counts
    expect(chip.nth(1)).to_contain_text("7 days ago", timeout=SOON_MS)
    agent.keyboard.press("Escape")
    chip.nth(1).click()
    expect(chip).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#list-since")).to_have_value("")

    agent.locator("#save-view > summary").click()
    agent.locator("#view-name").fill("Nobody's")
    agent.locator("#view-name").press("Enter")
    current = agent.locator("#more-views > summary")
    expect(current).to_contain_text("Nobody's", timeout=SOON_MS)
    expect(current.locator("[data-size]")).to_have_text(re.compile(r"\d"), timeout=SOON_MS)
    expect(agent).to_have_url(re.compile(r"\?view=\d+$"))

    agent.locator('[data-view="mine"]').click()
    expect(agent.locator('[data-view="mine"]')).to_have_attribute("aria-current", "true", timeout=SOON_MS)
    expect(chip).to_have_count(0)
    agent.evaluate("document.activeElement.blur()")
    agent.keyboard.press("g")
    agent.keyboard.press("1")
    expect(current).to_contain_text("Nobody's", timeout=SOON_MS)
    expect(agent.locator("#list-assignee")).to_have_value("nobody")
    agent.keyboard.press("Control+k")
    agent.keyboard.type("nobody")
    expect(agent.locator("#command-list")).to_contain_text("View: Nobody's", timeout=SOON_MS)


def test_what_somebody_has_deleted_meanwhile_is_named(agent: Page, new_customer: Callable[..., Customer]) -> None:
    customer = new_customer()
    agent.reload()
    agent.locator(f"#row-{customer.conversation} a").click()
    toasts = agent.locator("#toasts")
    agent.route("**/macros/", lambda route: route.fulfill(status=404))
    agent.get_by_role("link", name="Run a macro").first.click()
    expect(toasts).to_contain_text("Somebody has deleted this macro meanwhile", timeout=SOON_MS)

    agent.locator("#list-options > summary").click()
    agent.locator("#list-assignee").select_option("nobody")
    expect(agent.locator(".filter-chip")).to_have_count(1, timeout=SOON_MS)
    agent.keyboard.press("Escape")
    agent.route("**/views/add/", lambda route: route.fulfill(status=404))
    agent.locator("#save-view > summary").click()
    agent.locator("#view-name").fill("Nobody's")
    agent.locator("#view-name").press("Enter")
    error = agent.locator("[data-view-error]")
    expect(error).to_have_text("Somebody has deleted this view meanwhile.", timeout=SOON_MS)
    expect(agent.locator("#view-name")).to_have_value("Nobody's")


def test_a_filtered_list_follows_what_changes(agent: Page, new_customer: Callable[..., Customer]) -> None:
    customer = new_customer()
    agent.goto(agent.url.split("?")[0] + "?unread=yes&since=1d")
    expect(agent.locator("#views")).to_have_attribute("data-needs-server", "", timeout=SOON_MS)
    customer.writes("Into the filter")
    expect(agent.locator(".row-item").filter(has_text="Into the filter")).to_have_count(1, timeout=SOON_MS)


def test_a_list_is_filtered_by_a_field_by_keyboard_and_follows_it(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer]
) -> None:
    key = f"order_{os.getpid()}"
    demo.call(data.add_field, key, "Order no.")
    new_customer()
    agent.reload()
    pk = int(str(agent.locator(".row-item").first.get_attribute("data-id")))
    demo.call(data.fill_field, pk, key, "A-17")
    agent.locator("#list-options > summary").focus()
    agent.keyboard.press("Enter")
    group = agent.locator("#list-fields-ticket > summary")
    expect(group).to_be_visible(timeout=SOON_MS)
    group.focus()
    agent.keyboard.press("Enter")
    text = agent.locator(f"#list-field_{key}-has")
    text.focus()
    agent.keyboard.type("a-1")
    agent.keyboard.press("Enter")
    chip, row = agent.locator(".filter-chip"), agent.locator(f"#row-{pk}")
    expect(chip).to_have_text(re.compile("Order no.: contains “a-1”"), timeout=SOON_MS)
    expect(agent).to_have_url(re.compile(rf"field_{key}\.has=a-1$"), timeout=SOON_MS)
    expect(text).to_be_focused()
    expect(agent.locator(".row-item")).to_have_count(1)
    agent.keyboard.press("Shift+Tab")
    expect(agent.locator(f"#list-field_{key}-set")).to_be_focused()
    agent.keyboard.press("ArrowDown")  # set: the last choice counts
    expect(chip).to_have_text(re.compile("Order no.: Set"), timeout=SOON_MS)
    expect(chip).to_have_count(1)
    expect(text).to_have_value("")
    agent.keyboard.press("Escape")
    demo.call(data.fill_field, pk, key, "")
    expect(row).to_have_count(0, timeout=SOON_MS)  # it fits no longer
    demo.call(data.fill_field, pk, key, "B")
    expect(row).to_have_count(1, timeout=SOON_MS)
    demo.call(data.delete_field, key)
    expect(row).to_have_count(0, timeout=SOON_MS)
    agent.reload()
    expect(agent.locator(".filter-chip--lost")).to_contain_text("no longer available")


def test_the_menu_of_a_row_by_mouse_and_by_keys(agent: Page, new_customer: Callable[..., Customer]) -> None:
    new_customer()
    agent.reload()
    row = agent.locator(".row-item").first
    pk = row.get_attribute("data-id")
    menu, link = agent.locator(".row-menu"), agent.locator(f"#row-{pk} a.row")
    row.click(button="right")
    expect(menu).to_be_visible(timeout=SOON_MS)
    expect(menu.get_by_role("menuitem").first).to_be_focused()
    agent.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(link).to_be_focused()

    agent.keyboard.press("Shift+F10")
    expect(menu).to_be_visible(timeout=SOON_MS)
    agent.keyboard.press("p")  # Priority
    agent.keyboard.press("ArrowRight")
    expect(menu.get_by_role("menuitemradio", name="Normal")).to_be_focused()
    agent.keyboard.press("ArrowLeft")
    expect(menu.get_by_role("menuitem", name="Priority")).to_be_focused()
    agent.keyboard.press("ArrowRight")
    agent.keyboard.press("End")
    agent.keyboard.press("Enter")
    expect(agent.locator(f"#row-{pk}")).to_contain_text("Urgent", timeout=SOON_MS)
    expect(menu).to_have_count(0)

    agent.locator(f"#row-{pk}").click(button="right")
    menu.get_by_role("menuitem", name="Block").click()
    agent.locator("dialog[open]").get_by_role("button", name="Cancel").click()
    agent.locator(f"#row-{pk}").click(button="right")
    menu.get_by_role("menuitem", name="Close ticket").click()
    expect(agent.locator(f"#row-{pk}")).to_have_count(0, timeout=SOON_MS)
