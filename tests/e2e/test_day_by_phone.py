"""An agent's day on a phone: everything is done by touch, and everything that is tapped has room for a thumb."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests import factories
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import PASSWORD, PHONE, SOON_MS
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]

THUMB = 42  # px: 44, less the edges between whole pixels
LONG_PRESS_MS = 650
PICTURE: FilePayload = {"name": "bike.png", "mimeType": "image/png", "buffer": factories.png()}
# How far around its middle, to each side, a tap reaches the element or the label that stands for it: [width, height].
REACH = """element => {
  const target = element.closest("label") ?? element;
  target.scrollIntoView({block: "nearest"});
  const box = target.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const hits = (...at) => target.contains(document.elementFromPoint(...at));
  const along = (dx, dy) => {
    let reach = 1;
    for (const way of [1, -1]) for (let k = 1; k <= 30 && hits(x + way * k * dx, y + way * k * dy); k++) reach++;
    return reach;
  };
  return [along(1, 0), along(0, 1)];
}"""
# What is wider than the screen, and fields below 16 px, into which iOS zooms.
FAULTS = """() => [
  ...[document.documentElement].filter((page) => page.scrollWidth > page.clientWidth).map(() => "page too wide"),
  ...[...document.querySelectorAll("input:not([type=radio], [type=checkbox], [type=file]), textarea, select")]
    .filter((one) => one.checkVisibility() && parseFloat(getComputedStyle(one).fontSize) < 16)
    .map((one) => one.outerHTML.slice(0, 100)),
]"""


@dataclass
class Phone:
    """A page that is touched."""

    page: Page

    def tap(self, target: Locator) -> None:
        """Check the page, and tap the target once nothing covers it and it has room for a thumb."""
        assert self.page.evaluate(FAULTS) == [], target
        for _ in range(100):
            width, height = target.evaluate(REACH)
            if min(width, height) >= THUMB:
                break
            self.page.wait_for_timeout(50)
        assert min(width, height) >= THUMB, f"{width}x{height} px: {target.evaluate('one => one.outerHTML')[:300]}"
        target.tap()

    def follow(self, target: Locator) -> None:
        """Tap what opens another page, and wait for it."""
        with self.page.expect_navigation():
            self.tap(target)

    def button(self, name: str, inside: Locator | None = None) -> Locator:
        return (inside or self.page).get_by_role("button", name=name)

    def long_press(self, target: Locator, ms: int = LONG_PRESS_MS) -> None:
        """Hold a finger on the middle of the target."""
        box = None
        while box is None:  # it may be replaced by a newer one
            expect(target).to_be_visible(timeout=SOON_MS)
            box = target.bounding_box()
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        touch = self.page.context.new_cdp_session(self.page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        self.page.wait_for_timeout(ms)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        touch.detach()

    def open(self, customer: Customer) -> None:
        self.tap(self.page.locator(f"#row-{customer.conversation} a.row"))
        expect(self.page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)

    def write(self, text: str) -> None:
        """Send what is written in the composer's tab that is chosen."""
        self.page.locator("#composer-text").fill(text)
        self.tap(self.page.locator("#composer-send"))
        expect(self.page.locator("#items")).to_contain_text(text, timeout=SOON_MS)

    def stored(self, text: str) -> Locator:
        """Return the message with the text once the server has it."""
        message = self.page.locator("#items [data-cursor]").filter(has_text=text)
        expect(message).to_have_count(1, timeout=SOON_MS)
        return message


