"""Describe JSON of any shape in lines of text, for content that Desk has no better words for. Pure."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from channels_im.messenger.values import as_visible

MAX_LINES = 20
MAX_LINE_CHARS = 300
#: Keys whose values mean nothing to a person, or are secrets.
MEANINGLESS = frozenset({"type", "template_type", "payload", "is_reusable", "sharable", "notification_messages_token"})


def describe(value: Any, skip: Collection[str] = ()) -> str:
    """Return the texts and numbers of a JSON value as at most MAX_LINES lines such as "Phone number: 555 0100".

    The keys in `skip` and those in MEANINGLESS are left out, but a `payload` that is an object is described.
    """
    lines = list(islice(_lines(value, "", frozenset(skip)), MAX_LINES + 1))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = ["…"]
    return "\n".join(lines)


def label(key: str) -> str:
    """Return a key of JSON as words: "phone_number" is "Phone number"."""
    words = " ".join(key.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def _lines(value: Any, name: str, skip: frozenset[str]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            is_object = isinstance(child, dict | list)
            if key in skip or (key in MEANINGLESS and not (is_object and key == "payload")):
                continue
            is_wrapper = is_object and key == "payload"
            yield from _lines(child, name if is_wrapper else " – ".join(filter(None, (name, label(key)))), skip)
    elif isinstance(value, list):
        texts = [text for text in map(_text, value) if text]
        if texts:
            yield _line(name, ", ".join(texts))
        for child in value:
            if isinstance(child, dict | list):
                yield from _lines(child, name, skip)
    elif text := _text(value):
        yield _line(name, text)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_visible(value)


def _line(name: str, text: str) -> str:
    line = f"{name}: {text}" if as_visible(name) else text
    return line if len(line) <= MAX_LINE_CHARS else line[: MAX_LINE_CHARS - 1] + "…"
