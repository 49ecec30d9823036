"""A click or tap beside an open menu closes it and does nothing else."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import PHONE, SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]

# Where one of the elements can be clicked: the first point of one that nothing covers.
BARE_POINT = """elements => {
  for (const one of elements) {
    const box = one.getBoundingClientRect();
    for (let y = box.top + 4; y < Math.min(box.bottom, innerHeight); y += 4)
      for (let x = box.left + 4; x < Math.min(box.right, innerWidth); x += 4)
        if (one.contains(document.elementFromPoint(x, y))) return [x, y];
  }
  return null;
}"""
COUNT_CLICKS = """() => {
  window.clicks = 0;
  document.addEventListener("click", () => window.clicks++);
}"""
OTHER_ROWS = "#rows a.row:not([aria-current])"
# The menus of an open conversation: what opens each, and its panel.
OF_A_CONVERSATION = (
    ("#assign-menu > summary", "#assign-menu .popover__panel"),
    ("#snooze-menu > summary", "#snooze-menu .popover__panel"),
    ("#more-menu > summary", "#more-menu .popover__panel"),
    ("#composer-more > summary", "#composer-more .popover__panel"),
    ("[data-emoji]", ".emoji"),
    ("[data-stickers]", ".sticker-panel"),
    ("[data-canned]", "#canned"),
)

Press = Callable[[float, float], None]


def press_beside(page: Page, menu: Locator, press: Press, below: str = OTHER_ROWS) -> None:
    """Press what is `below` and uncovered while the menu is open: only the menu closes."""
    expect(menu).to_be_visible(timeout=SOON_MS)
    point = page.locator(below).evaluate_all(BARE_POINT)
    assert point, f"{menu} covers all of {below}"
    page.evaluate(COUNT_CLICKS)
    address = page.url
    press(*point)
    assert page.evaluate("window.clicks") == 0, menu
    assert page.url == address
    expect(menu).to_be_hidden()


@pytest.mark.parametrize(
    ("opener", "panel"),
    [
        (".rail__avatar", ".rail__me .popover__panel"),
        ("#list-options > summary", "#list-options .popover__panel"),
        ("#more-views > summary", "#more-views .popover__panel"),
        *OF_A_CONVERSATION,
        ("[data-react]", ".emoji"),
    ],
)
def test_a_click_beside_a_menu_only_closes_it(
    agent: Page, demo: RunningDesk, customer: Customer, opener: str, panel: str
) -> None:
    Inbox(agent, demo).choose(customer.name)
    if opener == "[data-react]":
        agent.locator(".message--in").first.hover()
    agent.locator(opener).first.click()
    press_beside(agent, agent.locator(panel), agent.mouse.click)
    thread = f'#thread[data-conversation="{customer.conversation}"]'
    expect(agent.locator(thread)).to_have_count(1)
    agent.locator(OTHER_ROWS).first.click()  # the next click is a usual one
    expect(agent.locator(thread)).to_have_count(0, timeout=SOON_MS)


def test_the_menu_of_a_row_a_list_of_names_and_the_menus_of_the_selection(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    Inbox(agent, demo).choose(customer.name)
    agent.locator(f"#row-{customer.conversation}").click(button="right")
    press_beside(agent, agent.locator(".row-menu"), agent.mouse.click)

    agent.keyboard.press("n")
    agent.keyboard.type("@bob")
    press_beside(agent, agent.locator(".mention-list"), agent.mouse.click)
    expect(agent.locator("#composer-text")).to_be_focused()

    agent.locator(f"#row-{customer.conversation} a.row").focus()
    agent.keyboard.press("x")
    for menu in ("#bulk-assign", "#bulk-label", "#bulk-more"):
        agent.locator(f"{menu} > summary").click()
        press_beside(
            agent, agent.locator(f"{menu} .popover__panel"), agent.mouse.click, "#composer-send, #thread-head *"
        )
    expect(agent.locator("#bulk")).to_contain_text("1 selected")


def test_the_button_of_another_menu_opens_that_one(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    Inbox(agent, demo).choose(customer.name)
    for name in ("assign", "snooze", "more"):
        agent.locator(f"#{name}-menu > summary").click()
        expect(agent.locator("details.popover[open]")).to_have_count(1)
        expect(agent.locator(f"#{name}-menu .popover__panel")).to_be_visible()
    agent.locator("[data-emoji]").click()
    expect(agent.locator("#more-menu .popover__panel")).to_be_hidden()
    agent.locator("[data-emoji]").click()
    agent.locator("#assign-menu > summary").click()
    expect(agent.locator(".emoji")).to_be_hidden()
    expect(agent.locator("#assign-menu .popover__panel")).to_be_visible()


def test_another_button_of_the_mouse_closes_the_menu_and_does_what_it_does(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    Inbox(agent, demo).choose(customer.name)
    agent.locator(".rail__avatar").click()
    agent.locator(f"#row-{customer.conversation}").click(button="right", position={"x": 300, "y": 20})
    expect(agent.locator(".rail__me .popover__panel")).to_be_hidden()
    expect(agent.locator(".row-menu")).to_be_visible(timeout=SOON_MS)


def test_a_tap_beside_a_menu_only_closes_it(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    page = new_page(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    tap = page.touchscreen.tap
    for menu in (".rail__me", "#list-options", "#more-views"):
        page.locator(f"{menu} > summary").tap()
        press_beside(page, page.locator(f"{menu} .popover__panel"), tap, "#rows a.row, .rail a")
    page.locator(f"#row-{customer.conversation} a.row").tap()
    expect(page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    for opener, panel in OF_A_CONVERSATION:
        page.locator(opener).tap()
        press_beside(page, page.locator(panel), tap, "[data-back], #thread-head *, #items *")
        expect(page.locator("#composer-text")).to_be_visible()


def test_a_click_beside_a_menu_of_another_page_only_closes_it(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    page = new_page()
    log_in(page, demo, "admin")
    for address in ("/tickets/", "/contacts/"):
        page.goto(f"{demo.url}{address}")
        page.locator(".rail__avatar").click()
        press_beside(page, page.locator(".rail__me .popover__panel"), page.mouse.click, "main a")
    page.goto(f"{demo.url}/admin/instant-messaging/messenger/")
    page.locator("details.dots > summary").first.click()
    press_beside(page, page.locator(".dots__panel").first, page.mouse.click, "main a, nav a")
