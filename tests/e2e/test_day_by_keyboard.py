"""An agent's day by the keyboard alone: the focus is never lost, and can be seen wherever it is."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests import factories
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import PASSWORD, SOON_MS, log_in
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes]

MOST_TABS = 60
FEW = 15  # presses of Tab that a way may take where there is no shortcut
PICTURE: FilePayload = {"name": "bike.png", "mimeType": "image/png", "buffer": factories.png()}
# What has the focus: its name, and what is wrong with it. A label or box stands for a field that draws none of its own.
FOCUS = """() => {
  const one = document.activeElement;
  const [style, box] = [(of) => getComputedStyle(of), one.getBoundingClientRect()];
  const frames = [one, ...["label", ".composer", ".commands__field"].map((frame) => one.closest(frame))];
  const isMarked = (of) => style(of).boxShadow !== "none" || style(of).outlineStyle !== "none";
  const isShown = frames.some((of) => of?.checkVisibility({visibilityProperty: true, opacityProperty: true}));
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const wrong = {
    "is lost": one === document.body,
    "is on what is hidden": !isShown,
    "is out of view": !inView,
    "cannot be seen": !frames.some((of) => of && isMarked(of)),
    "is on a positive tabindex": one.tabIndex > 0,
  };
  const words = one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent;
  return {
    name: words.trim().replace(/\\s+/g, " ").slice(0, 200),
    html: one.outerHTML.slice(0, 200),
    wrong: Object.keys(wrong).filter((what) => wrong[what]),
  };
}"""


@dataclass
class Keyboard:
    """A page on which keys are pressed and nothing else; after each, the focus has to be somewhere and to be seen."""

    page: Page

    def focus(self) -> dict[str, Any]:
        """Return what has the focus, once it is as it should be: what the server works on may have lost it for now."""
        deadline = time.monotonic() + SOON_MS / 1000
        while (found := self.page.evaluate(FOCUS))["wrong"] and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
        assert found["wrong"] == [], found
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.focus()

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.focus()

    def to(self, name: str, *, back: bool = False, key: str = "", most: int = MOST_TABS) -> None:
        """Press Tab, or another key, until what has a name that matches has the focus."""
        passed = []
        for _ in range(most):
            pressed = key or ("Shift+Tab" if back else "Tab")
            self.page.keyboard.press(pressed)
            if self.page.evaluate("document.activeElement === document.body"):
                self.page.keyboard.press(pressed)  # it was the last element of the page: begin anew at the other end
            passed.append(self.focus()["name"])
            if re.search(name, passed[-1]):
                return
        raise AssertionError(f"{name!r} is not among {passed}")

    def choose(self, name: str, **way: Any) -> None:
        """Go to what has the name, and press it."""
        self.to(name, **way)
        self.press("Enter")

    def follow(self) -> None:
        """Press what opens another page, and go to its content unless a field of it has the focus."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        if "is lost" in self.page.evaluate(FOCUS)["wrong"]:
            self.press("Tab")
            assert re.match("Skip to", self.focus()["name"])
            self.press("Enter")

    def visit(self, address: str) -> None:
        """Open an address, as if typed."""
        self.page.goto(address)

    def open(self, customer: Customer) -> None:
        """Move in the list until the customer's conversation is open."""
        thread = self.page.locator(f'#thread[data-conversation="{customer.conversation}"]')
        row = self.page.locator(f"#row-{customer.conversation} a.row")
        expect(row).to_be_visible(timeout=SOON_MS)
        rows = self.page.locator("#rows a.row:focus")
        for key in (*"j" * 40, *"k" * 40):  # a row that comes in between may move the list under the focus
            self.press(key)
            expect(rows).to_have_count(1, timeout=SOON_MS)
            if row.evaluate("one => one === document.activeElement"):
                break
        expect(thread).to_be_visible(timeout=SOON_MS)

    def expect_on(self, target: Locator) -> None:
        expect(target).to_be_focused(timeout=SOON_MS)
        self.focus()


