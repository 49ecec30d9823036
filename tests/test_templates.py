"""Every template can be read, and runs under the Content-Security-Policy of desk/middleware.py."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 120  # characters, as for Python: the formatter breaks tags, but neither attributes nor template tags
# What is read without Desk, and so without its policy: exported files, and e-mail.
WITHOUT_POLICY = {"templates/tickets/export/_style.html", "templates/mail/base.html"}
INLINE = re.compile(r"<style\b|\sstyle=|\son[a-z]+=[^=]|<script\b(?![^>]*\bsrc=)|javascript:", re.IGNORECASE)


def templates() -> list[Path]:
    return sorted((ROOT / "templates").rglob("*.html"))


def sandbox_templates() -> list[Path]:
    return sorted((ROOT / "sandbox" / "templates").rglob("*.html"))


def refused(text: str) -> list[str]:
    """Return what the policy refuses in the HTML; what stands in a template tag is no HTML."""
    return INLINE.findall(re.sub(r"\{([%{#]).*?[%}#]\}", "", text))


def too_long(text: str) -> list[int]:
    """Return the numbers of the lines that are too long."""
    return [number for number, line in enumerate(text.splitlines(), 1) if len(line) > LONGEST]


def test_no_line_of_a_template_is_too_long() -> None:
    every = [*templates(), *sandbox_templates()]
    found = {str(path.relative_to(ROOT)): too_long(path.read_text(encoding="utf-8")) for path in every}
    assert len(found) > 50
    assert {name: numbers for name, numbers in found.items() if numbers} == {}


def test_no_template_has_a_script_or_style_that_the_policy_refuses() -> None:
    for path in templates():
        name = str(path.relative_to(ROOT))
        if name not in WITHOUT_POLICY:
            assert refused(path.read_text(encoding="utf-8")) == [], name


def test_a_long_line_is_found() -> None:
    assert too_long("short\n" + "x" * LONGEST + "\n" + "x" * (LONGEST + 1)) == [3]


@pytest.mark.parametrize(
    "html",
    [
        '<p style="color: red">',
        "<p style=color:red>",
        "<style>p { color: red }</style>",
        '<button onclick="go()">',
        "<script>go()</script>",
        '<script type="module">go()</script>',
        '<a href="javascript:go()">',
        '<p style="width: {{ width }}">',
    ],
)
def test_what_the_policy_refuses_is_found(html: str) -> None:
    assert refused(html)


@pytest.mark.parametrize(
    "html",
    ['<script src="/static/x.js" defer></script>', '<p class="style">on = off</p>{% include "x" with style="y" %}'],
)
def test_what_the_policy_allows_is_not(html: str) -> None:
    assert not refused(html)
