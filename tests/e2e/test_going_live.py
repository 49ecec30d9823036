"""Going live in a browser: check, copy, tick, and send oneself a test message through the sandbox."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import log_in
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = [pytest.mark.browser, pytest.mark.processes]

URL = "/admin/instant-messaging/messenger/go-live/"


@pytest.fixture
def admin(new_page: Callable[..., Page], demo: RunningDesk) -> Page:
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    log_in(page, demo, "admin")
    return page


def test_the_checks_run_in_the_background_and_the_page_shows_them(admin: Page, demo: RunningDesk) -> None:
    admin.goto(f"{demo.url}/admin/")
    admin.get_by_role("region", name="Go live").get_by_role("link", name="Go on").click()
    admin.get_by_role("button", name="Check now").click()
    app = admin.locator("#step-app")
    expect(app.get_by_text("Done", exact=True)).to_be_visible()
    expect(admin.locator("#step-address").get_by_text("leads to this machine only")).to_be_visible()
    expect(admin.get_by_role("button", name="Check now")).to_be_enabled()


def test_a_copy_button_copies_and_says_so(admin: Page, demo: RunningDesk) -> None:
    admin.goto(f"{demo.url}{URL}")
    button = admin.get_by_role("button", name="Copy Privacy policy URL")
    button.click()
    expect(button).to_have_text("Copied")
    expect(admin.get_by_role("status").get_by_text("Copied")).to_have_count(1)
    assert admin.evaluate("navigator.clipboard.readText()").endswith("/privacy/")
    admin.locator("summary", has_text="Human Agent").click()
    admin.get_by_role("button", name="Copy the text for Human Agent").click()
    expect(admin.get_by_role("button", name="Copy the text for Human Agent")).to_have_text("Copied")
    assert "HUMAN_AGENT" in admin.evaluate("navigator.clipboard.readText()")


def test_a_tick_returns_to_its_step(admin: Page, demo: RunningDesk) -> None:
    admin.goto(f"{demo.url}{URL}")
    admin.get_by_role("button", name="Tick as done: Screen recording").click()
    expect(admin).to_have_url(re.compile(r"#step-recording$"))
    step = admin.locator("#step-recording")
    expect(step.get_by_text("Ticked by")).to_be_visible()
    step.get_by_role("button", name="Remove the tick: Screen recording").click()
    expect(step.get_by_text("Ticked by")).to_have_count(0)


def test_a_test_message_reaches_whoever_wrote_to_the_page(
    admin: Page, demo: RunningDesk, new_customer: Callable[..., Customer]
) -> None:
    customer = new_customer("It is me")
    admin.goto(f"{demo.url}{URL}")
    admin.get_by_role("link", name="Send yourself a test").click()
    admin.get_by_role("button", name=f"Send the test to {customer.name}").click()
    admin.get_by_role("dialog").get_by_role("button", name="Send the test").click()
    stages = admin.get_by_role("region", name="What became of it")
    expect(stages.locator(".tick--ok", has_text="Delivered")).to_be_visible()
    sent = demo.sandbox.sent(BERG_BIKES, customer.psid)
    assert [message["text"] for message in sent][-1].startswith("This is a test message from Desk.")
    demo.sandbox.customer_reads(customer.id, BERG_BIKES)
    expect(stages.locator(".tick--ok", has_text="Read")).to_be_visible()
    admin.get_by_role("link", name="Back to Go live").click()
    expect(admin.locator("#step-test").get_by_text("Done", exact=True)).to_be_visible()
