"""Field expansion: ``fields=id,picture.width(200){url},messages.limit(5){id,message}``."""

from dataclasses import dataclass, field

from sandbox.errors import GraphError


@dataclass
class RequestedField:
    """One field of a request: its arguments (``limit`` -> ``5``) and the fields inside it (empty: the default ones)."""

    args: dict[str, str] = field(default_factory=dict)
    inner: dict[str, "RequestedField"] = field(default_factory=dict)


def parse(text: str | None) -> dict[str, RequestedField]:
    """Return the fields by name, in the order of the request. Raise GraphError 2500 when the brackets do not match."""
    text = (text or "").strip()
    fields, end = _parse_list(text, 0)
    if end != len(text):
        raise GraphError(
            2500, f"Syntax error \"Expected end of string instead of '{text[end]}'.\" at character {end}: {text}"
        )
    return fields


def _parse_list(text: str, at: int) -> tuple[dict[str, RequestedField], int]:
    """Parse the fields from the position `at`; return them and the position after them."""
    fields: dict[str, RequestedField] = {}
    while at < len(text) and text[at] not in "})":
        start = at
        while at < len(text) and text[at] not in ",.{}()":
            at += 1
        name = text[start:at].strip()
        entry = RequestedField()
        while at < len(text) and text[at] == ".":
            start = at + 1
            at = text.find("(", start)
            end = text.find(")", at)
            if at < 0 or end < 0:
                raise GraphError(2500, f"Syntax error in fields: {text}")
            entry.args[text[start:at]] = text[at + 1 : end]
            at = end + 1
        if at < len(text) and text[at] == "{":
            entry.inner, at = _parse_list(text, at + 1)
            if at >= len(text) or text[at] != "}":
                raise GraphError(2500, f"Syntax error \"Expected '}}'\" in fields: {text}")
            at += 1
        if name:
            fields[name] = entry
        if at < len(text) and text[at] == ",":
            at += 1
        elif at < len(text) and text[at] not in "})":
            break
    return fields, at
