"""Nothing is lost in the hand: replies written offline, attached files, notes and drafts in two tabs."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, FilePayload, Locator, Page, expect

from tests.channels_im.messenger import samples
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, log_in
from tests.e2e.processes import RunningDesk
from tests.e2e.test_logged_out import use_session

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]
PAPER: FilePayload = {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": samples.PDF}
IS_ACTIVE = "navigator.serviceWorker.getRegistration().then((each) => each?.active?.state === 'activated')"
KEEPS_PAGE = "caches.open('desk offline').then((cache) => cache.keys()).then((all) => all.map(({ url }) => url))"
KEPT = """async () => {
  const opened = await new Promise((done) => {
    const request = indexedDB.open("desk", 1);
    request.onsuccess = () => done(request.result);
  });
  const counts = await Promise.all(["unsent", "files", "notes"].map((name) => new Promise((done) => {
    const request = opened.transaction(name).objectStore(name).count();
    request.onsuccess = () => done(request.result);
  })));
  opened.close();
  return counts;
}"""


def text_of(page: Page) -> Locator:
    return page.locator("#composer-text")


def write(page: Page, text: str, kind: str = "Reply") -> None:
    """Send a reply or add a note."""
    page.get_by_label(kind, exact=True).check(force=True)
    text_of(page).fill(text)
    page.locator("#composer-send").click()
    expect(text_of(page)).to_have_value("", timeout=SOON_MS)


def waiting(page: Page) -> Locator:
    return page.locator("#items > .unsent")


def stored(page: Page) -> Locator:
    """Return the agent's replies and notes that the server has."""
    return page.locator("#items > .message--out[data-cursor], #items > .note[data-cursor]")


def open_at(page: Page, desk: RunningDesk, customer: Customer) -> Page:
    page.goto(f"{desk.url}/inbox/{customer.conversation}/")
    return page


@pytest.fixture
def page(agent: Page, demo: RunningDesk, customer: Customer) -> Page:
    """Open the customer's conversation on alice's page."""
    return open_at(agent, demo, customer)


def test_what_is_sent_offline_waits_survives_the_tab_and_goes_out_once_in_order(
    page: Page, demo: RunningDesk, customer: Customer
) -> None:
    context = page.context
    expect(page.locator("#connection")).to_be_hidden()
    second = open_at(context.new_page(), demo, customer)
    context.set_offline(True)
    expect(page.locator("#connection")).to_have_text(re.compile(r"Offline\. Showing \d\d:\d\d\."), timeout=5_000)
    page.locator("#composer-files").set_input_files(PAPER)
    write(page, "First")
    write(page, "For colleagues", "Note")
    write(page, "Second")
    expect(waiting(page)).to_have_count(3)
    expect(waiting(page).first).to_contain_text("Waiting for connection")
    expect(waiting(page).first).to_contain_text("paper.pdf")
    expect(page.locator("#connection")).to_contain_text("3 replies will be sent when the connection is back.")
    expect(waiting(second)).to_have_count(3)
    customer.writes("Written meanwhile")
    page.close()
    context.set_offline(False)
    expect(stored(second)).to_have_count(4, timeout=SOON_MS)
    expect(stored(second).locator(".text").filter(has_text="For colleagues")).to_have_count(1)
    replies = second.locator(".message--out[data-cursor] .text")  # in the order in which Meta got them
    assert [text.strip() for text in replies.all_text_contents()] == ["First", "Second"]
    expect(second.locator(".message--in").filter(has_text="Written meanwhile")).to_be_visible(timeout=SOON_MS)
    expect(waiting(second)).to_have_count(0)
    expect(second.locator("#connection")).to_be_hidden(timeout=SOON_MS)
    third = open_at(context.new_page(), demo, customer)
    expect(stored(third)).to_have_count(4)
    expect(waiting(third)).to_have_count(0)
    expect(text_of(third)).to_have_value("")


def test_what_is_typed_after_a_waiting_reply_stays_the_draft(page: Page) -> None:
    page.context.set_offline(True)
    write(page, "It waits")
    text_of(page).fill("The next one")
    page.context.set_offline(False)
    expect(stored(page)).to_have_count(1, timeout=SOON_MS)
    expect(page.locator("#draft-state")).to_have_text("Draft saved", timeout=SOON_MS)
    page.reload()
    expect(text_of(page)).to_have_value("The next one")


def test_a_waiting_reply_is_edited_or_cancelled(page: Page) -> None:
    page.context.set_offline(True)
    page.locator("#composer-files").set_input_files(PAPER)
    write(page, "Wrong")
    write(page, "Too much")
    waiting(page).nth(1).get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(waiting(page)).to_have_count(1)
    waiting(page).get_by_role("button", name="Edit").click()
    expect(text_of(page)).to_have_value("Wrong")
    expect(page.locator(".tile")).to_contain_text(["paper.pdf"])
    expect(waiting(page)).to_have_count(0)
    text_of(page).fill("Right")
    page.context.set_offline(False)
    page.locator("#composer-send").click()
    expect(stored(page)).to_have_count(2, timeout=SOON_MS)
    expect(stored(page).first).to_contain_text("Right")


