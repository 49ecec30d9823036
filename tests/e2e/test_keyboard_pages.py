"""Every page by the keyboard alone: each stop of the focus can be seen."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.e2e.keyboard import FOCUS, MOST_TABS, Keyboard
from tests.e2e.page_objects import log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]

IM = "/admin/instant-messaging/"
PAGES = (
    "/tickets/", "/contacts/", "/accounts/", "/accounts/notifications/", "/inbox/views/", "/admin/", "/admin/people/",
    "/admin/people/invite/", f"{IM}messenger/", f"{IM}messenger/add/", f"{IM}preferences/",
)  # fmt: skip


def test_the_focus_can_be_seen_on_each_stop_of_every_page(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    page = new_page(reduced_motion="reduce")
    log_in(page, demo, "admin")
    faults = []
    for address in PAGES:
        page.goto(f"{demo.url}{address}")
        for _ in range(100):
            page.keyboard.press("Tab")
            place = page.evaluate(FOCUS)
            if "is lost" in place["wrong"]:
                break  # the end of the page
            if place["wrong"]:
                faults.append((address, place["wrong"], place["html"]))
        else:
            raise AssertionError(f"{address} keeps the focus")
    assert faults == []
    page.goto(f"{demo.url}{IM}messenger/")
    keyboard = Keyboard(page)
    keyboard.choose("^More for", most=MOST_TABS)
    keyboard.press("Tab", "Escape")
    assert keyboard.focus()["name"].startswith("More for")
