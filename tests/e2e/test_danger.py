"""What deletes waits for a deliberate click, and a form that is sent after the logout comes back."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import PASSWORD, SOON_MS, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]


def test_enter_closes_the_dialog_that_deletes_a_channel(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    admin = new_page()
    log_in(admin, demo, "admin")
    admin.goto(f"{demo.url}/admin/instant-messaging/messenger/")
    channels = admin.get_by_role("article").count()
    admin.locator("details.dots > summary").first.click()
    admin.get_by_role("link", name="Delete Channel").first.click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    admin.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    admin.reload()
    expect(admin.get_by_role("article")).to_have_count(channels)


def test_a_form_of_setup_that_is_sent_after_the_logout_comes_back(
    new_page: Callable[..., Page], demo: RunningDesk
) -> None:
    first = new_page()
    shared = demo.sessions.pop("admin", None)  # other tests use that session
    log_in(first, demo, "admin")
    demo.sessions.pop("admin")
    if shared:
        demo.sessions["admin"] = shared
    first.goto(f"{demo.url}/admin/canned-replies/add/")
    first.get_by_label("Shortcut").fill("kept-reply")
    first.get_by_label("Title").fill("Kept")
    first.get_by_label("Text").fill("Line one\nLine two")
    second = first.context.new_page()
    second.goto(f"{demo.url}/admin/")
    second.get_by_label("Your account").click()
    second.get_by_role("button", name="Log out").click()
    expect(second.get_by_role("heading", name="Log in")).to_be_visible()

    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.get_by_text("What you typed is kept for 30 minutes.")).to_be_visible()
    first.get_by_label("Username").fill("admin")
    first.get_by_label("Password").fill(PASSWORD)
    first.get_by_role("button", name="Log in", exact=True).click()
    expect(first.get_by_text("Line two")).to_be_visible()
    first.get_by_role("button", name="Save").click()
    expect(first.get_by_text("/kept-reply is saved.")).to_be_visible()
    first.get_by_role("link", name="kept-reply").first.click()
    expect(first.get_by_label("Text")).to_have_value("Line one\nLine two")
    first.get_by_role("link", name="Delete").click()
    expect(first.get_by_role("link", name="Cancel")).to_be_focused()
    first.get_by_role("button", name="Yes, Delete").click()
    expect(first.get_by_text("/kept-reply is deleted.")).to_be_visible()


def test_revoking_a_token_asks_with_the_focus_on_cancel(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    admin = new_page()
    log_in(admin, demo, "admin")
    tokens = f"{demo.url}/admin/programs/tokens/"
    admin.goto(tokens)
    admin.get_by_label("User").select_option(index=1)
    admin.get_by_label("Name", exact=True).fill("For a moment")
    admin.get_by_role("checkbox").first.check()
    admin.get_by_role("button", name="Create token").click()
    admin.goto(tokens)
    row = admin.get_by_role("row").filter(has_text="For a moment")
    row.get_by_role("button", name="Revoke").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    admin.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(row).not_to_contain_text("Revoked")
    row.get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("Revoked")


def test_two_clicks_delete_ones_own_canned_reply_once(agent: Page, demo: RunningDesk) -> None:
    agent.goto(f"{demo.url}/accounts/canned-replies/add/")
    agent.get_by_label("Shortcut").fill("twice")
    agent.get_by_label("Title").fill("Twice")
    agent.get_by_label("Text", exact=True).fill("Deleted by a double click")
    agent.get_by_role("button", name="Save", exact=True).dblclick()
    agent.get_by_role("link", name="Delete /twice").click()
    agent.get_by_role("button", name="Yes, Delete").dblclick()
    expect(agent.get_by_text("/twice is deleted.")).to_be_visible()


def test_undo_of_a_split_is_gone_as_soon_as_the_tickets_are_merged(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    customer.writes("And something else")
    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    message = agent.locator(".message--in").filter(has_text="And something else")
    message.hover()
    message.get_by_role("button", name="Start a new ticket here").click()
    undo = agent.locator(".toast--undo")
    expect(undo).to_contain_text("begins here now", timeout=SOON_MS)
    under_way: list[Route] = []
    agent.route("**/tickets/merge/", lambda route: under_way.append(route))
    agent.get_by_role("button", name=re.compile("^Merge ticket #")).click()
    expect(undo).to_have_count(0, timeout=5000)  # it goes by itself after 15 s
    demo.wait_for(lambda: agent.evaluate("1") and under_way, "the merge is under way")
    under_way[0].continue_()
    expect(undo).to_contain_text("is part of ticket", timeout=SOON_MS)
    undo.get_by_role("button", name="Undo").click()
    expect(agent.locator(".divider__ticket")).to_have_count(2, timeout=SOON_MS)
