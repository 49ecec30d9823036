"""Setup in a real browser: what an administrator does there and what agents see at once.

The tests share one Desk and depend on their order: each leaves the channels working, the last one deletes one.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.page_objects import (
    DESKTOP,
    PHONE,
    SOON_MS,
    FacebookDialog,
    Inbox,
    MessengerWindow,
    Setup,
    log_in,
    report_errors,
)
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES, HADDAD_TRAVEL

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.slow]
CHANNEL, CUSTOMER = "Berg Bikes", "Tom Becker"
SENT = re.compile("sent|delivered|read")


class Meta:
    """Meta's side: what the customer and the owners of Pages do there, and what has arrived."""

    def __init__(self, desk: RunningDesk) -> None:
        self.sandbox = desk.sandbox

    def write(self, text: str, *, force: bool = False) -> None:
        """Write as the customer; `force` delivers the message even when the Page is not subscribed."""
        self.sandbox.customer_writes("tom", BERG_BIKES, text, force=force)

    def reached_customer(self, text: str) -> int:
        """Return how many times the text has reached the customer."""
        psid = self.sandbox.psid("tom", BERG_BIKES)
        return sum(message["text"] == text for message in self.sandbox.sent(BERG_BIKES, psid))

    def is_subscribed(self) -> bool:
        pages = self.sandbox.control("GET", "world?history=0")["pages"]
        return bool(next(page for page in pages if page["id"] == BERG_BIKES)["subscribed_fields"])


@pytest.fixture(scope="module")
def desk(new_desk: Callable[..., RunningDesk]) -> RunningDesk:
    """Start a Desk with demo data for this module: its tests change the channel that other tests share."""
    desk = new_desk()
    desk.start_all(demo_data=True)
    return desk


@pytest.fixture
def meta(desk: RunningDesk) -> Meta:
    return Meta(desk)


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[tuple[dict[str, Page], list[str]]]:
    """Keep pages open from test to test, with the errors on them."""
    pages: dict[str, Page] = {}
    yield pages, []
    for page in pages.values():
        page.context.close()


@pytest.fixture
def people(
    browser: Browser, desk: RunningDesk, opened: tuple[dict[str, Page], list[str]]
) -> Iterator[Callable[[str], Page]]:
    """Return a function that returns the open page of a user, logged in once for all tests of the module.

    A violation of the content security policy or a script error fails the test during which it happened.
    """
    pages, errors = opened

    def page_of(username: str) -> Page:
        if username not in pages:
            pages[username] = browser.new_context(viewport=DESKTOP).new_page()
            report_errors(pages[username], errors)
            log_in(pages[username], desk, username)
        return pages[username]

    yield page_of
    found = list(errors)
    errors.clear()
    assert not found, found


@pytest.fixture
def admin(people: Callable[[str], Page], desk: RunningDesk) -> Page:
    page = people("admin")
    page.goto(f"{desk.url}/admin/instant-messaging/messenger/")
    return page


@pytest.fixture
def inbox(people: Callable[[str], Page], desk: RunningDesk) -> Inbox:
    """Open the customer's conversation in alice's inbox."""
    inbox = Inbox(people("alice"), desk)
    inbox.open()
    inbox.row(CUSTOMER).first.get_by_role("link").click()
    inbox.page.mouse.move(1000, 450)  # rows do not move under the pointer
    expect(inbox.page.locator("#thread")).to_be_visible(timeout=SOON_MS)
    inbox.never_reloads()
    return inbox


def card(admin: Page) -> Locator:
    return admin.get_by_role("article", name=CHANNEL)


def reauthenticate(admin: Page) -> None:
    """Edit Channel → Re-authenticate."""
    card(admin).get_by_role("link", name=CHANNEL).click()
    admin.get_by_role("button", name="Re-authenticate").click()
    if admin.get_by_label("Email address").count():
        FacebookDialog(admin).log_in("anna@example.com", "anna")


def choose_pages(admin: Page, *, bikes: bool) -> None:
    """In Facebook's dialog: continue, tick or untick the Page, Next, Done."""
    admin.get_by_role("button", name=re.compile("Continue as")).click()
    admin.get_by_label("Berg Bakery").check()
    admin.get_by_label(CHANNEL).set_checked(bikes)
    admin.get_by_role("button", name="Next").click()
    admin.get_by_role("button", name="Done").click()


