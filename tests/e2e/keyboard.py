"""A page that is used by the keyboard alone: the focus is never lost, and can be seen wherever it is."""

import re
import time
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS

MOST_TABS = 60
FEW = 15  # presses of Tab that a way may take where there is no shortcut
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
