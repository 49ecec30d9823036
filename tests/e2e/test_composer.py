"""The composer in a real browser: what only scripts can break, and that nothing typed or chosen is lost."""

import io
import os
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.channels_im.messenger import samples
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import PHONE, SOON_MS, Inbox, MessengerWindow, log_in
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]
FAMILY = "👨‍👩‍👧‍👦"  # seven code points


def ours(page: Page, text: str) -> Locator:
    """Return the stored reply with this text."""
    return page.locator(".message--out:not(.message--sending)").filter(has_text=text)


@pytest.fixture
def typing_and_seen_are_shown(demo: RunningDesk) -> Iterator[None]:
    """Let the channel show customers that the Page is typing and has seen their messages."""
    demo.call(data.show_typing_and_seen, True)
    yield
    demo.call(data.show_typing_and_seen, False)


@pytest.fixture
def opened(agent: Page, demo: RunningDesk, customer: Customer) -> Customer:
    """Open the customer's conversation on the agent's page; return the customer."""
    Inbox(agent, demo).choose(customer.name)
    return customer


def test_a_reply_is_held_edited_and_goes_out_when_the_customer_writes(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer], new_page: Callable[..., Page]
) -> None:
    customer = new_customer("I will think about it", hours_ago=8 * 24)
    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    expect(agent.locator("#gate")).to_contain_text("window closed")
    expect(agent.locator("#composer")).to_be_hidden()
    agent.get_by_role("button", name="Write a reply to send later").click()
    expect(agent.get_by_placeholder(f"Sent when {customer.name} writes")).to_be_focused()
    agent.keyboard.type("Dear Ines, ")
    agent.get_by_role("button", name="Emoji", exact=True).click()
    agent.keyboard.type("bicycle")
    agent.keyboard.press("Enter")
    expect(agent.locator("#composer-text")).to_have_value("Dear Ines, 🚲")
    agent.keyboard.type(" is back")
    agent.get_by_role("button", name="Hold until the customer writes").click()
    held = ours(agent, "Dear Ines, 🚲 is back")
    expect(held).to_contain_text("Held until the customer writes", timeout=SOON_MS)
    held.get_by_role("button", name="Edit").click()
    expect(agent.locator("#composer-text")).to_have_value("Dear Ines, 🚲 is back", timeout=SOON_MS)
    agent.keyboard.type("!")
    agent.get_by_role("button", name="Hold until the customer writes").click()
    expect(ours(agent, "Dear Ines, 🚲 is back!")).to_contain_text("Held until the customer writes", timeout=SOON_MS)
    messenger = MessengerWindow(new_page(), demo)
    messenger.open(customer.id, BERG_BIKES)
    messenger.write("Is it still there?")
    messenger.expect_text("Dear Ines, 🚲 is back!")
    expect(ours(agent, "Dear Ines, 🚲 is back!")).to_have_attribute("data-state", "read", timeout=SOON_MS)
    expect(agent.locator("#gate")).to_be_hidden()
    expect(agent.get_by_role("button", name="Send", exact=True)).to_be_visible()