def test_what_the_server_refuses_stays_in_sight_with_the_reason(
    page: Page, demo: RunningDesk, customer: Customer
) -> None:
    page.context.set_offline(True)
    write(page, "Too late")
    write(page, "And more")
    demo.call(data.set_blocked, customer.conversation, True)
    page.context.set_offline(False)
    expect(waiting(page).first).to_contain_text(re.compile("Not sent: .*blocked"), timeout=SOON_MS)
    expect(waiting(page).nth(1)).to_contain_text("The reply before it was not sent.")
    page.goto(f"{demo.url}/inbox/")
    bar = page.locator("#connection")
    expect(bar).to_contain_text("2 replies were not sent.", timeout=SOON_MS)
    bar.get_by_role("button", name="Show").click()
    first = page.locator("#unsent li").first
    expect(first).to_contain_text(customer.name)
    demo.call(data.set_blocked, customer.conversation, False)
    first.get_by_role("button", name="Send again").click()
    expect(page.locator("#unsent li")).to_have_count(1, timeout=SOON_MS)
    page.locator("#unsent li").get_by_role("button", name="Edit").click()
    expect(text_of(page)).to_have_value("And more", timeout=SOON_MS)
    expect(stored(page)).to_have_count(1)
    expect(bar).to_be_hidden()


def test_after_the_reply_of_a_colleague_it_asks_before_it_sends(
    page: Page, demo: RunningDesk, customer: Customer
) -> None:
    page.context.set_offline(True)
    write(page, "My answer")
    demo.call(data.add_message, customer.conversation, "Bob's answer", data.FROM_PAGE_INBOX)
    page.context.set_offline(False)
    expect(waiting(page)).to_contain_text("replied at", timeout=SOON_MS)
    waiting(page).get_by_role("button", name="Send anyway").click()
    expect(stored(page).filter(has_text="My answer")).to_have_count(1, timeout=SOON_MS)


def test_only_its_writer_sends_what_waits(new_page: Callable[..., Page], demo: RunningDesk, customer: Customer) -> None:
    page = new_page()
    key = use_session(page, demo, "alice")
    open_at(page, demo, customer)
    page.context.set_offline(True)
    write(page, "Alice's reply")
    demo.call(data.end_session, key)
    page.context.set_offline(False)
    expect(page.get_by_role("dialog", name="You were logged out")).to_be_visible(timeout=SOON_MS)
    use_session(page, demo, "admin")
    other = open_at(page.context.new_page(), demo, customer)
    expect(other.locator("#composer")).to_be_attached()
    page.wait_for_timeout(500)
    expect(waiting(other)).to_have_count(0)
    expect(stored(other)).to_have_count(0)
    page.close()
    use_session(other, demo, "alice")
    open_at(other, demo, customer)
    expect(stored(other)).to_have_count(1, timeout=SOON_MS)
    expect(stored(other)).to_contain_text("Alice Moreau")


def test_files_and_notes_survive_a_reload_and_a_tab_follows_the_other(
    page: Page, demo: RunningDesk, customer: Customer
) -> None:
    page.locator("#composer-files").set_input_files(PAPER)
    text_of(page).fill("A reply")
    page.get_by_label("Note", exact=True).check(force=True)
    text_of(page).fill("A note")
    expect(page.locator("#draft-state")).to_have_text("Draft saved", timeout=SOON_MS)
    page.reload()
    expect(page.locator(".tile")).to_contain_text(["paper.pdf"])
    expect(text_of(page)).to_have_value("A reply")
    page.get_by_label("Note", exact=True).check(force=True)
    expect(text_of(page)).to_have_value("A note")
    page.get_by_label("Reply", exact=True).check(force=True)
    second = open_at(page.context.new_page(), demo, customer)
    expect(second.locator(".tile")).to_contain_text(["paper.pdf"])
    text_of(second).fill("A better reply")
    expect(text_of(page)).to_have_value("A better reply", timeout=SOON_MS)
    second.locator("#composer-send").click()
    expect(stored(page)).to_have_count(2, timeout=SOON_MS)
    expect(text_of(page)).to_have_value("")
    expect(page.locator(".tile")).to_have_count(0)
    page.reload()
    expect(page.locator("#draft-state")).to_have_text("A note is not added yet", timeout=SOON_MS)
    expect(page.locator(".tile")).to_have_count(0)


