"""Open pages on what is not theirs any more: a conversation that was transferred away, a channel that was deleted."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.screens import SOON_MS, Inbox, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]

CHARLIE = """
from desk.models import Agent, Department, User
charlie = User.objects.create_user("charlie", password="desk-demo")
Agent.objects.create(user=charlie).departments.add(Department.objects.get(name="Workshop"))
"""
DELETED = """
from django.utils import timezone
from channels_im.models import Channel
Channel.objects.update(is_active=False, deleted_at=timezone.now())
"""


def transfer(page: Page, inbox: Inbox, department: str) -> None:
    page.locator("#assign-menu summary").click()
    page.get_by_role("button", name="Transfer with a note").click()
    inbox.details().get_by_label("To", exact=True).select_option(label=department)
    inbox.details().get_by_role("button", name="Transfer").click()


def test_what_is_transferred_away_leaves_the_page_unless_something_is_typed(
    agent: Page, browser: Browser, demo: Desk
) -> None:
    demo.manage("shell", "--command", CHARLIE)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    other = context.new_page()
    log_in(other, demo, "charlie")
    theirs, ours = Inbox(other, demo), Inbox(agent, demo)
    theirs.open()
    theirs.never_reloads()

    ours.choose("Tom Becker")
    transfer(agent, ours, "Workshop")
    theirs.choose("Tom Becker")
    other.mouse.move(700, 300)  # a row stays while the pointer is in the list
    transfer(agent, ours, "Sales")
    expect(other.get_by_text("Select a conversation")).to_be_visible(timeout=SOON_MS)
    expect(theirs.row("Tom Becker")).to_have_count(0, timeout=SOON_MS)

    transfer(agent, ours, "Workshop")
    theirs.choose("Tom Becker")
    other.mouse.move(700, 300)
    other.locator("#composer-text").fill("Half a sentence")
    transfer(agent, ours, "Sales")
    expect(other.get_by_text("Copy what you need from your text")).to_be_visible(timeout=SOON_MS)
    expect(other.locator("#composer-text")).to_have_value("Half a sentence")
    expect(theirs.row("Tom Becker")).to_have_count(0, timeout=SOON_MS)
    theirs.expect_not_reloaded()
    context.close()


def test_a_page_that_hears_nothing_works_on_and_learns_from_a_refusal(agent: Page, demo: Desk) -> None:
    agent.route(re.compile("/live/"), lambda route: route.abort())
    inbox = Inbox(agent, demo)
    inbox.open()
    inbox.choose("Sara Lindqvist")
    expect(agent.get_by_text("Reconnecting…")).to_be_visible(timeout=SOON_MS)
    demo.manage("shell", "--command", DELETED)
    agent.locator("#assign-menu summary").click()
    agent.get_by_role("button", name="Unassign").click()
    expect(agent.get_by_text("can be read, but not assigned")).to_be_visible(timeout=SOON_MS)
    expect(agent.get_by_text("The channel Berg Bikes was deleted on")).to_be_visible(timeout=SOON_MS)
    expect(agent.locator("#assign-menu")).to_have_count(0)
