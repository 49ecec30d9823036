"""Measure in a real Chromium the time from the POST until the page shows the text."""

import asyncio
import threading
import time
from itertools import count

from playwright.sync_api import sync_playwright

from bench import bodies, live, load
from bench.measures import PAGE_ID
from tests.chromium import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.e2e.screens import log_in
from tests.e2e.stage import Desk

# Record, by the clock of the page, when the thread first shows each text.
WATCH = """
() => {
  window.seen = {};
  const look = () => {
    for (const text of document.body.innerText.match(/bench \\d+ \\d+/g) || []) window.seen[text] ??= Date.now();
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
}
"""


def to_the_page(desk: Desk, database: str, *, samples: int, per_second: float) -> list[float] | None:
    """Return the seconds from POST to page of `samples` messages, or None without Chromium.

    One message a second is for the open page; the rest of `per_second` comes from other customers.
    """
    if CHROMIUM is None:
        return None
    (psid, conversation), *others = live.new_conversations(desk, database, PAGE_ID, 10).items()
    posted: dict[str, float] = {}
    ending = threading.Event()

    async def post() -> None:
        connection = await load.Connection.open(desk.port)
        began = time.perf_counter()
        for number in count():
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            if ending.is_set():
                break
            text = f"bench {number} {time.time_ns()}"
            is_sample = number % int(per_second) == 0 and len(posted) < samples
            target = psid if is_sample else others[number % len(others)][0]
            request = bodies.request(
                bodies.delivery(PAGE_ID, target, text), desk.environment["META_APP_SECRET"], f"localhost:{desk.port}"
            )
            if is_sample:
                posted[text] = time.time()
            await connection.send(request)
        await connection.close()

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = chromium.new_page()
        log_in(page, desk, "alice")
        page.goto(f"{desk.url}/inbox/{conversation}/")
        page.wait_for_timeout(1500)
        page.evaluate(WATCH)
        poster = threading.Thread(target=lambda: asyncio.run(post()))
        poster.start()
        try:
            deadline = time.monotonic() + samples + 30
            # The list beside the thread also shows texts of the other customers.
            while len(posted.keys() & (seen := page.evaluate("window.seen")).keys()) < samples:
                if time.monotonic() > deadline:
                    raise AssertionError(f"after {samples + 30} s not all of {samples} messages reached the page")
                page.wait_for_timeout(100)
        finally:
            ending.set()
            poster.join()
            chromium.close()
    return [seen[text] / 1000 - at for text, at in posted.items()]
