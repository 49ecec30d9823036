"""The length of a text as Facebook may count it, and its division into two messages. Pure.

Meta documents fewer than 2,000 characters and does not say in which unit. Desk allows 1,600 code points; a text of
emoji or of a script beyond Latin has more UTF-16 units and many more bytes.
"""

import re

from desk.sentences import counted
from desk.text import head

META_LIMIT = 2000
INVALID_PARAMETER = 100  # Meta's code for a text that is too long; it has no subcode of its own
_EDGES = (re.compile(r"\n\s*\n"), re.compile(r"(?<=[.!?…。！？])\s*"), re.compile(r"\s+"))


def is_refused_for_length(text: str, code: int | None, subcode: int | None) -> bool:
    """Return whether a refusal with these codes is probably about the length of the text."""
    return code == INVALID_PARAMETER and subcode is None and len(text.encode()) >= META_LIMIT


def length_refusal(text: str, code: int | None, subcode: int | None) -> str | None:
    """Return the reason for people when Facebook probably refused the text for its length, else None."""
    if not is_refused_for_length(text, code, subcode):
        return None
    units = len(text.encode("utf-16-le")) // 2
    count, most = f"{len(text):,}", f"{META_LIMIT:,}"
    if units >= META_LIMIT:
        return counted(
            "Facebook refused this, probably for its length. It has %(count)s character, within Desk's limit; but "
            "Facebook may count %(counted)s as UTF-16, and takes fewer than %(most)s. Send it as two messages.",
            "Facebook refused this, probably for its length. It has %(count)s characters, within Desk's limit; but "
            "Facebook may count %(counted)s as UTF-16, and takes fewer than %(most)s. Send it as two messages.",
            len(text),
            count=count,
            counted=f"{units:,}",
            most=most,
        )
    return counted(
        "Facebook refused this, probably for its length. It has %(count)s character, within Desk's limit; but "
        "Facebook may count %(counted)s bytes, and takes fewer than %(most)s. Send it as two messages.",
        "Facebook refused this, probably for its length. It has %(count)s characters, within Desk's limit; but "
        "Facebook may count %(counted)s bytes, and takes fewer than %(most)s. Send it as two messages.",
        len(text),
        count=count,
        counted=f"{len(text.encode()):,}",
        most=most,
    )


def halves(text: str) -> tuple[str, str]:
    """Divide a text near its middle: between paragraphs, else sentences, else words, else characters.

    No half is shorter than a quarter of the text, but where it would have to be cut within a character.
    """
    middle = len(text) // 2
    for edge in _EDGES:
        places = [found.start() for found in edge.finditer(text)]
        best = min(places, key=lambda place: abs(place - middle), default=0)
        if abs(best - middle) <= len(text) // 4 and 0 < best < len(text):
            return text[:best].rstrip(), text[best:].lstrip()
    end = len(head(text, middle))
    return text[:end], text[end:]
