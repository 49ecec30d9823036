"""Setup in a real browser: what an administrator does there and what agents see of it at once.

The tests share one Desk and come in an order: each leaves the channels working for the next, the last one deletes.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.e2e.screens import SOON_MS, FacebookDialog, Inbox, Setup, log_in
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
BERG_BIKES, CHANNEL, CUSTOMER = "101000000000001", "Berg Bikes", "Tom Becker"


class Facebook:
    """The sandbox from behind: what customers and the owners of Pages do."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        method = "GET" if body is None else "POST"
        answer = self.desk.http.request(method, f"{self.desk.sandbox_url}/_sandbox/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def act(self, action: str, **target: Any) -> None:
        self.ask("faults", {"action": action, **target})

    def write(self, text: str, *, force: bool = False) -> None:
        """Let the customer write; `force` delivers it also when the Page is not subscribed."""
        self.ask("customers/tom/messages", {"page_id": BERG_BIKES, "text": text, "force": force})

    def reached_customer(self, text: str) -> int:
        return sum(message["text"] == text for message in self.ask("sent?psid=tom")["data"])

    def is_subscribed(self) -> bool:
        pages = self.ask("world?history=0")["pages"]
        return bool(next(page for page in pages if page["id"] == BERG_BIKES)["subscribed_fields"])


@pytest.fixture(scope="module")
def facebook(demo: Desk) -> Facebook:
    return Facebook(demo)


@pytest.fixture(scope="module")
def people(browser: Browser, demo: Desk) -> Iterator[Callable[[str], Page]]:
    """Return a function that gives the open page of a user, logged in once for all tests of the module."""
    contexts: dict[str, BrowserContext] = {}
    wrong: list[str] = []

    def page_of(username: str) -> Page:
        if username not in contexts:
            contexts[username] = browser.new_context(viewport={"width": 1440, "height": 900})
            page = contexts[username].new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
            log_in(page, demo, username)
        return contexts[username].pages[0]

    yield page_of
    for context in contexts.values():
        context.close()
    assert not wrong, wrong


@pytest.fixture
def admin(people: Callable[[str], Page], demo: Desk) -> Page:
    page = people("admin")
    page.goto(f"{demo.url}/admin/instant-messaging/messenger/")
    return page


@pytest.fixture
def inbox(people: Callable[[str], Page], demo: Desk) -> Inbox:
    """alice's inbox with the customer's conversation open."""
    inbox = Inbox(people("alice"), demo)
    inbox.open()
    inbox.row(CUSTOMER).first.get_by_role("link").click()
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


def test_a_revoked_permission_is_told_to_everyone_and_healing_it_lets_the_held_reply_go_out(
    admin: Page, inbox: Inbox, facebook: Facebook, demo: Desk
):
    facebook.act("revoke_permission", person="anna", scope="pages_messaging")
    inbox.answer("Ready on Friday")
    reply = inbox.bubble("Ready on Friday")
    expect(reply).to_have_attribute("data-state", "held", timeout=SOON_MS)
    expect(inbox.page.locator(".gate")).to_contain_text("A Page permission was revoked")
    facebook.write("Still there?")
    expect(inbox.bubble("Still there?")).to_be_visible(timeout=SOON_MS)

    admin.goto(f"{demo.url}/admin/")
    expect(admin.locator(".attention")).to_contain_text("cannot send: a Page permission was revoked")
    admin.get_by_role("link", name="Re-authenticate").click()
    expect(admin.locator(".channel-form")).to_contain_text("Log in to the Facebook account that owns the Page")
    admin.get_by_role("button", name="Re-authenticate").click()
    FacebookDialog(admin).log_in("anna@example.com", "anna")
    choose_pages(admin, bikes=True)
    expect(admin.get_by_text("Connected again: “Berg Bikes”.")).to_be_visible()

    expect(inbox.page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    expect(reply).to_have_attribute("data-state", "held")
    assert facebook.reached_customer("Ready on Friday") == 0
    reply.get_by_role("button", name="Send now").click()
    expect(reply).to_have_attribute("data-state", re.compile("sent|delivered|read"), timeout=SOON_MS)
    assert facebook.reached_customer("Ready on Friday") == 1
    inbox.expect_not_reloaded()


def test_a_login_that_would_stop_a_channel_asks_first_and_going_back_saves_it(admin: Page):
    reauthenticate(admin)
    choose_pages(admin, bikes=False)
    expect(admin.get_by_role("region", name="Stops")).to_contain_text("was not ticked")
    admin.get_by_role("button", name="Go back to Facebook").click()
    choose_pages(admin, bikes=True)
    expect(admin.get_by_text("You have successfully linked your Facebook account: 2 Pages.")).to_be_visible()
    expect(admin.locator(".pill").first).to_have_text("Connected")


def test_continuing_anyway_stops_that_channel_until_its_page_is_ticked_again(admin: Page, inbox: Inbox, demo: Desk):
    reauthenticate(admin)
    choose_pages(admin, bikes=False)
    expect(inbox.page.locator(".gate")).to_have_count(0)
    admin.get_by_role("button", name="Continue and stop this channel").click()
    expect(admin.locator(".channel-form")).to_contain_text("Re-authenticate with the Page ticked.")
    expect(inbox.page.locator(".gate")).to_contain_text("was not ticked", timeout=SOON_MS)
    edit = admin.url
    admin.set_viewport_size({"width": 390, "height": 844})
    for address in (f"{demo.url}/admin/", f"{demo.url}/admin/instant-messaging/health/", edit):
        admin.goto(address)
        assert admin.evaluate("document.documentElement.scrollWidth") == 390
    admin.set_viewport_size({"width": 1440, "height": 900})
    admin.get_by_role("button", name="Re-authenticate").click()
    choose_pages(admin, bikes=True)
    expect(inbox.page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    inbox.expect_not_reloaded()


def test_an_association_counts_at_once_for_the_list_that_is_open(admin: Page, inbox: Inbox, demo: Desk):
    setup = Setup(admin, demo)
    mine = inbox.row("Sara Lindqvist").first
    bobs = inbox.row(CUSTOMER).first
    expect(bobs).to_be_visible()
    admin.goto(f"{demo.url}/admin/instant-messaging/preferences/")
    admin.get_by_role("row").filter(has_text="Alice Moreau").get_by_text("Associate Channel").click()
    admin.get_by_label(CHANNEL).uncheck()
    admin.get_by_role("button", name="Save").last.click()
    expect(bobs).to_have_count(0, timeout=SOON_MS)
    inbox.page.mouse.move(1000, 450)  # rows do not move under the pointer
    setup.associate("Customer Care", "Alice Moreau", CHANNEL)
    expect(bobs).to_be_visible(timeout=SOON_MS)
    expect(mine).to_be_visible()
    inbox.expect_not_reloaded()


def test_a_deactivated_channel_parks_what_arrives_and_activating_it_takes_it_in(
    admin: Page, inbox: Inbox, facebook: Facebook, demo: Desk
):
    card(admin).get_by_role("switch").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog).to_contain_text("What stops")
    dialog.get_by_role("button", name="Deactivate").dblclick()
    expect(card(admin).locator(".pill")).to_have_text("Deactivated")
    expect(inbox.page.locator(".gate")).to_contain_text("deactivated", timeout=SOON_MS)
    demo.wait_for(lambda: not facebook.is_subscribed(), "the page is unsubscribed")
    facebook.write("Anybody there?", force=True)
    demo.wait_for(lambda: demo.readiness() and _parked(admin, demo), "the delivery is parked")
    expect(inbox.bubble("Anybody there?")).to_have_count(0)

    admin.goto(f"{demo.url}/admin/instant-messaging/messenger/")
    card(admin).get_by_role("switch").click()
    admin.get_by_role("dialog").get_by_role("button", name="Activate").click()
    expect(admin.get_by_text("1 delivery arrived while this channel was deactivated.")).to_be_visible()
    admin.get_by_role("button", name="Import messages").click()
    expect(inbox.bubble("Anybody there?")).to_be_visible(timeout=SOON_MS)
    expect(inbox.page.locator("#composer-text")).to_be_visible()
    demo.wait_for(facebook.is_subscribed, "the page is subscribed again")
    inbox.expect_not_reloaded()


def _parked(admin: Page, demo: Desk) -> bool:
    admin.goto(f"{demo.url}/admin/instant-messaging/journal/?state=parked")
    return admin.locator(".journal").count() > 0


def test_a_deleted_channel_leaves_a_history_that_can_only_be_read(admin: Page, inbox: Inbox, demo: Desk):
    inbox.page.locator("#composer-text").fill("Too late")
    card(admin).get_by_label(f"More for {CHANNEL}").click()
    card(admin).get_by_role("link", name="Delete Channel").click()
    admin.get_by_role("dialog").get_by_role("button", name="Yes, Delete").click()
    expect(admin.get_by_text("has been deleted. Its conversations stay readable.")).to_be_visible()

    expect(inbox.page.locator(".gate")).to_contain_text("This channel was deleted", timeout=SOON_MS)
    expect(inbox.page.locator("#composer-send")).to_be_disabled()
    expect(inbox.page.locator("#composer-text")).to_have_value("Too late")  # it can be copied
    expect(inbox.bubble("Too late")).to_have_count(0)
    expect(inbox.bubble("Ready on Friday")).to_be_visible()
    inbox.expect_not_reloaded()
    admin.goto(f"{demo.url}/admin/instant-messaging/messenger/add/")
    expect(admin.get_by_label(CHANNEL)).to_be_enabled()
