"""Real processes and real browsers end to end: a customer writes, an agent answers, both see it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, MessengerWindow, log_in
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cassette.png"
    image = Image.new("RGB", (320, 240), "#f5f5f4")
    ImageDraw.Draw(image).ellipse((60, 20, 260, 220), outline="#44403c", width=12)
    image.save(path)
    return path


def test_a_customer_writes_and_the_agent_answers_with_text_and_a_picture_and_sees_that_they_were_read(
    demo: RunningDesk, agent: Page, new_page: Callable[..., Page], customer: Customer, picture: Path
) -> None:
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    inbox.never_reloads()

    messenger = MessengerWindow(new_page(), demo)
    messenger.open(customer.id, BERG_BIKES)
    messenger.write("Can you also check the front brake?")
    expect(inbox.bubble("Can you also check the front brake?")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()

    inbox.answer("Of course, we look at both.", files=[str(picture)])
    messenger.expect_text("Of course, we look at both.")
    messenger.expect_image("cassette.png")
    inbox.expect_read(inbox.bubble("Of course, we look at both."))
    inbox.expect_read(agent.locator(".message--out").last)
    inbox.expect_not_reloaded()


def test_a_new_conversation_comes_to_the_top_of_an_open_list(demo: RunningDesk, new_page: Callable[..., Page]) -> None:
    agent = new_page()
    log_in(agent, demo, "bob")
    inbox = Inbox(agent, demo)
    inbox.open()
    inbox.never_reloads()

    stranger = demo.sandbox.add_customer("Wilma", "van Dijk")
    messenger = MessengerWindow(new_page(), demo)
    messenger.open(stranger["id"], BERG_BIKES)
    messenger.write("Hallo, do you repair Dutch bikes?")
    row = inbox.row("Hallo, do you repair Dutch bikes?")
    expect(row).to_be_visible(timeout=SOON_MS)
    expect(row).to_contain_text("Wilma van Dijk", timeout=SOON_MS)
    expect(agent.locator(".row-item").first).to_contain_text("Wilma van Dijk")
    inbox.expect_not_reloaded()
