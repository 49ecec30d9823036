"""Snoozing in a real browser: by key and menu, gone from the list, back at its time by the worker."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS
from tests.e2e.processes import RunningDesk
from tickets.models import Conversation

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]


def time_comes(conversation: int) -> None:
    """Let the snooze be over now."""
    Conversation.objects.filter(pk=conversation).update(snoozed_until=timezone.now() - timedelta(seconds=1))


def test_a_conversation_is_snoozed_by_key_and_comes_back_at_its_time(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    row = agent.locator(f"#row-{customer.conversation}")
    agent.reload()
    row.locator("a").click()
    expect(agent.locator("#snooze-menu")).to_be_visible(timeout=SOON_MS)
    agent.locator("#thread").focus()
    agent.keyboard.press("s")
    agent.get_by_role("button", name="Tomorrow, 9:00").click()
    expect(agent.locator("#items")).to_contain_text("snoozed this conversation until", timeout=SOON_MS)
    agent.mouse.move(1000, 500)
    expect(row).to_have_count(0, timeout=SOON_MS)

    demo.call(time_comes, customer.conversation)
    expect(agent.locator("#items")).to_contain_text("Snooze ended", timeout=SOON_MS)
    expect(agent.locator(".row-item").first).to_have_attribute("data-id", str(customer.conversation), timeout=SOON_MS)
