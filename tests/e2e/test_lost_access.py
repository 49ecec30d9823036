"""Open pages that lose access: a conversation is transferred away, a channel is deleted."""

import http.client
import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def transfer(page: Page, inbox: Inbox, department: str) -> None:
    page.locator("#assign-menu summary").click()
    page.get_by_role("button", name="Transfer with a note").click()
    inbox.details().get_by_label("To", exact=True).select_option(label=department)
    inbox.details().get_by_role("button", name="Transfer").click()


def test_a_transferred_conversation_leaves_the_page_unless_a_draft_is_typed(
    agent: Page, new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    demo.call(data.make_agent, "charlie", department="Workshop", answers_demo_channel=False)
    other = new_page()
    log_in(other, demo, "charlie")
    theirs, ours = Inbox(other, demo), Inbox(agent, demo)
    theirs.open()
    theirs.never_reloads()

    ours.choose(customer.name)
    transfer(agent, ours, "Workshop")
    theirs.choose(customer.name)
    other.mouse.move(700, 300)  # a row stays while the pointer is in the list
    transfer(agent, ours, "Sales")
    expect(other.get_by_text("Select a conversation")).to_be_visible(timeout=SOON_MS)
    expect(theirs.row(customer.name)).to_have_count(0, timeout=SOON_MS)

    transfer(agent, ours, "Workshop")
    theirs.choose(customer.name)
    other.mouse.move(700, 300)
    other.locator("#composer-text").fill("Half a sentence")
    transfer(agent, ours, "Sales")
    expect(other.get_by_text("Copy what you need from your text")).to_be_visible(timeout=SOON_MS)
    expect(other.locator("#composer-text")).to_have_value("Half a sentence")
    expect(theirs.row(customer.name)).to_have_count(0, timeout=SOON_MS)
    theirs.expect_not_reloaded()


def test_a_page_without_events_keeps_working_and_shows_a_refusal(agent: Page, demo: RunningDesk) -> None:
    channel = demo.call(data.make_channel, "Berg Outlet", agent="alice")
    conversation = demo.call(data.make_conversation, "7000000000000", "Nina Holm", channel_id=channel)
    demo.call(data.add_message, conversation, "Is it open?", data.FROM_CUSTOMER)
    demo.call(data.assign, conversation, "alice")
    agent.route(re.compile("/live/"), lambda route: route.abort())
    inbox = Inbox(agent, demo)
    inbox.open()
    inbox.choose("Nina Holm")
    expect(agent.get_by_text("Reconnecting…")).to_be_visible(timeout=SOON_MS)
    demo.call(data.delete_channel, channel)
    agent.locator("#assign-menu summary").click()
    agent.get_by_role("button", name="Unassign").click()
    expect(agent.get_by_text("can be read, but not assigned")).to_be_visible(timeout=SOON_MS)
    expect(agent.get_by_text("The channel Berg Outlet was deleted on")).to_be_visible(timeout=SOON_MS)
    expect(agent.locator("#assign-menu")).to_have_count(0)


def test_a_page_whose_user_is_logged_out_elsewhere_asks_for_the_login(
    new_page: Callable[..., Page], demo: RunningDesk
) -> None:
    page = new_page()
    cookie = demo.call(data.session, "alice")
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": demo.url}])
    with page.expect_response(re.compile("/inbox/list/")):  # read after the first event of the stream
        Inbox(page, demo).open()
    demo.call(data.end_session, cookie)
    expect(page.get_by_role("dialog", name="You were logged out")).to_be_visible(timeout=SOON_MS)


def test_the_oldest_of_too_many_tabs_pauses_and_goes_on_when_somebody_returns_to_it(
    new_page: Callable[..., Page], demo: RunningDesk
) -> None:
    page = new_page()
    cookie = demo.call(data.session, "bob")
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": demo.url}])
    opened: list[str] = []
    page.on("request", lambda request: opened.append(request.url) if request.url.endswith("/live/") else None)
    with page.expect_response(re.compile("/inbox/list/")):  # read after the first event of the stream
        Inbox(page, demo).open()
    with ExitStack() as others:
        for _ in range(20):
            connection = http.client.HTTPConnection("localhost", demo.port, timeout=30)
            others.callback(connection.close)
            connection.request("GET", "/live/", headers={"Cookie": f"sessionid={cookie}"})
            others.callback(connection.getresponse().close)
        expect(page.get_by_text("too many tabs of Desk")).to_be_visible(timeout=SOON_MS)
        assert len(opened) == 1
        with page.expect_response(re.compile("/inbox/list/")):
            page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.locator("#connection")).to_be_hidden(timeout=SOON_MS)
        assert len(opened) == 2
