"""Players in a real browser: a file that it cannot play is a card, and other events do not stop playback."""

import io
import wave

import pytest
from playwright.sync_api import Page, expect

from tests.channels_im.messenger import samples
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]


def silence(seconds: int) -> bytes:
    """Return a sound file that every browser plays."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x80" * 8000 * seconds)
    return out.getvalue()


def send(page: Page, name: str, content: bytes) -> None:
    page.locator("#composer-files").set_input_files({"name": name, "mimeType": "audio/mpeg", "buffer": content})
    page.locator("#composer-send").click()
    expect(page.locator(".tile")).to_have_count(0, timeout=SOON_MS)


def test_a_file_that_the_browser_cannot_play_is_a_card_to_download(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    Inbox(agent, demo).choose(customer.name)
    send(agent, "voice.amr", samples.AMR)
    card = agent.get_by_role("link", name="voice.amr").first
    expect(card).to_contain_text("your browser cannot play it", timeout=SOON_MS)
    expect(agent.get_by_label("voice.amr", exact=True)).to_be_hidden()
    agent.reload()
    expect(card).to_be_visible(timeout=SOON_MS)
    with agent.expect_download() as saved:
        card.click()
    assert saved.value.suggested_filename == "voice.amr"


def test_playback_continues_when_its_message_is_rendered_again(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    agent.route("**/files/*/", lambda route: route.fulfill(body=silence(600), content_type="audio/wav"))
    Inbox(agent, demo).choose(customer.name)
    send(agent, "song.mp3", samples.MP3)
    player = agent.get_by_label("song.mp3", exact=True)
    message = agent.locator(".message--out").filter(has=player)
    expect(message).to_have_attribute("data-state", "delivered", timeout=SOON_MS)
    player.evaluate("player => { player.muted = true; window.player = player; return player.play(); }")
    agent.locator("#composer-text").fill("And a word after it")
    agent.locator("#composer-send").click()
    expect(message.locator(".message__meta")).to_have_count(0, timeout=SOON_MS)  # it is not the last one any more
    assert agent.evaluate("[window.player.isConnected, window.player.paused]") == [True, False]
