"""The whole way with real processes and a real browser: write as a customer, answer as an agent, connect a Page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from tests.e2e.screens import SOON_MS, FacebookDialog, Inbox, MessengerWindow, Setup, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
BERG_BIKES, HADDAD_TRAVEL = "101000000000001", "101000000000003"


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a page of another person: cookies of its own."""
    contexts = []
    errors: list[str] = []

    def open_page() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1360, "height": 850}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, f"errors on the pages: {errors}"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "cassette.png"
    image = Image.new("RGB", (320, 240), "#f5f5f4")
    ImageDraw.Draw(image).ellipse((60, 20, 260, 220), outline="#44403c", width=12)
    image.save(path)
    return path


def test_a_customer_writes_and_the_agent_answers_with_text_and_a_picture_and_sees_that_they_were_read(
    demo: Desk, new_page: Callable[[], Page], picture: Path
):
    agent, customer = new_page(), new_page()
    log_in(agent, demo, "alice")
    inbox = Inbox(agent, demo)
    inbox.open()
    inbox.choose("Tom Becker")
    inbox.never_reloads()

    messenger = MessengerWindow(customer, demo)
    messenger.open("tom", BERG_BIKES)
    messenger.write("Can you also check the front brake?")
    expect(inbox.bubble("Can you also check the front brake?")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()

    inbox.answer("Of course, we look at both.", files=[str(picture)])
    messenger.expect_text("Of course, we look at both.")
    messenger.expect_image("cassette.png")
    inbox.expect_read(inbox.bubble("Of course, we look at both."))
    inbox.expect_read(agent.locator(".message--out").last)
    inbox.expect_not_reloaded()


def test_a_new_conversation_comes_to_the_top_of_an_open_list(demo: Desk, new_page: Callable[[], Page]):
    agent, customer = new_page(), new_page()
    log_in(agent, demo, "bob")
    inbox = Inbox(agent, demo)
    inbox.open()
    inbox.never_reloads()

    messenger = MessengerWindow(customer, demo)
    messenger.open("anouk", BERG_BIKES)
    messenger.write("Hallo, do you repair Dutch bikes?")
    expect(inbox.row("Hallo, do you repair Dutch bikes?")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()


def test_an_administrator_connects_the_second_persons_page_and_its_ticket_lands_in_the_right_department(
    demo: Desk, new_page: Callable[[], Page], picture: Path
):
    admin, agent, customer = new_page(), new_page(), new_page()
    log_in(admin, demo, "admin")
    setup = Setup(admin, demo)
    setup.go_to_messenger()
    admin.get_by_role("link", name="Create Channel").click()
    admin.get_by_role("button", name="Re-authenticate").click()
    dialog = FacebookDialog(admin)
    dialog.log_in("omar@example.com", "omar")
    dialog.grant_all_pages()
    expect(admin.get_by_text("successfully linked")).to_be_visible()

    setup.create_channel(icon=str(picture), name="Travel desk", facebook_page="Haddad Travel", department="Sales")
    setup.go_to_messenger()
    expect(admin.get_by_role("article", name="Travel desk")).to_contain_text("Sales")
    setup.associate("Sales", "Alice Moreau", "Travel desk")

    log_in(agent, demo, "alice")
    inbox = Inbox(agent, demo)
    inbox.open()
    inbox.never_reloads()
    messenger = MessengerWindow(customer, demo)
    messenger.open("chloe", HADDAD_TRAVEL)
    messenger.write("A weekend in Lisbon for two, please")
    expect(inbox.row("A weekend in Lisbon for two, please")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()

    inbox.row("A weekend in Lisbon for two, please").get_by_role("link").click()
    details = agent.get_by_role("complementary", name="Details")
    expect(details).to_contain_text("Travel desk")
    expect(details).to_contain_text("Sales")
