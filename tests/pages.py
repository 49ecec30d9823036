"""What a response shows, as tests look at it: how a template is broken into lines does not matter to them."""

import re
from typing import Any


def html_of(response: Any) -> str:
    """Return the HTML of a response with one blank for each run of them, and none at the end of a tag."""
    return one_line(response.content.decode())


def one_line(html: str) -> str:
    """Return the HTML in one line. A non-breaking space stays: it was meant."""
    return re.sub(r" (?=>)", "", re.sub(r"[ \t\r\n]+", " ", html))
