"""The sandbox's pages in a real browser: what a person sees and does."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.sandbox.graph import Person, call, message
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = [pytest.mark.processes, pytest.mark.browser]


@pytest.fixture
def window(page: Page, sandbox: SandboxProcess, token: str) -> Page:
    """The window of Lena's conversation with Berg Bikes."""
    page.goto(f"{sandbox.url}/messenger/?as=lena&page={BERG_BIKES}")
    return page


def write(window: Page, text: str) -> None:
    window.get_by_label("Message", exact=True).fill(text)
    window.get_by_role("button", name="Send", exact=True).click()


@pytest.mark.slow
def test_what_is_written_appears_and_gets_its_tick_when_desk_took_it(window: Page, receiver: Receiver) -> None:
    write(window, "Is <b>this</b> bike there?")
    expect(window.get_by_role("log")).to_contain_text("Is <b>this</b> bike there?")
    expect(window.get_by_role("log")).to_contain_text("received by Desk")
    assert receiver.items()[0]["message"]["text"] == "Is <b>this</b> bike there?"


def test_a_message_nobody_takes_says_so(window: Page, receiver: Receiver) -> None:
    receiver.always = 500
    write(window, "Hello?")
    expect(window.get_by_role("log")).to_contain_text("not received yet: 500")


def test_what_the_page_sends_appears_without_reload_and_is_read(
    window: Page, sandbox: SandboxProcess, token: str, receiver: Receiver
) -> None:
    write(window, "Hi")
    psid = sandbox.psid("lena", BERG_BIKES)
    expect(window.get_by_role("log")).to_contain_text("received by Desk")
    answer = call(sandbox.url, "POST", "me/messages", token, json=message(psid, "Good morning!"))
    assert answer.ok
    expect(window.get_by_role("log")).to_contain_text("Good morning!")
    receiver.wait_items("read")


