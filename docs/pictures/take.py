"""`python -m docs.pictures.take`: the pictures of the README, taken of Desk with its demo data in a real Chromium."""

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sandbox.pictures import draw
from tests.chromium import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.e2e.page_objects import Inbox, MessengerWindow, Setup, log_in
from tests.e2e.processes import RunningDesk

FOLDER = Path(__file__).resolve().parent
BERG_BIKES, CUSTOMER = "101000000000001", "Sara Lindqvist"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
LARGEST = 150 * 1024  # bytes
NOTE = "The cassette costs us 21 €. Her bike is in the workshop list for Saturday."
REPLY = "39 € with the work, Sara, and half an hour. Would Saturday at 10 suit you?"
ANSWER = "Saturday at 10 is perfect, thank you!"


@contextmanager
def demo() -> Iterator[RunningDesk]:
    """Yield a running Desk with demo data, whose state is thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="desk-pictures-") as directory:
        desk = RunningDesk(Path(directory))
        try:
            desk.start_all(demo_data=True)
            yield desk
        finally:
            desk.stop()


@contextmanager
def person(browser: Browser, desk: RunningDesk, username: str, **options: object) -> Iterator[Page]:
    """Yield the page of somebody who has logged in; "" is somebody in the sandbox."""
    context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", "locale": "en-GB", **options})
    page = context.new_page()
    if username:
        log_in(page, desk, username)
    yield page
    context.close()


def save(page: Page, name: str) -> None:
    """Store what the page shows as a PNG of 256 colours."""
    page.mouse.move(0, 0)
    page.wait_for_function("[...document.images].every(image => image.loading === 'lazy' || image.complete)")
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    path = FOLDER / f"{name}.png"
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(FOLDER.parent.parent)}  {size // 1024} kB")
    if size > LARGEST:
        raise SystemExit(f"{path.name} is larger than {LARGEST // 1024} kB.")


def talk(agent: Page, customer: Page, desk: RunningDesk) -> None:
    """Let the agent note and answer something, and the customer answer that."""
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
    """Show the conversation afresh: a thread opens at its end, and nothing is selected or written."""
    inbox = Inbox(agent, desk)
    inbox.open()
    inbox.choose(CUSTOMER)
    expect(inbox.bubble(ANSWER)).to_be_in_viewport()


def make_second_channel(admin: Page, desk: RunningDesk, folder: str) -> None:
    icon = Path(folder) / "icon.jpg"
    icon.write_bytes(draw("page", "bakery", "bread")[0])
    admin.goto(f"{desk.url}/admin/instant-messaging/messenger/add/")
    Setup(admin, desk).create_channel(
        icon=str(icon), name="Berg Bakery", facebook_page="Berg Bakery", department="Sales"
    )
    expect(admin.get_by_role("heading", name="Edit Channel")).to_be_visible()
    Setup(admin, desk).associate("Sales", "Alice", "Berg Bakery")


def take(browser: Browser, desk: RunningDesk, folder: str) -> None:
    """Take all pictures."""
    with person(browser, desk, "alice") as alice, person(browser, desk, "") as sara:
        talk(alice, sara, desk)
        save(sara, "messenger")
        open_thread(alice, desk)
        save(alice, "workspace")
    with person(browser, desk, "alice", viewport=PHONE, color_scheme="dark", is_mobile=True, has_touch=True) as phone:
        open_thread(phone, desk)
        save(phone, "phone")
    with person(browser, desk, "admin", viewport={**WIDE, "height": 600}) as admin:
        make_second_channel(admin, desk, folder)
        admin.goto(f"{desk.url}/admin/instant-messaging/messenger/")
        save(admin, "setup")


def main() -> int:
    if CHROMIUM is None:
        print("No Chromium was found. On Debian, as root: apt-get install chromium", file=sys.stderr)
        return 1
    with demo() as desk, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        take(browser, desk, folder)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