def test_two_changed_drafts_of_one_conversation_ask_which_stays(
    page: Page, new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    elsewhere = new_page()  # another browser: nothing but the server connects them
    log_in(elsewhere, demo, "alice")
    open_at(elsewhere, demo, customer)
    text_of(page).fill("From the office")
    expect(page.locator("#draft-state")).to_have_text("Draft saved", timeout=SOON_MS)
    text_of(elsewhere).fill("From the train")
    choice = elsewhere.locator("#draft-choice")
    expect(choice).to_contain_text("From the office", timeout=SOON_MS)
    expect(text_of(elsewhere)).to_have_value("From the train")
    choice.get_by_role("button", name="Keep this text").click()
    expect(elsewhere.locator("#draft-state")).to_have_text("Draft saved", timeout=SOON_MS)
    text_of(page).fill("From the office again")
    choice = page.locator("#draft-choice")
    expect(choice).to_contain_text("From the train", timeout=SOON_MS)
    choice.get_by_role("button", name="Use that text").click()
    expect(text_of(page)).to_have_value("From the train")
    expect(choice).to_be_hidden()
    page.reload()
    expect(text_of(page)).to_have_value("From the train")


def test_leaving_warns_only_when_something_would_be_lost(page: Page, demo: RunningDesk) -> None:
    warnings: list[str] = []

    def leave(dialog: Dialog) -> None:
        warnings.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    text_of(page).click()
    page.keyboard.type("saved at once")
    expect(page.locator("#draft-state")).to_have_text("Draft saved", timeout=SOON_MS)
    page.goto(f"{demo.url}/accounts/")
    assert warnings == []
    page.go_back()
    page.route("**/draft/", lambda route: route.abort())
    text_of(page).click()
    page.keyboard.type(" and not saved")
    expect(page.locator("#draft-state")).to_contain_text("not saved", timeout=SOON_MS)
    page.goto(f"{demo.url}/accounts/")
    assert warnings == ["beforeunload"]


def test_a_logout_asks_and_deletes_what_the_browser_keeps(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    page = new_page()
    use_session(page, demo, "alice")
    open_at(page, demo, customer)
    page.locator("#composer-files").set_input_files(PAPER)
    demo.wait_for(lambda: page.evaluate(KEPT) == [0, 1, 0], "the browser keeps the file")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", stay)
    page.goto(f"{demo.url}/accounts/")
    page.get_by_role("button", name="Log out").click()
    while not asked:
        page.wait_for_timeout(50)
    assert asked[0].startswith("1 file is attached.")
    assert page.evaluate(KEPT) == [0, 1, 0]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/accounts/login/**", timeout=SOON_MS)
    assert page.evaluate(KEPT) == [0, 0, 0]


def keeps_page(page: Page, desk: RunningDesk) -> list[str]:
    """Wait until the service worker keeps its page and is active; return the paths of all that it keeps.

    It then answers for what is opened next, also when the page that is open began before it did.
    """
    found: list[str] = []

    def is_kept() -> bool:
        found[:] = page.evaluate(KEEPS_PAGE)
        return f"{desk.url}/offline/" in found and page.evaluate(IS_ACTIVE)

    desk.wait_for(is_kept, "the service worker keeps its page")
    return [url.removeprefix(desk.url) for url in found]


def test_a_page_that_cannot_be_loaded_says_so_and_opens_when_the_network_is_back(
    page: Page, demo: RunningDesk, customer: Customer
) -> None:
    kept = keeps_page(page, demo)
    assert all(path == "/offline/" or re.fullmatch(r"/static/.+\?offline", path) for path in kept)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    wanted = page.url
    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    expect(page.get_by_text("stay in this browser")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text(customer.name)
    button = page.get_by_role("link", name="Try again")
    assert button.evaluate("each => getComputedStyle(each).backgroundColor") != "rgba(0, 0, 0, 0)"  # it has its style
    button.click()
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    assert page.url == wanted
    elsewhere = page.context.new_page()
    elsewhere.goto(f"{demo.url}/admin/")
    expect(elsewhere.get_by_role("heading", name="You are offline")).to_be_visible()
    page.context.set_offline(False)
    expect(text_of(page)).to_be_visible(timeout=SOON_MS)
    expect(elsewhere.get_by_role("heading", name="You are offline")).to_have_count(0, timeout=SOON_MS)
    assert (page.url, elsewhere.url, refused) == (wanted, f"{demo.url}/admin/", [])


def test_the_offline_page_is_in_the_language_of_the_last_page(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    page = new_page(locale="de-DE")
    log_in(page, demo, "alice")
    page.goto(f"{demo.url}/tickets/")
    keeps_page(page, demo)
    assert page.evaluate("caches.match('/offline/').then((each) => each.headers.get('content-language'))") == "de"