@pytest.fixture
def phone(new_page: Callable[..., Page], demo: RunningDesk, agent_name: str) -> Phone:
    """Log the agent in on a phone."""
    page = new_page(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    made = Phone(page)
    page.goto(f"{demo.url}/accounts/login/")
    page.get_by_label("Username").fill(agent_name)
    page.get_by_label("Password").fill(PASSWORD)
    made.follow(made.button("Log in"))
    return made


def test_a_conversation_is_answered(phone: Phone, demo: RunningDesk, customer: Customer) -> None:
    page, text, items = phone.page, phone.page.locator("#composer-text"), phone.page.locator("#items")
    phone.open(customer)
    phone.write("Good morning")
    phone.tap(page.locator("#thread-head [data-back]"))
    expect(page.locator("#strip")).to_be_visible()
    expect(page.locator(f"#row-{customer.conversation}")).to_contain_text("Good morning", timeout=SOON_MS)
    phone.open(customer)

    # A template needs no text: the menu opens although there is nothing to send.
    phone.tap(page.locator("#composer-more > summary"))
    expect(page.locator("[data-templates]")).to_be_visible()
    phone.tap(page.locator("#composer-more > summary"))
    phone.tap(phone.button("Canned replies"))
    phone.tap(page.get_by_role("option").filter(has_text="/hello"))
    expect(text).to_have_value(re.compile("^Hello"))
    phone.tap(phone.button("Emoji"))
    expect(page.locator(".emoji__search")).not_to_be_focused()  # its keyboard would cover what is to be chosen
    phone.tap(page.locator(".emoji__one").first)
    expect(text).to_have_value(re.compile(r"^Hello.*[^\w.?!]$", re.DOTALL))
    page.locator("#composer-files").set_input_files(PICTURE)
    phone.tap(phone.button("Remove bike.png"))
    page.locator("#composer-files").set_input_files(PICTURE)
    phone.tap(page.locator("#composer-send"))
    expect(items.locator(".message--out[data-cursor] img")).to_be_visible(timeout=SOON_MS)

    phone.tap(phone.button("Stickers"))
    phone.tap(phone.button("Thumbs up, small"))
    expect(items.locator(".message--out[data-cursor]").filter(has_text="Thumbs up")).to_be_visible(timeout=SOON_MS)

    message = page.locator(".message--in").first
    message.locator(".bubble").tap()
    phone.tap(message.locator("[data-quote]"))
    phone.tap(phone.button("Reply without the quote"))
    message.locator(".bubble").tap()
    phone.tap(message.locator("[data-quote]"))
    phone.write("To this one")
    expect(phone.stored("To this one").locator(".quote")).to_be_visible()
    message.locator(".bubble").tap()
    phone.tap(message.locator("[data-react]"))
    page.locator(".emoji__quick .emoji__one").nth(1).tap()
    expect(message.locator(".reaction--ours:not(.reaction--waiting)")).to_be_visible(timeout=SOON_MS)
    phone.tap(message.locator(".reaction--ours"))
    expect(message.locator(".reaction--ours")).to_have_count(0, timeout=SOON_MS)

    phone.tap(page.locator("label.tab--note"))
    text.fill("")
    text.press_sequentially("Please look @bob")
    phone.tap(page.locator(".mention-option").filter(has_text="Bob Lindgren"))
    phone.tap(page.locator("#composer-send"))
    note = page.locator(".note")
    expect(note.locator(".mention")).to_have_text("@Bob Lindgren", timeout=SOON_MS)
    phone.tap(note.get_by_label("Edit or delete this note"))
    note.get_by_role("textbox", name="Note").fill("Please look today @Bob Lindgren")
    phone.tap(phone.button("Save", note))
    expect(note.locator(".text")).to_contain_text("today", timeout=SOON_MS)

    phone.tap(page.locator("label.tab").filter(has_text="Reply"))
    text.fill("Until tomorrow")
    phone.tap(page.locator("#composer-more > summary"))
    phone.tap(phone.button("Tomorrow, 9:00", page.locator("#send-later")))
    scheduled = page.locator(".scheduled")
    expect(scheduled).to_contain_text("Until tomorrow", timeout=SOON_MS)
    phone.tap(phone.button("Cancel reply", scheduled))
    phone.tap(phone.button("Cancel reply", page.get_by_role("dialog")))
    expect(scheduled).to_have_count(0, timeout=SOON_MS)

    page.context.set_offline(True)
    phone.write("Written in the lift")
    expect(page.locator("#connection")).to_contain_text("will be sent", timeout=SOON_MS)
    page.context.set_offline(False)
    phone.stored("Written in the lift")
    expect(page.locator("#connection")).to_be_hidden(timeout=SOON_MS)


def test_a_conversation_is_worked_on(phone: Phone, customer: Customer, label: str, fields: dict[str, str]) -> None:
    page, head, items = phone.page, phone.page.locator("#thread-head"), phone.page.locator("#items")
    phone.open(customer)
    phone.tap(page.locator("#assign-menu > summary"))
    bob = phone.button("Bob Lindgren", head)
    expect(bob.locator(".avatar")).to_be_visible()  # only the customer's own picture makes room for the name
    phone.tap(bob)
    expect(items).to_contain_text("assigned this conversation to Bob Lindgren", timeout=SOON_MS)
    phone.tap(page.locator("#snooze-menu > summary"))
    phone.tap(phone.button("Tomorrow, 9:00", head))
    expect(head).to_contain_text("snoozed until", timeout=SOON_MS)
    phone.tap(page.locator("#snooze-menu > summary"))
    phone.tap(phone.button("Wake now", head))
    expect(head).not_to_contain_text("snoozed until", timeout=SOON_MS)
    phone.tap(phone.button("Close ticket", head))
    phone.tap(phone.button("Reopen ticket", head))
    expect(phone.button("Close ticket", head)).to_be_visible(timeout=SOON_MS)

    dialog = page.get_by_role("dialog", name="Run a macro")
    phone.tap(page.locator("#more-menu > summary"))
    phone.tap(head.get_by_role("link", name="Run a macro"))
    expect(dialog.get_by_role("searchbox")).not_to_be_focused()
    phone.tap(dialog.get_by_role("link", name="Cancel"))
    expect(dialog).to_be_hidden()
    phone.tap(page.locator("#more-menu > summary"))
    phone.tap(head.get_by_role("link", name="Run a macro"))
    phone.tap(dialog.get_by_role("link", name=re.compile("^Refund")))
    expect(dialog).to_contain_text("Add an internal note")
    phone.tap(phone.button("Run macro", dialog))
    expect(page.locator("#macro-bar")).to_contain_text("applied", timeout=SOON_MS)
    phone.tap(phone.button("Undo", page.locator("#macro-bar")))
    expect(page.locator("#macro-bar")).to_contain_text("undone", timeout=SOON_MS)

    details = page.locator("#details")
    phone.tap(phone.button("Details", head))
    phone.tap(phone.button("Urgent", details))
    phone.tap(details.get_by_text("Add a label"))
    phone.tap(phone.button(label, details.locator(".label-picker")))
    expect(details.locator(".ticket-labels")).to_contain_text(label, timeout=SOON_MS)
    phone.tap(phone.button(f"Remove the label {label}", details))
    expect(details.locator(".ticket-labels li")).to_have_count(0, timeout=SOON_MS)
    phone.tap(details.get_by_text("Add email, phone or notes"))
    details.get_by_label("Phone").fill("+49 151 5550")
    phone.tap(phone.button("Save", details.locator(".inline-edit[open]").last))
    expect(details.get_by_role("definition").filter(has_text="+49 151 5550")).to_be_visible(timeout=SOON_MS)
    for of, words in (("ticket", "Steel"), ("contact", "Pedal friends")):
        field = details.locator(".custom-field").filter(has_text=fields[of])
        phone.tap(field.locator("summary"))
        field.get_by_role("textbox").fill(words)
        phone.tap(phone.button("Save", field))
        expect(field.locator(".custom-field__value")).to_have_text(words, timeout=SOON_MS)
        expect(field.get_by_role("textbox")).to_be_hidden()
    phone.tap(phone.button("Close the details", details))
    expect(details).to_be_hidden()


def test_the_list_and_a_long_press(
    phone: Phone, demo: RunningDesk, new_customer: Callable[..., Customer], agent_name: str
) -> None:
    first, second = new_customer("Is the lift fixed?"), new_customer()
    page, menu = phone.page, phone.page.locator(".row-menu")
    row = page.locator(f"#row-{first.conversation}")
    expect(row).to_be_visible(timeout=SOON_MS)
    phone.long_press(row, ms=200)  # a tap that takes its time opens the conversation
    expect(page.locator("#composer-text")).to_be_visible(timeout=SOON_MS)
    phone.tap(page.locator("#thread-head [data-back]"))
    phone.long_press(row)
    expect(menu).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#composer-text")).to_be_hidden()  # lifting the finger opens nothing
    page.touchscreen.tap(8, 8)
    expect(menu).to_have_count(0)
    phone.long_press(row)
    phone.tap(menu.get_by_role("menuitem", name="Priority"))
    phone.tap(menu.get_by_role("menuitemradio", name="Urgent"))
    expect(row).to_contain_text("Urgent", timeout=SOON_MS)
    phone.long_press(row)
    phone.tap(menu.get_by_role("menuitem", name="Block"))
    phone.tap(phone.button("Cancel", page.get_by_role("dialog")))

    bulk = page.locator("#bulk")
    phone.tap(phone.button("Select conversations"))
    phone.tap(phone.button("Cancel selection"))
    phone.tap(phone.button("Select conversations"))
    for one in (first, second):
        phone.tap(page.locator(f"#row-{one.conversation} .row__pick"))
    for opener in ("#bulk-assign", "#bulk-label", "#bulk-more"):
        phone.tap(page.locator(f"{opener} > summary"))
        expect(page.locator(f"{opener} .popover__panel :is(button, p)").first).to_be_visible(timeout=SOON_MS)
        assert page.evaluate(FAULTS) == [], opener
    phone.tap(page.locator("#bulk-more > summary"))
    phone.tap(phone.button("Assign to me", bulk))
    expect(row.locator(".row__assignee")).to_contain_text("Assigned to you", timeout=SOON_MS)

    phone.tap(page.locator("#list-options > summary"))
    page.locator("#list-assignee").select_option("me")
    expect(page.locator(".filter-chip")).to_contain_text("Assigned to: Me", timeout=SOON_MS)
    phone.tap(page.locator("#list-options > summary"))
    phone.tap(page.locator("#save-view > summary"))
    page.locator("#view-name").fill("My own")
    phone.tap(phone.button("Save view", page.locator("#save-view")))
    expect(page.locator("#more-views > summary")).to_contain_text("My own", timeout=SOON_MS)
    toast, search = page.locator(".toast").last.bounding_box(), page.locator("#search").bounding_box()
    assert toast
    assert search
    assert toast["y"] > search["y"] + search["height"]
    phone.tap(page.locator("#more-views > summary"))
    phone.tap(page.locator('[data-view="mentions"]'))
    expect(page.get_by_text("Nobody has mentioned you")).to_be_visible(timeout=SOON_MS)
    phone.tap(page.locator('[data-view="open"]'))
    expect(page.locator('[data-view="open"]')).to_have_attribute("aria-current", "true", timeout=SOON_MS)
    page.locator("#search").fill("lift fixed")
    expect(row.locator("mark").first).to_be_visible(timeout=SOON_MS)

    phone.tap(page.locator(".rail__avatar"))
    phone.follow(page.get_by_role("link", name="Your account"))
    phone.follow(page.get_by_role("link", name="Notifications"))
    phone.tap(page.get_by_role("checkbox").first)
    phone.follow(phone.button("Save").last)
    expect(page.get_by_role("status").first).to_be_visible(timeout=SOON_MS)
    page.goto(f"{demo.url}/inbox/")
    phone.tap(page.locator(".rail__avatar"))
    phone.follow(phone.button("Log out"))
    expect(page.get_by_label("Password")).to_be_visible(timeout=SOON_MS)


def test_tickets_and_contacts(phone: Phone, demo: RunningDesk, customer: Customer, agent_name: str) -> None:
    channel = demo.call(data.make_channel, f"Second Page {os.getpid()}", agent_name)
    twin = f"{customer.name} twin"
    demo.call(data.make_conversation, f"77{customer.psid}", twin, channel)
    customer.writes("And something else")
    page = phone.page
    phone.open(customer)
    message = page.locator(".message--in").filter(has_text="And something else")
    message.locator(".bubble").tap()
    phone.tap(phone.button("Start a new ticket here", message))
    dividers, undo = page.locator(".divider__ticket"), page.locator(".toast--undo")
    expect(dividers).to_have_count(2, timeout=SOON_MS)
    phone.tap(phone.button("Undo", undo))
    expect(dividers).to_have_count(1, timeout=SOON_MS)
    message.locator(".bubble").tap()
    phone.tap(phone.button("Start a new ticket here", message))
    expect(dividers).to_have_count(2, timeout=SOON_MS)
    phone.tap(page.get_by_role("button", name=re.compile("^Merge ticket #")))
    expect(dividers).to_have_count(1, timeout=SOON_MS)
    phone.tap(phone.button("Undo", undo))
    expect(dividers).to_have_count(2, timeout=SOON_MS)
    phone.tap(page.locator("#thread-head [data-back]"))

    phone.follow(page.locator(".rail").get_by_role("link", name="Tickets"))
    phone.tap(page.locator(".tickets-filters__more > summary"))
    page.locator("select[name=status]").select_option("open")
    page.locator("input[name=q]").fill(customer.name)
    phone.follow(phone.button("Show"))
    phone.follow(page.get_by_role("link", name="And something else"))
    phone.follow(phone.button("Close ticket"))
    phone.follow(phone.button("Reopen ticket"))
    page.get_by_label("Priority").select_option("high")
    phone.follow(phone.button("Save").first)
    expect(page.locator(".facts")).to_contain_text("High", timeout=SOON_MS)
    phone.follow(phone.button("Merge with the ticket before"))
    expect(page.locator("h1")).to_contain_text("Hello")
    phone.follow(phone.button("Undo", page.locator(".tickets-change")).first)
    expect(page.locator(".tickets-change")).not_to_contain_text("was merged")

    phone.follow(page.locator(".rail").get_by_role("link", name="Contacts"))
    page.get_by_role("searchbox").fill(customer.name)
    phone.follow(phone.button("Search"))
    phone.follow(page.locator(".contacts__inner a").filter(has_text=customer.name).first)
    page.get_by_label("Email").fill("robin@example.org")
    phone.follow(phone.button("Save"))
    expect(page.get_by_label("Email")).to_have_value("robin@example.org")
    page.locator("textarea[name=text]").fill("Prefers mornings")
    phone.follow(phone.button("Add note"))
    expect(page.locator(".contacts__inner")).to_contain_text("Prefers mornings")
    phone.follow(page.get_by_role("link", name="Same person as"))
    page.get_by_role("searchbox").fill(twin)
    phone.follow(phone.button("Search"))
    phone.follow(page.locator(".contacts__inner a").filter(has_text=twin).first)
    phone.follow(phone.button("Mark as the same person"))
    expect(page.locator(".contacts__inner")).to_contain_text(twin, timeout=SOON_MS)
    phone.follow(phone.button("Separate"))
    expect(page.get_by_text("No other customer is marked as the same person.")).to_be_visible()
    demo.call(data.delete_channel, channel)


def test_the_composer_stays_above_the_keyboard(phone: Phone, customer: Customer) -> None:
    """On iOS the keyboard covers the page, which only the visual viewport tells; elsewhere the page gets lower."""
    page = phone.page
    phone.open(customer)
    page.locator("#composer-text").fill("\n".join("A long reply" for _ in range(20)))
    page.evaluate("""() => {
      Object.defineProperty(visualViewport, "height", {value: 420, configurable: true});
      visualViewport.dispatchEvent(new Event("resize"));
    }""")
    for place in ("#composer-send", "#composer-text"):
        box: Any = page.locator(place).bounding_box()
        assert box["y"] + box["height"] <= 420, place
    phone.tap(page.locator("label.tab--note"))
    page.evaluate("delete visualViewport.height; visualViewport.dispatchEvent(new Event('resize'))")
    expect(page.locator("#composer-send")).to_be_in_viewport()
    page.set_viewport_size({"width": 360, "height": 340})
    page.locator("#composer-text").fill("\n".join("A long note" for _ in range(20)))
    phone.tap(page.locator("#composer-send"))
    expect(page.locator(".note")).to_contain_text("A long note", timeout=SOON_MS)
