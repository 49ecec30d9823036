"""The list of conversations in a real browser: rows under the pointer do not move, bulk actions work."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
CLOSE = """id => fetch(`/inbox/${id}/close/`, {method: "POST", headers: {
    "HX-Request": "true", "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"]}})"""


def order(page: Page) -> list[str]:
    return page.locator(".row-item").evaluate_all("rows => rows.map(row => row.dataset.id)")


def away(page: Page) -> None:
    page.mouse.move(1000, 500)


def test_rows_do_not_move_under_the_pointer(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer]
) -> None:
    inbox = Inbox(agent, demo)
    writing, mine, _third = new_customer(), new_customer(), new_customer()
    demo.call(data.assign, mine.conversation, "alice")
    agent.reload()
    expect(agent.locator(".row-item").nth(2)).to_be_visible(timeout=SOON_MS)
    before = order(agent)
    agent.locator(".row-item").first.hover()
    writing.writes("Still there?")
    expect(agent.locator("#fresh-rows")).to_contain_text("1 new", timeout=SOON_MS)
    expect(inbox.row("Still there?")).to_have_count(1)
    assert order(agent) == before
    away(agent)
    expect(agent.locator(".row-item").first).to_contain_text("Still there?")
    expect(agent.locator("#fresh-rows")).to_be_hidden()

    agent.locator('[data-view="mine"]').click()
    expect(agent.locator('[data-view="mine"]')).to_have_attribute("aria-current", "true", timeout=SOON_MS)
    first = agent.locator(".row-item").first
    leaving = first.get_attribute("data-id")
    first.hover()
    agent.evaluate(CLOSE, leaving)
    expect(agent.locator(f"#row-{leaving}.row-item--gone")).to_have_count(1, timeout=SOON_MS)
    away(agent)
    expect(agent.locator(f"#row-{leaving}")).to_have_count(0)


def test_rows_are_selected_with_keys_and_mouse_and_closed_together(
    agent: Page, new_customer: Callable[..., Customer]
) -> None:
    for _ in range(4):
        new_customer()
    agent.goto(f"{agent.url.partition('/inbox/')[0]}/inbox/?view=all")
    items, bar = agent.locator(".row-item"), agent.get_by_role("toolbar", name="Selected conversations")
    expect(items.nth(3)).to_be_visible(timeout=SOON_MS)
    items.first.locator("a.row").focus()
    agent.keyboard.press("x")
    expect(bar).to_contain_text("1 selected")
    items.nth(2).locator(".row__pick").click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    agent.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    expect(agent.locator(".row__pick:checked")).to_have_count(0)

    items.first.locator(".row__pick").click()
    items.nth(1).locator(".row__pick").click(modifiers=["Shift"])
    chosen = order(agent)[:2]
    bar.get_by_role("button", name="Close", exact=True).click()
    expect(agent.locator("#toasts")).to_contain_text("2 conversations: closed.", timeout=SOON_MS)
    expect(bar).to_be_hidden()
    for pk in chosen:
        expect(agent.locator(f"#row-{pk}")).to_contain_text("Closed")
    agent.get_by_role("button", name="Select conversations").click()
    agent.locator(f"#row-{chosen[0]} a.row").click()
    expect(bar).to_contain_text("1 selected")
    expect(agent.locator("#thread[data-conversation]")).to_have_count(0)
    bar.get_by_role("button", name="Reopen").click()
    expect(agent.locator("#toasts")).to_contain_text("1 conversation: reopened.", timeout=SOON_MS)


def test_a_macro_on_a_selection_is_undone_with_one_button(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer]
) -> None:
    demo.call(data.make_macro, "Rush order", [{"do": "priority", "value": "urgent"}, {"do": "close"}])
    chosen = [new_customer().conversation for _ in range(2)]
    agent.goto(f"{agent.url.partition('/inbox/')[0]}/inbox/?view=all")
    for pk in chosen:
        agent.locator(f"#row-{pk} .row__pick").click(timeout=SOON_MS)
    bar = agent.get_by_role("toolbar", name="Selected conversations")
    bar.get_by_label("More").click()
    bar.get_by_role("button", name="Rush order", exact=True).click(timeout=SOON_MS)
    agent.get_by_role("dialog").get_by_role("button", name="Run macro").click()
    said = agent.locator("#toasts")
    expect(said).to_contain_text("2 conversations: changed by the macro “Rush order”.", timeout=SOON_MS)
    for pk in chosen:
        expect(agent.locator(f"#row-{pk}")).to_contain_text("Closed")
    said.get_by_role("button", name="Undo").click()
    expect(said).to_contain_text("Macro “Rush order” undone in 2 conversations.", timeout=SOON_MS)
    expect(said.get_by_role("button", name="Undo")).to_have_count(0)
    for pk in chosen:
        expect(agent.locator(f"#row-{pk}")).not_to_contain_text("Closed")


def test_a_search_result_is_marked_and_opens_its_message(agent: Page, new_customer: Callable[..., Customer]) -> None:
    customer = new_customer("The barometer does not move since Monday")
    for number in range(30):
        customer.desk.call(data.add_message, customer.conversation, f"Line {number}", data.FROM_CUSTOMER)
    agent.keyboard.press("/")
    agent.keyboard.type("barometer")
    row = agent.locator(".row-item:has(mark)")
    expect(row).to_have_count(1, timeout=SOON_MS)
    expect(row.locator("mark")).to_have_text("barometer")
    message = row.locator("a.row").get_attribute("data-message")
    row.locator("a.row").click()
    expect(agent.locator(f"#message-{message}")).to_be_in_viewport(timeout=SOON_MS)
