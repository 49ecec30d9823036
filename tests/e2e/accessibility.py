"""What axe-core and the sizes of a page say about its accessibility."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
COLOURS = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
# Wait for transitions, so that only final colours are checked.
SETTLED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const moving = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(moving.map((one) => one.finished));
}"""
# The fields in which a phone opens its keyboard or list with less than 16 px: iOS zooms into them, and not back.
SMALL_FIELDS = """() => [...document.querySelectorAll("input, textarea, select")]
  .filter((one) => !/^(checkbox|radio|file|hidden|submit|button|range|color)$/.test(one.type))
  .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 16)
  .map((one) => one.outerHTML.slice(0, 120))"""


def violations(page: Page, options: dict[str, Any], part: str) -> list[str]:
    """Return the violations that axe-core finds in a part of the page (a selector), one line for each element."""
    page.evaluate(SETTLED)
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("([part, options]) => axe.run(part, options)", [part, options])["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def assert_accessible(page: Page, part: str = "html") -> None:
    """Check all rules in light mode, and those about colours in dark mode."""
    wrong = violations(page, WCAG, part)
    assert not wrong, wrong
    page.emulate_media(color_scheme="dark")
    wrong = violations(page, COLOURS, part)
    page.emulate_media(color_scheme="light")
    assert not wrong, wrong


def assert_fits(page: Page) -> None:
    """Wait until nothing is wider than the page, and check that no field is too small for a phone."""
    page.wait_for_function(FITS)
    small = page.evaluate(SMALL_FIELDS)
    assert not small, small
