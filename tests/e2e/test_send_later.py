"""Send later in a real browser: by menu and key, taken back with its file, sent by the worker, seen on another page."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests import factories
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk
from tickets.models import ScheduledReply

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]


def time_comes(conversation: int) -> None:
    """Let the time of the scheduled reply be now."""
    at = timezone.now() - timedelta(seconds=1)
    ScheduledReply.objects.filter(conversation=conversation, state="scheduled").update(send_at=at, due_at=at)


def test_a_reply_is_scheduled_taken_back_and_sent_at_its_time(
    agent: Page, demo: RunningDesk, customer: Customer, tmp_path: Path
) -> None:
    picture = tmp_path / "offer.png"
    picture.write_bytes(factories.png())
    agent.reload()
    agent.locator(f"#row-{customer.conversation} a").click()
    field = agent.locator("#composer-text")
    expect(field).to_be_visible(timeout=SOON_MS)
    other = agent.context.new_page()
    other.goto(agent.url)
    scheduled = agent.locator(".scheduled")

    field.fill("Good morning")
    agent.locator("#composer-files").set_input_files(picture)
    expect(agent.locator(".tile")).to_have_count(1)
    field.press("Control+Shift+Enter")
    expect(agent.locator("#send-later")).to_be_visible()
    agent.locator("#later-cancel").check()
    agent.locator("#send-later").get_by_role("button", name="Tomorrow, 9:00").click()
    expect(scheduled).to_contain_text("Scheduled for tomorrow, 09:00", timeout=SOON_MS)
    expect(scheduled).to_contain_text("cancelled if the customer writes first")
    expect(field).to_have_value("")
    expect(agent.locator(".tile")).to_have_count(0)
    expect(other.locator(".scheduled")).to_contain_text("Good morning", timeout=SOON_MS)

    scheduled.get_by_role("button", name="Edit").click()
    expect(field).to_have_value("Good morning", timeout=SOON_MS)
    expect(agent.locator(".tile")).to_contain_text("offer.png")
    expect(other.locator(".scheduled")).to_contain_text("Taken back by", timeout=SOON_MS)
    field.fill("Good evening")
    agent.locator("#composer-more summary").click()
    expect(agent.locator("#later-cancel")).to_be_checked()
    agent.locator("#send-later").get_by_role("button", name="In 1 hour").click()
    expect(scheduled).to_have_count(1, timeout=SOON_MS)
    expect(scheduled).to_contain_text("Good evening", timeout=SOON_MS)

    demo.call(time_comes, customer.conversation)
    expect(scheduled).to_have_count(0, timeout=SOON_MS)
    expect(agent.locator("#items .message--out").last.locator("img")).to_be_visible(timeout=SOON_MS)
    expect(other.locator(".scheduled")).to_have_count(0, timeout=SOON_MS)
    expect(other.locator("#items")).to_contain_text("Good evening")
    other.close()


def test_a_time_after_the_window_closes_offers_the_latest_one(agent: Page, customer: Customer) -> None:
    agent.reload()
    agent.locator(f"#row-{customer.conversation} a").click()
    agent.locator("#composer-text").fill("Next month")
    agent.locator("#composer-more summary").click()
    far = timezone.now() + timedelta(days=30)
    agent.locator("#later-at").fill(f"{far:%Y-%m-%dT%H:%M}")
    agent.locator("#later-at").press("Enter")
    error = agent.locator("#composer-error")
    expect(error).to_contain_text("The latest time to which you can schedule a reply is", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("Next month")
    error.get_by_role("button", name="Just before the window closes").click()
    expect(agent.locator(".scheduled")).to_contain_text("Next month", timeout=SOON_MS)
    agent.locator(".scheduled").get_by_role("button", name="Cancel reply").click()
    agent.get_by_role("dialog").get_by_role("button", name="Cancel reply").click()
    expect(agent.locator(".scheduled")).to_have_count(0, timeout=SOON_MS)
    expect(agent.locator("#items")).to_contain_text("cancelled a scheduled reply")


def test_a_reply_that_cannot_be_taken_back_leaves_the_composer_as_it_is(
    agent: Page, customer: Customer, tmp_path: Path
) -> None:
    """It was sent in that moment: its files must not be sent a second time."""
    picture = tmp_path / "offer.png"
    picture.write_bytes(factories.png())
    agent.reload()
    agent.locator(f"#row-{customer.conversation} a").click()
    agent.locator("#composer-text").fill("Good morning")
    agent.locator("#composer-files").set_input_files(picture)
    expect(agent.locator(".tile")).to_have_count(1)
    agent.locator("#composer-more summary").click()
    agent.locator("#send-later").get_by_role("button", name="Tomorrow, 9:00").click()
    scheduled = agent.locator(".scheduled")
    expect(scheduled).to_contain_text("Good morning", timeout=SOON_MS)
    expect(agent.locator(".tile")).to_have_count(0)

    agent.route("**/scheduled/*/edit/", lambda route: route.fulfill(status=422, body="<p>It was sent already.</p>"))
    agent.evaluate("document.addEventListener('desk:reply-edited', () => { window.takenBack = true; })")
    scheduled.get_by_role("button", name="Edit").click()
    expect(agent.locator("#toasts")).to_contain_text("It was sent already.", timeout=SOON_MS)
    expect(scheduled.get_by_role("button", name="Edit")).to_be_enabled()  # it is over
    assert agent.evaluate("window.takenBack") is None
    agent.unroute("**/scheduled/*/edit/")
    scheduled.get_by_role("button", name="Edit").click()
    expect(agent.locator(".tile")).to_contain_text("offer.png", timeout=SOON_MS)
    assert agent.evaluate("window.takenBack") is True