def test_a_revoked_permission_is_shown_to_everyone_and_restoring_it_sends_the_held_reply(
    admin: Page, inbox: Inbox, meta: Meta, desk: RunningDesk
) -> None:
    meta.sandbox.act("revoke_permission", person="anna", scope="pages_messaging")
    inbox.answer("Ready on Friday")
    reply = inbox.bubble("Ready on Friday")
    expect(reply).to_have_attribute("data-state", "held", timeout=SOON_MS)
    expect(inbox.page.locator(".gate")).to_contain_text("A Page permission was revoked")
    meta.write("Still there?")
    expect(inbox.bubble("Still there?")).to_be_visible(timeout=SOON_MS)

    admin.goto(f"{desk.url}/admin/")
    expect(admin.locator(".attention")).to_contain_text("cannot send: a Page permission was revoked")
    admin.get_by_role("link", name="Re-authenticate").click()
    expect(admin.locator(".channel-form")).to_contain_text("Log in to the Facebook account that owns the Page")
    admin.get_by_role("button", name="Re-authenticate").click()
    FacebookDialog(admin).log_in("anna@example.com", "anna")
    choose_pages(admin, bikes=True)
    expect(admin.get_by_text("Connected again: “Berg Bikes”.")).to_be_visible()

    expect(inbox.page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    expect(reply).to_have_attribute("data-state", "held")
    assert meta.reached_customer("Ready on Friday") == 0
    reply.get_by_role("button", name="Send now").click()
    expect(reply).to_have_attribute("data-state", SENT, timeout=SOON_MS)
    assert meta.reached_customer("Ready on Friday") == 1
    inbox.expect_not_reloaded()


def test_a_login_that_would_stop_a_channel_asks_first_and_going_back_saves_it(admin: Page) -> None:
    reauthenticate(admin)
    choose_pages(admin, bikes=False)
    expect(admin.get_by_role("region", name="Stops")).to_contain_text("was not ticked")
    admin.get_by_role("button", name="Go back to Facebook").click()
    choose_pages(admin, bikes=True)
    expect(admin.get_by_text("You have successfully linked your Facebook account: 2 Pages.")).to_be_visible()
    expect(admin.locator(".pill").first).to_have_text("Connected")


def test_continuing_anyway_stops_that_channel_until_its_page_is_ticked_again(
    admin: Page, inbox: Inbox, desk: RunningDesk
) -> None:
    reauthenticate(admin)
    choose_pages(admin, bikes=False)
    expect(inbox.page.locator(".gate")).to_have_count(0)
    admin.get_by_role("button", name="Continue and stop this channel").click()
    expect(admin.locator(".channel-form")).to_contain_text("Re-authenticate with the Page ticked.")
    expect(inbox.page.locator(".gate")).to_contain_text("was not ticked", timeout=SOON_MS)
    edit = admin.url
    admin.set_viewport_size(PHONE)
    for address in (f"{desk.url}/admin/", f"{desk.url}/admin/instant-messaging/health/", edit):
        admin.goto(address)
        assert admin.evaluate("document.documentElement.scrollWidth") == 390
    admin.set_viewport_size(DESKTOP)
    admin.get_by_role("button", name="Re-authenticate").click()
    choose_pages(admin, bikes=True)
    expect(inbox.page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()


def test_an_administrator_connects_the_second_persons_page_and_its_ticket_lands_in_the_right_department(
    desk: RunningDesk, inbox: Inbox, new_page: Callable[..., Page], tmp_path: Path
) -> None:
    admin = new_page()
    log_in(admin, desk, "admin")
    picture = tmp_path / "icon.png"
    Image.new("RGB", (320, 240), "#44403c").save(picture)
    setup = Setup(admin, desk)
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

    messenger = MessengerWindow(new_page(), desk)
    messenger.open("chloe", HADDAD_TRAVEL)
    messenger.write("A weekend in Lisbon for two, please")
    expect(inbox.row("A weekend in Lisbon for two, please")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()

    inbox.row("A weekend in Lisbon for two, please").get_by_role("link").click()
    details = inbox.page.get_by_role("complementary", name="Details")
    expect(details).to_contain_text("Travel desk")
    expect(details).to_contain_text("Sales")


def test_an_association_changes_an_open_list_at_once(admin: Page, inbox: Inbox, desk: RunningDesk) -> None:
    setup = Setup(admin, desk)
    mine = inbox.row("Sara Lindqvist").first
    bobs = inbox.row(CUSTOMER).first
    expect(bobs).to_be_visible()
    admin.goto(f"{desk.url}/admin/instant-messaging/preferences/")
    admin.get_by_role("row").filter(has_text="Alice Moreau").get_by_text("Associate Channel").click()
    admin.get_by_label(CHANNEL).uncheck()
    admin.get_by_role("button", name="Save").last.click()
    expect(bobs).to_have_count(0, timeout=SOON_MS)
    inbox.page.mouse.move(1000, 450)  # rows do not move under the pointer
    setup.associate("Customer Care", "Alice Moreau", CHANNEL)
    expect(bobs).to_be_visible(timeout=SOON_MS)
    expect(mine).to_be_visible()
    inbox.expect_not_reloaded()


def test_a_deactivated_channel_parks_new_messages_and_activating_it_stores_them(
    admin: Page, inbox: Inbox, meta: Meta, desk: RunningDesk
) -> None:
    card(admin).get_by_role("switch").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog).to_contain_text("What stops")
    dialog.get_by_role("button", name="Deactivate").dblclick()
    expect(card(admin).locator(".pill")).to_have_text("Deactivated")
    expect(inbox.page.locator(".gate")).to_contain_text("deactivated", timeout=SOON_MS)
    desk.wait_for(lambda: not meta.is_subscribed(), "the page is unsubscribed")
    meta.write("Anybody there?", force=True)
    desk.wait_for(lambda: desk.readiness() and _parked(admin, desk), "the delivery is parked")
    expect(inbox.bubble("Anybody there?")).to_have_count(0)

    admin.goto(f"{desk.url}/admin/instant-messaging/messenger/")
    card(admin).get_by_role("switch").click()
    admin.get_by_role("dialog").get_by_role("button", name="Activate").click()
    expect(admin.get_by_text("1 delivery arrived while this channel was deactivated.")).to_be_visible()
    admin.get_by_role("button", name="Import messages").click()
    expect(inbox.bubble("Anybody there?")).to_be_visible(timeout=SOON_MS)
    expect(inbox.page.locator("#composer-text")).to_be_visible()
    desk.wait_for(meta.is_subscribed, "the page is subscribed again")
    inbox.expect_not_reloaded()


def _parked(admin: Page, desk: RunningDesk) -> bool:
    admin.goto(f"{desk.url}/admin/instant-messaging/journal/?state=parked")
    return admin.locator(".journal").count() > 0


def test_a_deleted_channel_leaves_a_history_that_can_only_be_read(admin: Page, inbox: Inbox, desk: RunningDesk) -> None:
    inbox.answer("Said before it was deleted")
    expect(inbox.bubble("Said before it was deleted")).to_have_attribute("data-state", SENT, timeout=SOON_MS)
    inbox.page.locator("#composer-text").fill("Too late")
    card(admin).get_by_label(f"More for {CHANNEL}").click()
    card(admin).get_by_role("link", name="Delete Channel").click()
    admin.get_by_role("dialog").get_by_role("button", name="Yes, Delete").click()
    expect(admin.get_by_text("has been deleted. Its conversations stay readable.")).to_be_visible()

    expect(inbox.page.locator(".gate")).to_contain_text("This channel was deleted", timeout=SOON_MS)
    expect(inbox.page.locator("#composer-send")).to_be_disabled()
    expect(inbox.page.locator("#composer-text")).to_have_value("Too late")  # it can be copied
    expect(inbox.bubble("Too late")).to_have_count(0)
    expect(inbox.bubble("Said before it was deleted")).to_be_visible()
    inbox.expect_not_reloaded()
    admin.goto(f"{desk.url}/admin/instant-messaging/messenger/add/")
    expect(admin.get_by_label(CHANNEL)).to_be_enabled()
