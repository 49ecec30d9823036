"""Field expansion: ``fields=id,picture.width(200){url},messages.limit(5){id,message}``."""

from dataclasses import dataclass, field

from sandbox.errors import GraphError


@dataclass
class Wanted:
    """One wanted field: its arguments (``limit`` -> ``5``) and the fields inside it (empty: the default ones)."""

    args: dict[str, str] = field(default_factory=dict)
    inner: dict[str, "Wanted"] = field(default_factory=dict)


def parse(text: str | None) -> dict[str, Wanted]:
    """Return name -> Wanted in the order asked; GraphError 2500 when the brackets do not close."""
    wanted, rest = _list((text or "").strip(), 0)
    if rest != len((text or "").strip()):
        raise GraphError(
            2500, f"Syntax error \"Expected end of string instead of '{text[rest]}'.\" at character {rest}: {text}"
        )
    return wanted


def _list(text: str, at: int) -> tuple[dict[str, Wanted], int]:
    found: dict[str, Wanted] = {}
    while at < len(text) and text[at] not in "})":
        start = at
        while at < len(text) and text[at] not in ",.{}()":
            at += 1
        name = text[start:at].strip()
        entry = Wanted()
        while at < len(text) and text[at] == ".":
            start = at + 1
            at = text.find("(", start)
            end = text.find(")", at)
            if at < 0 or end < 0:
                raise GraphError(2500, f"Syntax error in fields: {text}")
            entry.args[text[start:at]] = text[at + 1 : end]
            at = end + 1
        if at < len(text) and text[at] == "{":
            entry.inner, at = _list(text, at + 1)
            if at >= len(text) or text[at] != "}":
                raise GraphError(2500, f"Syntax error \"Expected '}}'\" in fields: {text}")
            at += 1
        if name:
            found[name] = entry
        if at < len(text) and text[at] == ",":
            at += 1
        elif at < len(text) and text[at] not in "})":
            break
    return found, at
