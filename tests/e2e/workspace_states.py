"""States of the workspace. Each function opens one from an open thread and returns the selector of its part."""

from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.page_objects import SOON_MS


def thread(page: Page) -> str:
    page.locator("#thread-scroll").evaluate("scroller => { scroller.scrollTop = 900; }")
    return "html"


def details(page: Page) -> str:
    for summary in page.locator("#details details > summary").all():
        summary.click()
    return "#details"


def composer_with_errors(page: Page) -> str:
    file: FilePayload = {"name": "program.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}
    page.locator("#composer-files").set_input_files([file])
    page.locator("#composer-text").fill("ä" * 1601)
    expect(page.locator(".tile--refused")).to_be_visible()
    expect(page.locator("#composer-split")).to_be_visible()
    return "#composer-slot"


def note(page: Page) -> str:
    page.get_by_role("radio", name="Note").check()
    page.locator("#composer-text").fill("For us")
    return "#composer-slot"


def emoji(page: Page) -> str:
    page.get_by_role("button", name="Emoji").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    return "[role=dialog]"


def canned_replies(page: Page) -> str:
    page.get_by_role("button", name="Canned replies").click()
    expect(page.get_by_role("listbox", name="Canned replies")).to_be_visible()
    return "#composer-slot"


def menus(page: Page) -> str:
    page.locator("#more-menu > summary").click()
    expect(page.get_by_role("button", name="Mark as unread")).to_be_visible()
    return "#thread-head"


def own_menu(page: Page) -> str:
    page.locator(".rail__avatar").click()
    expect(page.get_by_role("radio", name="Away")).to_be_visible()
    return ".rail"


def keys(page: Page) -> str:
    page.locator("#composer-text").blur()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    return "#keys"


def command_bar(page: Page) -> str:
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find an action").fill("lena")
    expect(page.locator("#command-list")).to_contain_text("Lena Fischer", timeout=SOON_MS)
    return "#commands"


def lightbox(page: Page) -> str:
    page.locator("#items [data-lightbox]").click()
    expect(page.get_by_role("dialog", name="Image")).to_be_visible()
    return "#lightbox"


def bulk_bar(page: Page) -> str:
    page.locator(".row-item .row__pick").first.check(force=True)
    expect(page.get_by_role("toolbar", name="Selected conversations")).to_be_visible()
    return "#strip"


def search(page: Page) -> str:
    page.get_by_role("searchbox").fill("workshop")
    expect(page.locator(".row-item mark").first).to_be_visible(timeout=SOON_MS)
    return "#strip"


ALL = [
    thread, details, composer_with_errors, note, emoji, canned_replies, menus, own_menu, keys, command_bar, lightbox,
    bulk_bar, search,
]  # fmt: skip
