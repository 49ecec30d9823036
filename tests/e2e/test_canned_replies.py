"""A personal canned reply and its files, from the page of the account into a message."""

import os

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk
from tests.factories import png

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]


def test_a_personal_reply_is_previewed_inserted_and_counted(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    shortcut = f"thanks-{os.getpid()}"
    inbox = Inbox(agent, demo)
    inbox.choose(customer.name)
    agent.get_by_text("presence, preferences, log out").locator("..").click()
    agent.get_by_role("link", name="Your account").click()
    agent.get_by_role("link", name="Canned replies").click()
    agent.get_by_role("link", name="Add canned reply").click()
    agent.get_by_label("Shortcut").fill(shortcut)
    agent.get_by_label("Text").fill("Thank you, {{name}}!")
    agent.get_by_label("With the customer").select_option(str(customer.conversation))
    agent.get_by_role("button", name="Preview").click()
    expect(agent.get_by_text(f"Thank you, {customer.name}!")).to_be_visible()
    agent.get_by_role("button", name="Save").click()
    expect(agent.get_by_text(f"/{shortcut} is saved.")).to_be_visible()

    agent.get_by_role("link", name="Back to the inbox").click()
    expect(agent).to_have_url(f"{demo.url}/inbox/{customer.conversation}/")
    field = agent.locator("#composer-text")
    field.click()
    agent.keyboard.type(f"/{shortcut}")
    agent.keyboard.press("Enter")
    expect(field).to_have_value(f"Thank you, {customer.name}!")
    agent.keyboard.press("Enter")
    stored = agent.locator(".message--out:not(.message--sending)").filter(has_text=f"Thank you, {customer.name}!")
    expect(stored).to_be_visible(timeout=SOON_MS)
    agent.goto(f"{demo.url}/accounts/canned-replies/")
    expect(agent.get_by_role("listitem").filter(has_text=shortcut)).to_contain_text("Sent 1 time")
    demo.call(data.delete_canned_reply, shortcut)


def test_the_files_of_a_reply_become_tiles_and_are_sent(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    shortcut = f"papers-{os.getpid()}"
    agent.goto(f"{demo.url}/accounts/canned-replies/add/")
    agent.get_by_label("Shortcut").fill("two words")
    agent.get_by_label("Text").fill("word " * 400)
    agent.get_by_label("Files").set_input_files([picture("map.png"), paper("prices.pdf"), paper("terms.pdf")])
    agent.get_by_role("button", name="Save").click()
    expect(agent.get_by_text("Use letters from a to z")).to_be_visible()
    agent.get_by_label("Shortcut").fill(shortcut)
    agent.get_by_label("Remove terms.pdf").check()
    agent.get_by_role("button", name="Save").click()
    expect(agent.get_by_role("listitem").filter(has_text=shortcut)).to_contain_text("2 files")

    agent.goto(f"{demo.url}/inbox/{customer.conversation}/")
    agent.locator("#composer-text").click()
    agent.keyboard.type(f"/{shortcut}")
    expect(agent.locator("#canned").get_by_role("option")).to_contain_text("2 files")
    agent.keyboard.press("Enter")
    tiles = agent.locator(".tile")
    expect(tiles).to_contain_text(["map.png", "prices.pdf"])
    expect(tiles.locator("img")).to_have_js_property("complete", True)
    agent.locator("#composer-files").set_input_files(paper("own.pdf"))
    expect(tiles).to_contain_text(["map.png", "prices.pdf", "own.pdf"])
    agent.get_by_label("Note", exact=True).check()
    expect(agent.locator("#tiles")).to_be_hidden()
    agent.get_by_label("Reply", exact=True).check()
    agent.get_by_role("button", name="Remove prices.pdf").click()
    expect(tiles).to_contain_text(["map.png", "own.pdf"])
    agent.get_by_role("button", name="Send as 2 messages").click()
    expect(tiles).to_have_count(0, timeout=SOON_MS)
    sent = agent.locator(".message--out:not(.message--sending)")
    expect(sent).to_have_count(4, timeout=SOON_MS)
    expect(sent.nth(2).get_by_role("img", name="map.png")).to_be_visible()
    expect(sent.nth(3)).to_contain_text("own.pdf")

    agent.locator("#composer-text").click()
    agent.keyboard.type(f"/{shortcut}")
    agent.keyboard.press("Enter")
    agent.locator("#composer-text").fill("Once more")
    demo.call(data.delete_canned_reply, shortcut)
    agent.keyboard.press("Enter")
    expect(agent.get_by_role("alert").filter(has_text="no longer available to you")).to_be_visible(timeout=SOON_MS)
    expect(tiles).to_contain_text(["map.png", "prices.pdf"])
    agent.get_by_role("button", name="Remove map.png").click()
    agent.get_by_role("button", name="Remove prices.pdf").click()
    agent.locator("#composer-text").press("Enter")
    expect(sent.filter(has_text="Once more")).to_be_visible(timeout=SOON_MS)


def picture(name: str) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": png(40, 30)}


def paper(name: str) -> FilePayload:
    return {"name": name, "mimeType": "application/pdf", "buffer": b"%PDF-1.4\n%%EOF\n"}