@pytest.mark.usefixtures("typing_and_seen_are_shown")
def test_typing_is_reported_and_the_customer_sees_seen_and_a_reaction(
    agent: Page, demo: RunningDesk, customer: Customer, new_page: Callable[..., Page]
) -> None:
    messenger = MessengerWindow(new_page(), demo)
    messenger.open(customer.id, BERG_BIKES)
    messenger.write("Thank you for everything!")
    Inbox(agent, demo).choose(customer.name)
    theirs = agent.locator(".message--in").filter(has_text="Thank you for everything!")
    expect(theirs).to_be_visible(timeout=SOON_MS)
    expect(messenger.thread).to_contain_text("Seen by Berg Bikes", timeout=SOON_MS)
    with agent.expect_response(
        "**/typing/", timeout=SOON_MS
    ) as typing:  # the sandbox shows it only when the worker is quick
        agent.locator("#composer-text").press_sequentially("You are welcome")
    assert typing.value.status == 204
    theirs.hover()
    theirs.get_by_role("button", name="React to this message").click()
    agent.get_by_role("button", name="More emoji").click()
    agent.get_by_label("Search emoji by name").fill("party tada")
    agent.keyboard.press("ArrowDown")
    agent.keyboard.press("Enter")
    expect(messenger.thread.get_by_title("Berg Bikes reacted")).to_have_text("🎉", timeout=SOON_MS)
    taken_back = theirs.get_by_role("button", name="remove it")
    expect(taken_back).to_be_visible(timeout=SOON_MS)
    taken_back.click()
    expect(messenger.thread.get_by_title("Berg Bikes reacted")).to_have_count(0, timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("You are welcome")


def test_an_image_that_is_too_big_is_made_smaller_and_goes_out(agent: Page, opened: Customer) -> None:
    noise = io.BytesIO()
    Image.frombytes("RGB", (1700, 1700), os.urandom(3 * 1700 * 1700)).save(noise, "PNG", compress_level=0)
    agent.locator("#composer-files").set_input_files(
        {"name": "noise.png", "mimeType": "image/png", "buffer": noise.getvalue()}
    )
    tile = agent.locator(".tile")
    expect(tile).to_contain_text("at most 8 MB")
    expect(agent.locator("#composer-send")).to_be_disabled()
    tile.get_by_role("button", name="Shrink to fit").click()
    expect(tile).to_contain_text("made smaller from 8.3 MB", timeout=2 * SOON_MS)
    agent.locator("#composer-send").click()
    expect(agent.locator(".message--out img[alt*='noise.png']")).to_be_visible(timeout=2 * SOON_MS)


def test_when_the_network_fails_a_reply_waits_and_goes_out_once(agent: Page, opened: Customer) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(picture, "PNG")
    send, text = agent.locator("#composer-send"), agent.locator("#composer-text")
    text.fill("With a picture")
    agent.locator("#composer-files").set_input_files(
        {"name": "teal.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )

    def lose_the_request(route: Route) -> None:
        route.abort("connectionreset")

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    agent.route("**/reply/", lose_the_answer, times=1)
    agent.route("**/reply/", lose_the_request, times=1)  # the newest route comes first
    with agent.expect_request("**/reply/"):
        send.click()
    waiting = agent.locator(".unsent").filter(has_text="With a picture")
    expect(waiting).to_contain_text("Waiting for connection", timeout=SOON_MS)
    expect(waiting).to_contain_text("teal.png")
    expect(text).to_have_value("")
    expect(agent.locator(".tile")).to_have_count(0)
    expect(ours(agent, "With a picture")).to_have_count(1, timeout=3 * SOON_MS)
    expect(waiting).to_have_count(0, timeout=3 * SOON_MS)
    agent.reload()
    expect(ours(agent, "With a picture")).to_have_count(1)
    expect(agent.locator(".message--out img[alt*='teal.png']")).to_have_count(1)


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("e\u0301" * 800, True),
        ("e\u0301" * 800 + "e", False),
        (FAMILY * 228 + "abcd", True),
        (FAMILY * 228 + "abcde", False),
        ("😀" * 1600 + "\n \n", True),
    ],
    ids=["accents", "an accent too many", "families", "a letter too many", "blanks around"],
)
def test_the_browser_counts_as_the_server_does(agent: Page, opened: Customer, words: str, fits: bool) -> None:
    agent.locator("#composer-text").fill(words)
    expect(agent.locator("#composer-send")).to_be_enabled(enabled=fits)
    expect(agent.locator("#composer-split")).to_be_visible(visible=not fits)


def test_parts_end_between_the_characters_that_people_see(agent: Page, opened: Customer) -> None:
    agent.locator("#composer-text").fill(FAMILY * 300)
    agent.get_by_role("button", name="Send as 2 messages").click()
    sent = agent.locator(".message--out:not(.message--sending) .text")
    expect(sent).to_have_count(2, timeout=SOON_MS)
    assert [text.strip() for text in sent.all_text_contents()] == [FAMILY * 228, FAMILY * 72]


def confirm_a_word(field: Locator, word: str) -> None:
    """Type a word with an input method and confirm it with Enter, with the events that Safari makes."""
    field.fill(word)
    field.evaluate("""(field) => {
      field.dispatchEvent(new CompositionEvent("compositionend", { data: field.value, bubbles: true }));
      const key = { key: "Enter", keyCode: 229, isComposing: false, bubbles: true, cancelable: true };
      field.dispatchEvent(new KeyboardEvent("keydown", key));
    }""")


def test_enter_that_confirms_a_word_of_an_input_method_does_nothing_else(agent: Page, opened: Customer) -> None:
    text = agent.locator("#composer-text")
    confirm_a_word(text, "日本語")
    expect(text).to_have_value("日本語")
    text.fill("/")
    expect(agent.locator("#canned")).to_be_visible()
    confirm_a_word(text, "/th")
    expect(text).to_have_value("/th")
    agent.keyboard.press("Escape")
    text.fill("")
    agent.get_by_text("Note", exact=True).click()
    confirm_a_word(text, "メモ")
    expect(text).to_have_value("メモ")
    text.fill("")
    agent.keyboard.press("Control+k")
    address = agent.url
    confirm_a_word(agent.locator("#command-text"), "Unread")
    expect(agent.locator("#commands")).to_be_visible()
    assert agent.url == address
    agent.keyboard.press("Enter")
    expect(agent.locator("#commands")).to_be_hidden()
    assert agent.locator(".message--out, .note").count() == 0


def test_on_a_phone_enter_starts_a_new_line(
    new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    page = new_page(viewport=PHONE, has_touch=True, is_mobile=True)
    log_in(page, demo, "alice")
    Inbox(page, demo).open()
    Inbox(page, demo).choose(customer.name)
    text = page.locator("#composer-text")
    text.fill("First line")
    page.keyboard.press("Enter")
    page.keyboard.type("second")
    expect(text).to_have_value("First line\nsecond")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(ours(page, "second")).to_be_visible(timeout=SOON_MS)


def test_typed_text_stays_visible_when_nobody_may_answer_any_more(
    agent: Page, demo: RunningDesk, opened: Customer
) -> None:
    agent.locator("#composer-text").fill("مرحبا, half a sentence")
    expect(agent.locator("#composer-text")).to_have_attribute("dir", "auto")
    demo.call(data.set_blocked, opened.conversation, True)
    agent.locator("#composer-send").click()
    expect(agent.locator("#gate")).to_contain_text("blocked", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_be_visible()
    expect(agent.locator("#composer-text")).to_have_value("مرحبا, half a sentence")
    expect(agent.locator("#composer-send")).to_be_disabled()
    demo.call(data.set_blocked, opened.conversation, False)
    agent.reload()
    expect(agent.locator("#composer-text")).to_have_value("مرحبا, half a sentence")


def test_a_draft_that_the_server_did_not_get_outlives_a_reload(
    agent: Page, demo: RunningDesk, opened: Customer
) -> None:
    agent.route("**/draft/", lambda route: route.abort())
    agent.locator("#composer-text").fill("typed while the server was away")
    expect(agent.locator("#draft-state")).to_contain_text("not saved")
    agent.reload()
    expect(agent.locator("#composer-text")).to_have_value("typed while the server was away")
    agent.unroute("**/draft/")
    agent.reload()
    kept = "Object.keys(sessionStorage).some((key) => key.startsWith('draft '))"
    demo.wait_for(lambda: not agent.evaluate(kept), "the server has the draft")
    agent.reload()
    expect(agent.locator("#composer-text")).to_have_value("typed while the server was away")


def test_text_and_files_added_during_an_upload_stay(agent: Page, opened: Customer) -> None:
    text, files = agent.locator("#composer-text"), agent.locator("#composer-files")
    held: list[Route] = []
    agent.route("**/reply/", lambda route: held.append(route), times=1)
    text.fill("With a paper")
    files.set_input_files({"name": "one.pdf", "mimeType": "application/pdf", "buffer": samples.PDF})
    with agent.expect_request("**/reply/"):
        agent.locator("#composer-send").click()
    text.focus()
    agent.keyboard.press("End")
    agent.keyboard.type(" And the next sentence")
    files.set_input_files({"name": "two.pdf", "mimeType": "application/pdf", "buffer": samples.PDF})
    agent.keyboard.press("Escape")
    agent.keyboard.press("n")
    agent.keyboard.type("A note meanwhile")
    held[0].continue_()
    expect(ours(agent, "With a paper")).to_have_count(1, timeout=SOON_MS)
    expect(text).to_have_value("A note meanwhile")
    expect(agent.locator(".tile")).to_have_count(0)  # a note has files of its own
    agent.get_by_role("radio", name="Reply").check(force=True)
    expect(agent.locator(".tile")).to_contain_text(["two.pdf"])
    expect(text).to_have_value("And the next sentence")


def test_an_upload_that_stalls_is_tried_again(agent_with_clock: Page, demo: RunningDesk, customer: Customer) -> None:
    agent = agent_with_clock
    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    agent.route("**/reply/", lambda route: None, times=1)  # neither an answer nor an error, as with a cut connection
    agent.locator("#composer-text").fill("Into nothing")
    agent.locator("#composer-files").set_input_files(
        {"name": "three.pdf", "mimeType": "application/pdf", "buffer": samples.PDF}
    )
    with agent.expect_request("**/reply/"):
        agent.locator("#composer-send").click()
    agent.clock.run_for(61_000)
    expect(agent.locator(".unsent")).to_contain_text("three.pdf", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("")
    agent.clock.run_for(5_000)
    expect(ours(agent, "Into nothing")).to_have_count(1, timeout=SOON_MS)


def test_many_files_leave_the_text_and_send_visible(agent: Page, opened: Customer) -> None:
    files: list[FilePayload] = [
        {"name": f"{number}.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"} for number in range(15)
    ]
    agent.locator("#composer-files").set_input_files(files)
    expect(agent.locator(".tile")).to_have_count(15)
    for part in ("#composer-text", "#composer-send"):
        expect(agent.locator(part)).to_be_in_viewport(ratio=1)


def test_after_a_click_on_send_the_composer_has_the_focus(agent: Page, opened: Customer) -> None:
    agent.locator("#composer-text").fill("First half,")
    agent.locator("#composer-send").click()
    expect(ours(agent, "First half,")).to_have_count(1, timeout=SOON_MS)
    agent.keyboard.type("embark")  # E closes the ticket, M assigns, B blocks, when no field has the focus
    expect(agent.locator("#composer-text")).to_have_value("embark")
    expect(agent.locator("dialog[open]")).to_have_count(0)
