"""Custom fields in a filter of the inbox: their names, and how their values are written. Pure.

The name of such a field is `field_KEY` for equal to one of several values, or that and a part: `field_KEY.has` (a text
contains it), `.from` and `.to` (a number or a day, both included), `.set` (`yes` or `no`). Which fields exist, of which
kind, and who may see them is known to `tickets.services.inbox.field_filters`.
"""

import re
from collections.abc import Iterable
from datetime import date

from desk.sentences import sentence
from desk.text import is_blank, without_directions
from tickets.rules import custom_fields
from tickets.rules.sending import clean_text

PREFIX = "field_"
EQUALS, HAS, FROM, TO, SET = "", "has", "from", "to", "set"
PARTS = (EQUALS, HAS, FROM, TO, SET)
MOST = 20  # names of fields in one filter
MOST_KEPT = 2 * MOST  # of an address; more than MOST match nothing
MOST_VALUES = 100  # alternatives of one field
LONGEST_PART = 100  # characters of a part of a text; a whole one may have all that a field takes

_COMMA = re.compile(r"(?<!\\)((?:\\\\)*),")


def read_name(name: str) -> tuple[str, str] | None:
    """Return the key and the part in the name of a field of a filter; None when it names no custom field."""
    if not name.startswith(PREFIX):
        return None
    key, _dot, part = name.removeprefix(PREFIX).partition(".")
    is_written_so = name == name_of(key, part)
    return (key, part) if is_written_so and custom_fields.is_key(key) and part in PARTS else None


def longest(part: str) -> int:
    """Return how many characters a value may have."""
    return LONGEST_PART if part == HAS else custom_fields.TEXT_LIMIT


def name_of(key: str, part: str = EQUALS) -> str:
    """Return the name in a filter for this part of a field."""
    return f"{PREFIX}{key}.{part}" if part else f"{PREFIX}{key}"


def names_in(names: Iterable[object]) -> list[str]:
    """Return those of these names that are of custom fields, each once and in one order."""
    return sorted({name for name in names if isinstance(name, str) and read_name(name)})


def clean(part: str, text: str) -> str:
    """Return the one way to write a value. Raises ValueError with a sentence for people."""
    if part == SET:
        if text in (custom_fields.YES, custom_fields.NO):
            return text
        raise ValueError(sentence("Write “yes” or “no”."))
    if part not in (FROM, TO):
        return text
    if (number := custom_fields.parse_number(text)) is not None:
        return custom_fields.plain(number)
    try:
        if custom_fields.DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass  # the 31st of a short month
    raise ValueError(sentence("Write a number such as 12.5, or a day such as 2026-03-01."))


def tidy(text: str) -> str:
    """Return a value as it is compared: one line, without signs that cannot be seen; "" for nothing."""
    line = " ".join(without_directions(clean_text(text)).split())
    return "" if is_blank(line) else line


def split(part: str, text: str) -> list[str]:
    r"""Return the values in a text of an address: separated by commas where there may be several, `\,` is a comma."""
    if part != EQUALS:
        return [text]
    values = _COMMA.sub(lambda match: f"{match[1]}\0", text.replace("\0", "")).split("\0")
    return [re.sub(r"\\([\\,])", r"\1", value) for value in values]


def joined(part: str, values: Iterable[str]) -> str:
    """Return the text of an address that `split` reads as these values."""
    if part != EQUALS:
        return "".join(values)
    return ",".join(value.replace("\\", "\\\\").replace(",", "\\,") for value in values)
