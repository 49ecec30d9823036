"""Take the screenshots for the README: run `python -m docs.pictures.take`. Needs Chromium."""

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sandbox.pictures import draw
from tests.chromium import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.e2e.page_objects import Inbox, MessengerWindow, Setup, log_in
from tests.e2e.processes import RunningDesk

FOLDER = Path(__file__).resolve().parent
BERG_BIKES, CUSTOMER = "101000000000001", "Sara Lindqvist"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
MAX_BYTES = 150 * 1024
NOTE = "The cassette costs us 21 €. Her bike is in the workshop list for Saturday."
REPLY = "39 € with the work, Sara, and half an hour. Would Saturday at 10 suit you?"
ANSWER = "Saturday at 10 is perfect, thank you!"


@contextmanager
def run_demo() -> Iterator[RunningDesk]:
    """Run Desk with its demo data, and delete its files afterwards."""
    with tempfile.TemporaryDirectory(prefix="desk-pictures-") as directory:
        desk = RunningDesk(Path(directory))
        try:
            desk.start_all(demo_data=True)
            yield desk
        finally:
            desk.stop()


@contextmanager
def open_page(browser: Browser, desk: RunningDesk, username: str | None = None, **options: Any) -> Iterator[Page]:
    """Open a browser page, logged in to Desk as `username` if given; `options` go to Browser.new_context."""
    defaults: dict[str, Any] = {"viewport": DESKTOP, "reduced_motion": "reduce", "locale": "en-GB"}
    context = browser.new_context(**{**defaults, **options})
    page = context.new_page()
    if username is not None:
        log_in(page, desk, username)
    yield page
    context.close()


def save(page: Page, name: str) -> None:
    """Save a screenshot of the page as a PNG with 256 colours. Exit if the file is too large."""
    page.mouse.move(0, 0)
    page.wait_for_function("[...document.images].every(image => image.loading === 'lazy' || image.complete)")
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    path = FOLDER / f"{name}.png"
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(FOLDER.parent.parent)}  {size // 1024} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"{path.name} is larger than {MAX_BYTES // 1024} kB.")


def talk(agent: Page, customer: Page, desk: RunningDesk) -> None:
    """Write a note and a reply as the agent, then an answer as the customer."""
    inbox, window = Inbox(agent, desk), MessengerWindow(customer, desk)
    inbox.open()
    inbox.choose(CUSTOMER)
    agent.get_by_role("radio", name="Note").check()
    inbox.answer(NOTE)
    expect(agent.locator(".note").filter(has_text=NOTE)).to_be_visible()
    agent.get_by_role("radio", name="Reply").check()
    inbox.answer(REPLY)
    window.open("sara", BERG_BIKES)
    window.expect_text(REPLY)
    inbox.expect_read(inbox.bubble(REPLY))
    window.write(ANSWER)
    expect(inbox.bubble(ANSWER)).to_be_visible()


def open_thread(agent: Page, desk: RunningDesk) -> None:
    """Open the conversation again, so that it shows its end, with no text selected and an empty reply box."""
    inbox = Inbox(agent, desk)
    inbox.open()
    inbox.choose(CUSTOMER)
    expect(inbox.bubble(ANSWER)).to_be_in_viewport()


def create_second_channel(admin: Page, desk: RunningDesk, folder: str) -> None:
    """Create a channel for Berg Bakery in the setup, and give it to Alice."""
    icon = Path(folder) / "icon.jpg"
    icon.write_bytes(draw("page", "bakery", "bread")[0])
    admin.goto(f"{desk.url}/admin/instant-messaging/messenger/add/")
    Setup(admin, desk).create_channel(
        icon=str(icon), name="Berg Bakery", facebook_page="Berg Bakery", department="Sales"
    )
    expect(admin.get_by_role("heading", name="Edit Channel")).to_be_visible()
    Setup(admin, desk).associate("Sales", "Alice", "Berg Bakery")


def take_pictures(browser: Browser, desk: RunningDesk, folder: str) -> None:
    """Take all pictures and save them next to this file."""
    with open_page(browser, desk, "alice") as alice, open_page(browser, desk) as sara:
        talk(alice, sara, desk)
        save(sara, "messenger")
        open_thread(alice, desk)
        save(alice, "workspace")
    dark_phone = {"viewport": PHONE, "color_scheme": "dark", "is_mobile": True, "has_touch": True}
    with open_page(browser, desk, "alice", **dark_phone) as phone:
        open_thread(phone, desk)
        save(phone, "phone")
    with open_page(browser, desk, "admin", viewport={**DESKTOP, "height": 600}) as admin:
        create_second_channel(admin, desk, folder)
        admin.goto(f"{desk.url}/admin/instant-messaging/messenger/")
        save(admin, "setup")


def main() -> int:
    """Take the pictures. Return 1 if Chromium is missing."""
    if CHROMIUM is None:
        print("Chromium was not found. On Debian, run as root: apt-get install chromium", file=sys.stderr)
        return 1
    with run_demo() as desk, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        take_pictures(browser, desk, folder)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