def test_with_reads_switched_off_nothing_is_read_until_it_is_on_again(
    window: Page, sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    window.get_by_label("reads").uncheck()
    call(sandbox.url, "POST", "me/messages", token, json=message(psid, "Seen?"))
    expect(window.get_by_role("log")).to_contain_text("Seen?")
    assert receiver.items("read") == []
    window.get_by_label("reads").check()
    receiver.wait_items("read")


def test_the_pages_reaction_typing_and_looking_appear_without_reload(
    window: Page, sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    mid = sandbox.customer_writes("lena", BERG_BIKES, "Thank you!")["mid"]
    log = window.get_by_role("log")
    expect(log).to_contain_text("Thank you!")

    def act(action: str, **payload: str) -> None:
        body = {"recipient": {"id": psid}, "sender_action": action, **({"payload": payload} if payload else {})}
        assert call(sandbox.url, "POST", "me/messages", token, json=body).ok

    act("mark_seen")
    expect(log).to_contain_text("Seen by Berg Bikes")
    act("typing_on")
    expect(log.get_by_label("typing")).to_be_visible()
    act("typing_off")
    expect(log.get_by_label("typing")).to_have_count(0)
    act("react", message_id=mid, reaction="🎉")
    expect(log.get_by_title("Berg Bikes reacted")).to_have_text("🎉")
    act("unreact", message_id=mid)
    expect(log.get_by_title("Berg Bikes reacted")).to_have_count(0)


def test_a_file_and_a_thumbs_up_are_sent(window: Page, receiver: Receiver) -> None:
    window.get_by_label("Photo or file").set_input_files(
        {"name": "plan.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 x"}
    )
    window.get_by_role("button", name="Send", exact=True).click()
    expect(window.get_by_role("log")).to_contain_text("plan.pdf")
    window.get_by_role("button", name="Send a thumbs-up").click()
    kinds = [item["message"]["attachments"][0]["type"] for item in receiver.wait_items("message", 2)]
    assert kinds == ["file", "sticker"]


@pytest.mark.slow
def test_react_reply_edit_and_unsend_from_the_menu(window: Page, receiver: Receiver) -> None:
    write(window, "Helo")
    more = window.get_by_label("React, reply and more").first
    menu = window.locator("#menu")

    more.click()
    menu.get_by_label("React with wow").click()
    assert receiver.wait_items("reaction")[0]["reaction"]["reaction"] == "wow"

    more.click()
    menu.get_by_role("button", name="Edit").click()
    write(window, "Hello")
    assert receiver.wait_items("message_edit")[0]["message_edit"]["text"] == "Hello"

    more.click()
    menu.get_by_role("button", name="Reply").click()
    write(window, "To myself")
    mid = receiver.items("message")[0]["message"]["mid"]
    reply = receiver.wait_items("message", 2)[1]
    assert reply["message"]["reply_to"] == {"mid": mid, "is_self_reply": True}

    more.click()
    menu.get_by_role("button", name="Unsend").click()
    expect(window.get_by_role("log")).to_contain_text("Message unsent")
    assert receiver.wait_items("message", 3)[2]["message"]["is_deleted"] is True


def test_get_started_referral_and_any_event_from_the_tray(window: Page, receiver: Receiver) -> None:
    window.get_by_role("button", name="More", exact=True).click()
    window.get_by_role("button", name="Menu: Opening hours").click()
    assert receiver.wait_items("postback")[0]["postback"]["payload"] == "MENU_HOURS"
    window.get_by_role("button", name="Come back by an ad").click()
    assert receiver.wait_items("referral")[0]["referral"]["source"] == "ADS"
    window.get_by_text("Send any event").click()
    window.get_by_label("Event as JSON").fill('{"account_linking": {"status": "linked", "authorization_code": "x"}}')
    window.get_by_role("button", name="Send event").click()
    assert receiver.wait_items("account_linking")[0]["sender"]["id"]


def test_the_pages_own_inbox_can_answer(window: Page, receiver: Receiver) -> None:
    write(window, "Hi")
    window.get_by_role("button", name="More", exact=True).click()
    window.get_by_label("Reply in the Page's own inbox").check()
    write(window, "From Business Suite")
    expect(window.get_by_role("log")).to_contain_text("Page inbox")
    assert receiver.wait_items("message", 2)[1]["message"]["app_id"] == 263902037430900


def test_buttons_of_a_template_can_be_tapped(
    window: Page, sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    buttons = [{"type": "postback", "title": "Yes please", "payload": "YES"}]
    payload = {"template_type": "button", "text": "Shall we?", "buttons": buttons}
    body = message(psid) | {"message": {"attachment": {"type": "template", "payload": payload}}}
    assert call(sandbox.url, "POST", "me/messages", token, json=body).ok
    window.get_by_role("button", name="Yes please").click()
    assert receiver.wait_items("postback")[0]["postback"]["payload"] == "YES"


def test_a_new_customer_comes_with_one_click(window: Page) -> None:
    window.get_by_role("button", name="New customer").click()
    expect(window).to_have_title(re.compile("Emma Schulz"))


def test_it_works_without_javascript(browser: Browser, sandbox: SandboxProcess, token: str, receiver: Receiver) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{sandbox.url}/messenger/?as=lena&page={BERG_BIKES}")
    write(page, "Plain form")
    expect(page.get_by_role("log")).to_contain_text("Plain form")
    context.close()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize(
    "path", ["/", "/faults/", "/traffic/", "/messenger/", f"/messenger/?as=lena&page={BERG_BIKES}"]
)
def test_no_page_is_wider_than_the_screen(page: Page, sandbox: SandboxProcess, path: str, width: int) -> None:
    sandbox.reset(history=True)
    sandbox.grant("anna")
    sandbox.subscribe(BERG_BIKES)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(sandbox.url + path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_person_logs_in_chooses_a_page_and_comes_back_with_a_code(page: Page, sandbox: SandboxProcess) -> None:
    page.route("http://localhost:8000/**", lambda route: route.fulfill(status=200, body="Desk"))
    page.goto(Person(sandbox.url).ask_url())
    page.get_by_role("button", name="Omar Haddad").click()
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("button", name="Continue as Omar").click()
    page.get_by_label("Haddad Optics").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("pages_read_engagement").uncheck()
    with page.expect_request("http://localhost:8000/**") as back:
        page.get_by_role("button", name="Done").click()
    assert "code=AQ" in back.value.url
    grant = next(row["grant"] for row in sandbox.world()["people"] if row["id"] == "omar")
    assert grant["pages"] == ["101000000000004"]
    assert grant["scopes"]["pages_read_engagement"] == "declined"
    assert grant["scopes"]["pages_messaging"] == "granted"


@pytest.mark.slow
def test_buttons_of_the_faults_page_do_what_they_say(page: Page, sandbox: SandboxProcess, token: str) -> None:
    page.goto(f"{sandbox.url}/faults/")
    page.get_by_role("button", name="Change password").first.click()
    expect(page.get_by_role("status")).to_contain_text("190/460")
    page.get_by_role("button", name="Untick").first.click()
    expect(page.get_by_role("status")).to_contain_text("no longer ticked")
