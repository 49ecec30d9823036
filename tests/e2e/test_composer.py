"""The composer in a real browser: what only scripts can break, and nothing that was typed or chosen is ever lost."""

import io
import os

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.channels_im.messenger import samples
from tests.e2e.screens import SOON_MS, Inbox, MessengerWindow
from tests.e2e.stage import Desk

pytestmark = [pytest.mark.browser, pytest.mark.processes]
BERG_BIKES = "101000000000001"
SHOW_SIGNS = "from channels_im.models import Channel; Channel.objects.update(shows_typing=True, shows_seen=True)"
FAMILY = "👨‍👩‍👧‍👦"  # seven code points


def ours(page: Page, text: str):
    return page.locator(".message--out:not(.message--sending)").filter(has_text=text)


def test_a_reply_is_held_edited_and_goes_out_when_the_customer_writes(agent: Page, demo: Desk, browser: Browser):
    inbox = Inbox(agent, demo)
    inbox.row("Inés García").get_by_role("link").click()
    expect(agent.locator("#gate")).to_contain_text("window closed")
    expect(agent.locator("#composer")).to_be_hidden()
    agent.get_by_role("button", name="Write a reply to send later").click()
    expect(agent.get_by_placeholder("Sent when Inés García writes")).to_be_focused()
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
    messenger = MessengerWindow(browser.new_context().new_page(), demo)
    messenger.open("ines", BERG_BIKES)
    messenger.write("Is it still there?")
    messenger.expect_text("Dear Ines, 🚲 is back!")
    expect(ours(agent, "Dear Ines, 🚲 is back!")).to_have_attribute("data-state", "read", timeout=SOON_MS)
    expect(agent.locator("#gate")).to_be_hidden()
    expect(agent.get_by_role("button", name="Send", exact=True)).to_be_visible()
    messenger.page.context.close()


def test_typing_is_told_and_the_customer_sees_who_has_read_and_a_reaction(agent: Page, demo: Desk, browser: Browser):
    demo.manage("shell", "-c", SHOW_SIGNS)
    messenger = MessengerWindow(browser.new_context().new_page(), demo)
    messenger.open("sara", BERG_BIKES)
    messenger.write("Thank you for everything!")
    Inbox(agent, demo).choose("Sara Lindqvist")
    theirs = agent.locator(".message--in").filter(has_text="Thank you for everything!")
    expect(theirs).to_be_visible(timeout=SOON_MS)
    expect(messenger.thread).to_contain_text("Seen by Berg Bikes", timeout=SOON_MS)
    with agent.expect_response("**/typing/", timeout=SOON_MS) as told:  # shown only when the worker is quick
        agent.locator("#composer-text").press_sequentially("You are welcome")
    assert told.value.status == 204
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
    messenger.page.context.close()


def test_an_image_that_is_too_big_is_made_smaller_and_goes_out(agent: Page, demo: Desk):
    Inbox(agent, demo).choose("Sara Lindqvist")
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


def test_when_the_network_goes_all_stays_and_the_next_try_sends_it_once(agent: Page, demo: Desk):
    inbox = Inbox(agent, demo)
    inbox.choose("Sara Lindqvist")
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

    for lose in (lose_the_request, lose_the_answer):
        agent.route("**/reply/", lose, times=1)
        send.click()
        expect(agent.locator("#composer-error")).to_contain_text("server cannot be reached", timeout=SOON_MS)
        expect(text).to_have_value("With a picture")
        expect(agent.locator(".tile")).to_contain_text("teal.png")
    send.click()
    expect(text).to_have_value("", timeout=SOON_MS)
    expect(agent.locator(".tile")).to_have_count(0)
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
def test_the_browser_counts_as_the_server_does(agent: Page, demo: Desk, words: str, fits: bool):
    Inbox(agent, demo).choose("Sara Lindqvist")
    agent.locator("#composer-text").fill(words)
    expect(agent.locator("#composer-send")).to_be_enabled(enabled=fits)
    expect(agent.locator("#composer-split")).to_be_visible(visible=not fits)
    agent.locator("#composer-text").fill("")


def test_what_was_typed_stays_in_sight_when_nobody_may_answer_any_more(agent: Page, demo: Desk):
    Inbox(agent, demo).choose("Tom Becker")
    agent.locator("#composer-text").fill("مرحبا, half a sentence")
    expect(agent.locator("#composer-text")).to_have_attribute("dir", "auto")
    change = "from tickets.models import Contact; from django.utils import timezone; "
    block = "Contact.objects.filter(name='Tom Becker').update(blocked_at={})"
    demo.manage("shell", "-c", change + block.format("timezone.now()"))
    agent.locator("#composer-send").click()
    expect(agent.locator("#gate")).to_contain_text("blocked", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_be_visible()
    expect(agent.locator("#composer-text")).to_have_value("مرحبا, half a sentence")
    expect(agent.locator("#composer-send")).to_be_disabled()
    demo.manage("shell", "-c", change + block.format("None"))
    agent.reload()
    expect(agent.locator("#composer-text")).to_have_value("مرحبا, half a sentence")


def test_what_is_typed_and_chosen_while_files_are_on_their_way_stays(agent: Page, demo: Desk):
    Inbox(agent, demo).choose("João Almeida")
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
    expect(agent.locator(".tile")).to_contain_text(["two.pdf"])
    expect(text).to_have_value("A note meanwhile")
    agent.get_by_role("radio", name="Reply").check(force=True)
    expect(text).to_have_value("And the next sentence")


def test_an_upload_that_stands_still_ends_and_says_so(agent: Page, demo: Desk):
    agent.clock.install()
    agent.reload()
    Inbox(agent, demo).choose("João Almeida")
    agent.route("**/reply/", lambda route: None, times=1)  # no answer, no error: the cable is out
    agent.locator("#composer-text").fill("Into nothing")
    agent.locator("#composer-files").set_input_files(
        {"name": "three.pdf", "mimeType": "application/pdf", "buffer": samples.PDF}
    )
    with agent.expect_request("**/reply/"):
        agent.locator("#composer-send").click()
    agent.clock.run_for(61_000)
    expect(agent.locator("#composer-error")).to_contain_text("server cannot be reached", timeout=SOON_MS)
    expect(agent.locator("#composer-text")).to_have_value("Into nothing")
    expect(agent.locator(".tile")).to_contain_text("three.pdf")


def test_many_files_leave_the_text_and_send_in_sight(agent: Page, demo: Desk):
    Inbox(agent, demo).choose("João Almeida")
    agent.locator("#composer-files").set_input_files(
        [{"name": f"{number}.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"} for number in range(15)]
    )
    expect(agent.locator(".tile")).to_have_count(15)
    for part in ("#composer-text", "#composer-send"):
        expect(agent.locator(part)).to_be_in_viewport(ratio=1)


def test_after_a_click_on_send_one_types_on_in_the_composer(agent: Page, demo: Desk):
    Inbox(agent, demo).choose("João Almeida")
    agent.locator("#composer-text").fill("First half,")
    agent.locator("#composer-send").click()
    expect(ours(agent, "First half,")).to_have_count(1, timeout=SOON_MS)
    agent.keyboard.type("embark")  # E closes the ticket, M assigns, B blocks, when no field has the focus
    expect(agent.locator("#composer-text")).to_have_value("embark")
    expect(agent.locator("dialog[open]")).to_have_count(0)