@pytest.fixture
def keyboard(new_page: Callable[..., Page], demo: RunningDesk, agent_name: str) -> Keyboard:
    """Log the agent in."""
    made = Keyboard(new_page(reduced_motion="reduce"))
    made.visit(f"{demo.url}/accounts/login/")
    expect(made.page.get_by_label("Username")).to_be_focused()
    made.type(agent_name)
    made.press("Tab")
    made.type(PASSWORD)
    with made.page.expect_navigation(url="**/inbox/**"):
        made.page.keyboard.press("Enter")
    return made


def test_a_conversation_is_answered(customer: Customer, keyboard: Keyboard) -> None:
    page, text, items = keyboard.page, keyboard.page.locator("#composer-text"), keyboard.page.locator("#items")
    keyboard.press("Tab")  # the first on the page leads to the conversation
    assert keyboard.focus()["name"] == "Skip to the conversation"
    keyboard.open(customer)
    keyboard.press("Enter")
    keyboard.expect_on(page.locator("#thread"))
    keyboard.press("Enter")
    keyboard.type("Good morning")
    keyboard.press("Enter")
    expect(items).to_contain_text("Good morning", timeout=SOON_MS)
    keyboard.expect_on(text)

    keyboard.choose("^Emoji", most=FEW)
    keyboard.type("grinning")
    keyboard.press("ArrowDown", "Enter")
    keyboard.expect_on(text)
    keyboard.choose("^Stickers", most=FEW)
    expect(page.get_by_role("dialog", name="Stickers")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stickers")).to_be_focused()
    keyboard.choose("^Canned replies", most=FEW)
    keyboard.press("ArrowDown", "Enter")
    expect(text).not_to_have_value("")
    keyboard.to("^Attach files")
    page.locator("#composer-files").set_input_files(PICTURE)  # the browser's own window chooses it
    expect(page.get_by_role("button", name="Remove bike.png")).to_be_visible(timeout=SOON_MS)
    keyboard.choose("^Remove bike.png", back=True)
    keyboard.press("r", "Control+a", "Delete")
    keyboard.expect_on(text)

    keyboard.choose("^Reply to this message", back=True)
    keyboard.expect_on(text)
    keyboard.press("Escape")
    expect(page.locator("#composer-quote")).to_be_hidden()
    keyboard.choose("^React to this message", back=True)
    keyboard.press("Enter")
    ours = page.locator(".reaction--ours:not(.reaction--waiting)")
    expect(ours).to_be_visible(timeout=SOON_MS)
    keyboard.choose("remove it", back=True)
    expect(ours).to_have_count(0, timeout=SOON_MS)
    keyboard.focus()

    keyboard.press("r")
    keyboard.type("Until tomorrow")
    keyboard.press("Control+Shift+Enter", "ArrowDown", "Enter")
    expect(page.locator(".scheduled")).to_contain_text("Until tomorrow", timeout=SOON_MS)
    keyboard.expect_on(text)
    keyboard.choose("^Cancel reply", back=True)
    keyboard.press("Escape")
    keyboard.expect_on(page.get_by_role("button", name="Cancel reply"))
    keyboard.press("Enter")
    keyboard.choose("^Cancel reply")
    expect(page.locator(".scheduled")).to_have_count(0, timeout=SOON_MS)
    keyboard.expect_on(items)

    page.context.set_offline(True)
    keyboard.press("r")
    keyboard.type("Written in the lift")
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible(timeout=SOON_MS)
    keyboard.choose("^Cancel$", back=True)
    keyboard.focus()
    page.context.set_offline(False)


def test_a_note_is_written_changed_and_deleted(customer: Customer, keyboard: Keyboard) -> None:
    page, note = keyboard.page, keyboard.page.locator(".note")
    keyboard.open(customer)
    keyboard.press("n")
    keyboard.type("Please look @bob")
    expect(page.locator(".mention-option").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("Enter", "Enter")
    expect(note.locator(".mention")).to_have_text("@Bob Lindgren", timeout=SOON_MS)
    keyboard.expect_on(page.locator("#composer-text"))
    edit = page.get_by_label("Edit or delete this note")
    keyboard.choose("^Edit or delete", back=True)
    keyboard.press("Tab")
    keyboard.type(" Today. ")
    keyboard.press("Escape")  # leaves the field
    keyboard.expect_on(edit)
    keyboard.press("Escape")  # closes the form
    expect(note.locator("textarea")).to_be_hidden()
    keyboard.press("Enter")
    keyboard.choose("^Save")
    expect(note.locator(".text")).to_contain_text("Today.", timeout=SOON_MS)
    keyboard.expect_on(edit)
    keyboard.press("Enter")
    keyboard.choose("^Delete")
    keyboard.choose("^Delete")
    expect(page.locator(".note--deleted")).to_have_count(1, timeout=SOON_MS)
    keyboard.expect_on(page.locator("#items"))


def test_a_conversation_is_worked_on(customer: Customer, keyboard: Keyboard, label: str) -> None:
    page, head, details = keyboard.page, keyboard.page.locator("#thread-head"), keyboard.page.locator("#details")
    items = page.locator("#items")
    assign, snooze = page.locator("#assign-menu > summary"), page.locator("#snooze-menu > summary")
    keyboard.open(customer)
    row = page.locator(f"#row-{customer.conversation} a.row")
    keyboard.press("m")
    expect(head).to_contain_text("yours", timeout=SOON_MS)
    keyboard.expect_on(row)
    keyboard.press("a", "Escape")
    keyboard.expect_on(assign)
    keyboard.press("a")
    keyboard.choose("Bob Lindgren", key="ArrowDown", most=FEW)
    expect(items).to_contain_text("assigned this conversation to Bob Lindgren", timeout=SOON_MS)
    keyboard.expect_on(assign)
    for kind in ("In 3 hours", "Until they write"):
        keyboard.press("s")
        if not re.search(kind, keyboard.focus()["name"]):
            keyboard.to(kind, key="ArrowUp", most=FEW)
        keyboard.press("Enter")
        expect(head).to_contain_text("snoozed until", timeout=SOON_MS)
        keyboard.expect_on(snooze)
        keyboard.press("s", "Enter")
        expect(head).not_to_contain_text("snoozed until", timeout=SOON_MS)
        keyboard.expect_on(snooze)
    keyboard.press("e")
    expect(head.get_by_role("button", name="Reopen ticket")).to_be_visible(timeout=SOON_MS)
    keyboard.choose("Reopen ticket", most=FEW)
    keyboard.expect_on(head.get_by_role("button", name="Close ticket"))

    keyboard.press("p", "ArrowRight", "Enter")
    expect(details.get_by_role("button", name="High")).to_have_attribute("aria-pressed", "true", timeout=SOON_MS)
    keyboard.expect_on(details.get_by_role("button", name="High"))
    keyboard.press("l", "Escape")
    keyboard.expect_on(page.locator("[data-label-menu] > summary"))
    keyboard.press("l")
    keyboard.type(label)
    keyboard.press("ArrowDown", "Enter")
    expect(details.locator(".ticket-labels")).to_contain_text(label, timeout=SOON_MS)
    keyboard.press("r")
    keyboard.choose(f"Remove the label {label}")
    expect(details.locator(".ticket-labels li")).to_have_count(0, timeout=SOON_MS)
    for name, field, words in (
        ("the subject", "Subject", "A new bell"),
        ("email, phone", "Email", "robin@example.org"),
    ):
        keyboard.choose(name)
        keyboard.press("Tab", "Control+a")
        keyboard.type(words)
        keyboard.press("Enter")
        expect(details).to_contain_text(words, timeout=SOON_MS)
        expect(details.get_by_label(field)).to_be_hidden(timeout=SOON_MS)
        assert re.search(name, keyboard.focus()["name"])

    macros = page.get_by_role("dialog", name="Run a macro")
    keyboard.press("i")
    expect(macros.get_by_role("searchbox")).to_be_focused(timeout=SOON_MS)
    keyboard.press("Escape", "i")
    expect(macros.get_by_role("searchbox")).to_be_focused(timeout=SOON_MS)
    keyboard.choose("^Refund", key="ArrowDown", most=FEW)
    expect(macros.get_by_role("button", name="Run macro")).to_be_focused(timeout=SOON_MS)
    keyboard.press("Enter")
    expect(page.locator("#macro-bar")).to_contain_text("applied", timeout=SOON_MS)
    keyboard.press("Control+z")
    expect(page.locator("#macro-bar")).to_contain_text("undone", timeout=SOON_MS)
    keyboard.focus()
    keyboard.press("?", "Escape", "b", "Escape", "Control+k")
    keyboard.type("snooze until they")
    keyboard.press("Enter")
    expect(head).to_contain_text("snoozed until they write", timeout=SOON_MS)
    keyboard.press("t", "ArrowDown", "Tab")
    keyboard.type("For you")
    keyboard.press("Escape", "Escape")
    expect(page.locator("#transfer-note")).to_be_hidden()
    keyboard.press("u")
    expect(page.locator("#thread[data-conversation]")).to_have_count(0, timeout=SOON_MS)
    keyboard.focus()  # the row is gone, too: it is snoozed


def test_the_list(keyboard: Keyboard, new_customer: Callable[..., Customer]) -> None:
    first, second = new_customer("Is the lift fixed?"), new_customer()
    page, menu, bulk = keyboard.page, keyboard.page.locator(".row-menu"), keyboard.page.locator("#bulk")
    keyboard.open(first)
    row = page.locator(f"#row-{first.conversation}")
    for key in ("Shift+F10", "ContextMenu"):
        keyboard.press(key)
        expect(menu).to_be_visible(timeout=SOON_MS)
        keyboard.to("Priority", key="ArrowDown")
        keyboard.press("ArrowRight", "Escape", "Escape")
        expect(menu).to_have_count(0)
        keyboard.expect_on(row.locator("a.row"))
    keyboard.press("Shift+F10")
    expect(menu).to_be_visible(timeout=SOON_MS)
    keyboard.to("Priority", key="ArrowDown")
    keyboard.press("ArrowRight")
    keyboard.choose("Urgent", key="ArrowDown")
    expect(row).to_contain_text("Urgent", timeout=SOON_MS)
    keyboard.expect_on(row.locator("a.row"))

    keyboard.press("x", "k" if _is_above(page, second, first) else "j", "x", "Shift+X")
    expect(bulk).to_contain_text("2 selected")
    keyboard.choose("^Assign$")
    expect(page.locator("#bulk-assign .menu-item").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("ArrowDown", "Escape")
    keyboard.expect_on(page.locator("#bulk-assign > summary"))
    keyboard.choose("^Assign to me", back=True)
    expect(row.locator(".row__assignee")).to_contain_text("Assigned to you", timeout=SOON_MS)
    expect(bulk).to_be_hidden(timeout=SOON_MS)
    keyboard.focus()
    keyboard.press("x", "Shift+X")
    keyboard.choose("^More$")
    keyboard.choose("Refund", key="ArrowDown")
    keyboard.choose("^Run macro")
    expect(page.locator("#macro-bar")).to_contain_text("macro", timeout=SOON_MS)
    keyboard.press("Control+z")
    expect(page.locator("#toasts")).to_contain_text("undone", timeout=SOON_MS)

    keyboard.press("/")
    keyboard.type("lift fixed")
    expect(row.locator("mark").first).to_be_visible(timeout=SOON_MS)
    keyboard.press("Control+a", "Delete", "Escape")
    keyboard.press("/")
    keyboard.choose("Order and filters", back=True)
    keyboard.to("Assigned to")
    keyboard.press("ArrowDown")
    expect(page.locator(".filter-chip")).to_contain_text("Assigned to: ", timeout=SOON_MS)
    keyboard.press("Escape")
    keyboard.expect_on(page.locator("#list-options > summary"))
    keyboard.choose("^Save view")
    keyboard.press("Tab")
    keyboard.type("My own")
    keyboard.press("Enter")
    expect(page.locator("#more-views > summary")).to_contain_text("My own", timeout=SOON_MS)
    keyboard.press("g", "i")
    expect(page.locator('[data-view="open"]')).to_have_attribute("aria-current", "true", timeout=SOON_MS)
    keyboard.press("g", "1")
    expect(page.locator("#more-views > summary")).to_contain_text("My own", timeout=SOON_MS)
    keyboard.press("/")
    keyboard.choose("My own", most=FEW)
    keyboard.to("Manage views", key="ArrowUp", most=FEW)
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/views/")
    keyboard.to("Delete My own")
    page.keyboard.press("Enter")
    page.wait_for_url("**/delete/")
    assert keyboard.focus()["name"] == "Cancel"
    keyboard.to("^Yes, Delete", back=True, most=FEW)
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/views/")
    expect(page.get_by_role("link", name="Delete My own")).to_have_count(0)


def _is_above(page: Page, one: Customer, other: Customer) -> bool:
    """Return whether a customer's row is above another's."""
    ids = page.locator(".row-item").evaluate_all("rows => rows.map((row) => Number(row.dataset.id))")
    return ids.index(one.conversation) < ids.index(other.conversation)


def test_tickets_contacts_and_the_account(
    customer: Customer, keyboard: Keyboard, demo: RunningDesk, agent_name: str
) -> None:
    channel = demo.call(data.make_channel, f"Third Page {os.getpid()}", agent_name)
    twin = f"{customer.name} twin"
    demo.call(data.make_conversation, f"78{customer.psid}", twin, channel)
    customer.writes("And something else")
    page = keyboard.page
    keyboard.open(customer)
    tickets = page.locator(".divider__ticket")

    def split() -> None:
        keyboard.press("r")
        keyboard.choose("Start a new ticket here", back=True)
        expect(tickets).to_have_count(2, timeout=SOON_MS)
        keyboard.expect_on(page.locator("#items"))

    split()
    expect(page.locator(".toast--undo")).to_be_visible(timeout=SOON_MS)
    keyboard.press("Control+z")
    expect(tickets).to_have_count(1, timeout=SOON_MS)
    split()

    keyboard.press("Control+k")
    keyboard.type("go to tickets")
    keyboard.follow()
    keyboard.to("Search tickets", most=FEW)
    keyboard.type(customer.name)
    keyboard.follow()
    keyboard.to("And something else")
    keyboard.follow()
    keyboard.to("Merge with the ticket before", most=FEW)
    keyboard.follow()
    expect(page.locator("h1")).to_contain_text("Hello")
    keyboard.to("^Undo", most=FEW)
    keyboard.follow()

    keyboard.to("^Contacts", back=True)
    keyboard.follow()
    keyboard.to("Search customers", most=FEW)
    keyboard.type(customer.name)
    keyboard.follow()
    keyboard.to(f"{customer.name} (?!twin)")
    keyboard.follow()
    keyboard.to("Same person as")
    keyboard.follow()
    keyboard.type(twin)
    keyboard.follow()
    keyboard.to(twin)
    keyboard.follow()
    keyboard.to("Mark as the same person", most=FEW)
    keyboard.follow()
    expect(page.locator(".contacts__inner")).to_contain_text(twin, timeout=SOON_MS)
    keyboard.to("[Ss]eparate|not the same", most=MOST_TABS)
    demo.call(data.delete_channel, channel)

    keyboard.choose("presence, preferences, log out", back=True)
    keyboard.press("Escape")
    assert "log out" in keyboard.focus()["name"]
    keyboard.press("Enter")
    keyboard.to("^Log out")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_label("Password")).to_be_visible(timeout=SOON_MS)


IM = "/admin/instant-messaging/"
PAGES = (
    "/tickets/", "/contacts/", "/accounts/", "/accounts/notifications/", "/inbox/views/", "/admin/", "/admin/people/",
    "/admin/people/invite/", f"{IM}messenger/", f"{IM}messenger/add/", f"{IM}preferences/",
)  # fmt: skip


def test_the_focus_can_be_seen_on_each_stop_of_every_page(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    page = new_page(reduced_motion="reduce")
    log_in(page, demo, "admin")
    faults = []
    for address in PAGES:
        page.goto(f"{demo.url}{address}")
        for _ in range(100):
            page.keyboard.press("Tab")
            place = page.evaluate(FOCUS)
            if "is lost" in place["wrong"]:
                break  # the end of the page
            if place["wrong"]:
                faults.append((address, place["wrong"], place["html"]))
        else:
            raise AssertionError(f"{address} keeps the focus")
    assert faults == []
    page.goto(f"{demo.url}{IM}messenger/")
    keyboard = Keyboard(page)
    keyboard.choose("^More for", most=MOST_TABS)
    keyboard.press("Tab", "Escape")
    assert keyboard.focus()["name"].startswith("More for")
