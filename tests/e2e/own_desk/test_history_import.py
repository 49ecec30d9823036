"""A new channel imports the history of its Page while customers write, the worker is killed, and somebody pauses it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from channels_im.models import Channel, HistoryImport
from tests import factories as make
from tests.e2e.page_objects import DESKTOP, SOON_MS, Setup, log_in, report_errors
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BAKERY
from tickets.models import Conversation, Message, Ticket

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.slow]


def make_department(name: str) -> None:
    make.make_department(name)


def progress() -> dict[str, Any]:
    return dict(HistoryImport.objects.values("state", "conversation_count", "inserted_count", "error").get())


def is_subscribed() -> bool:
    return Channel.objects.get(name="Bread").page.subscription == "subscribed"


def found() -> dict[str, Any]:
    """Return what the import has left."""
    conversations = Conversation.objects.filter(channel__name="Bread")
    return {
        "conversations": conversations.count(),
        "messages": Message.objects.filter(conversation__in=conversations, is_imported=True).count(),
        "waiting": list(conversations.exclude(waiting_since=None).values_list("unread_count", "preview")),
        "unread": conversations.filter(unread_count__gt=0).count(),
        "open": Ticket.objects.filter(conversation__in=conversations, status="open").count(),
    }


def test_a_new_channel_imports_its_history(
    new_desk: Callable[..., RunningDesk], browser: Browser, tmp_path: Path
) -> None:
    desk = new_desk(DESK_CLAIM_SECONDS="2", DESK_SWEEP_SECONDS="0.5", DESK_RETRY_BASE_SECONDS="0.1")
    desk.start_all(demo_data=True)
    sandbox = desk.sandbox
    desk.call(make_department, "Bakery")
    past = {"conversations": 150, "messages": 2, "days": 60}
    psids = sandbox.control("POST", f"pages/{BERG_BAKERY}/history", past)["psids"]
    icon = tmp_path / "icon.png"
    Image.new("RGB", (64, 64), "#c96").save(icon)

    page = browser.new_context(viewport=DESKTOP).new_page()
    errors: list[str] = []
    report_errors(page, errors)
    log_in(page, desk, "admin")
    Setup(page, desk).go_to_messenger()
    page.get_by_role("link", name="Create Channel").first.click()
    page.get_by_label("Earlier messages").select_option(label="Import the last 30 days")
    Setup(page, desk).create_channel(icon=str(icon), name="Bread", facebook_page="Berg Bakery", department="Bakery")

    panel = page.get_by_role("region", name="Earlier messages")
    expect(panel).to_contain_text("of about 75 conversations", timeout=SOON_MS)
    desk.wait_for(lambda: desk.call(progress)["conversation_count"] >= 10, "some conversations are imported")
    desk.processes.kill("worker")
    panel.get_by_role("button", name="Pause").click()
    expect(panel).to_contain_text("Paused")
    desk.start("worker")
    desk.wait_for(lambda: desk.call(is_subscribed), "the Page is subscribed")
    sandbox.customer_writes(psids[70], BERG_BAKERY, "Is there bread today?")
    desk.wait_until_drained()
    assert desk.call(progress)["conversation_count"] < 75
    panel.get_by_role("button", name="Resume").click()
    expect(panel).to_contain_text("Done", timeout=SOON_MS * 3)
    expect(panel).to_contain_text("75 conversations")
    expect(panel.get_by_role("button", name="Import more")).to_be_visible()
    desk.wait_until_drained()

    result = desk.call(progress)
    assert (result["state"], result["conversation_count"], result["error"]) == ("done", 75, "")
    assert desk.call(found) == {
        "conversations": 75,
        "messages": 150,
        "waiting": [[1, "Is there bread today?"]],
        "unread": 1,
        "open": 1,
    }
    page.goto(f"{desk.url}/admin/instant-messaging/messenger/")
    expect(page.get_by_role("article", name="Bread")).to_contain_text("Done: 75 conversations, 150 messages imported")
    assert not errors, errors
