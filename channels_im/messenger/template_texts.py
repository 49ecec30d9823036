"""The texts of message templates: their placeholders, filling them in, and reading them from Meta's JSON. Pure.

Source: Meta, "Send a utility message": the body has placeholders {{1}}, {{2}} …; some have names instead.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from channels_im.messenger.values import as_dict, as_id, as_list, as_text

MAX_BODY_CHARS = 1024
MAX_NAME_CHARS = 200
MAX_BUTTONS = 3
MAX_BUTTON_CHARS = 20
MAX_VALUE_CHARS = 500
NAME = re.compile(r"[a-z0-9_]+")
LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_PLACEHOLDER = re.compile(r"\{\{\s*(\w{1,60})\s*\}\}")
# A greeting in front of a placeholder: its value is the name of the customer.
_WORDS = "hi|hello|hey|dear|hola|hallo|bonjour|ciao|olá|ola|xin chào|kumusta"  # English only: of several languages
_GREETING = rf"\b(?:{_WORDS})\W+"
_NAMES = frozenset({"name", "first_name", "customer_name", "customer_first_name", "full_name"})


@dataclass(frozen=True)
class TemplateInfo:
    """A template as Meta shows it. `status` is Meta's word in capitals; one of the library has none and no id."""

    template_id: str
    name: str
    language: str
    category: str
    status: str
    body: str
    buttons: tuple[str, ...] = ()
    reason: str = ""
    header: str = ""


@dataclass(frozen=True)
class NewTemplate:
    """A template to create. `examples` has a value for each placeholder; `buttons` are the titles of quick replies."""

    name: str
    language: str
    body: str
    examples: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()
    category: str = "UTILITY"

    def as_json(self) -> dict[str, Any]:
        """Return the body of the call that creates it."""
        body: dict[str, Any] = {"type": "BODY", "text": self.body}
        if self.examples:
            body["example"] = {"body_text": [list(self.examples)]}
        components = [body]
        if self.buttons:
            replies = [{"type": "QUICK_REPLY", "text": title} for title in self.buttons]
            components.append({"type": "BUTTONS", "buttons": replies})
        return {"name": self.name, "language": self.language, "category": self.category, "components": components}


def placeholders(body: str) -> list[str]:
    """Return the names of the placeholders of a body ("1", "2" …), each once, in the order of their numbers."""
    names = list(dict.fromkeys(_PLACEHOLDER.findall(body)))
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names


def filled(body: str, values: Sequence[str]) -> str:
    """Return the body with its placeholders replaced by `values`; those without a value stay."""
    by_name = dict(zip(placeholders(body), values, strict=False))
    return _PLACEHOLDER.sub(lambda found: by_name.get(found[1]) or found[0], body)


def is_numbered(body: str) -> bool:
    """Return whether the placeholders are {{1}}, {{2}} … without a gap, as Meta wants them."""
    names = placeholders(body)
    return names == [str(number + 1) for number in range(len(names))]


def guesses(body: str, customer_name: str) -> list[str]:
    """Return a value for each placeholder: the customer's name where the body greets with it, else ""."""
    first = customer_name.split()[0] if customer_name.split() else ""
    found = []
    for name in placeholders(body):
        greets = re.search(_GREETING + r"\{\{\s*" + re.escape(name) + r"\s*\}\}", body, re.IGNORECASE)
        value = customer_name if name in {"full_name", "customer_name"} else first
        found.append(value if greets or name in _NAMES else "")
    return found


def parameters(body: str, values: Sequence[str]) -> list[dict[str, Any]]:
    """Return the parameters of the Send API for the placeholders of `body`."""
    rows: list[dict[str, Any]] = []
    for name, value in zip(placeholders(body), values, strict=True):
        row: dict[str, Any] = {"type": "text", "text": value}
        rows.append(row if name.isdecimal() else {**row, "parameter_name": name})
    return rows


def template_in(row: Any) -> TemplateInfo | None:
    """Return the template of an object of Meta's, or None without a name or a body."""
    row = as_dict(row)
    name, body, header, buttons = as_text(row.get("name")), as_text(row.get("body")) or "", "", []
    for component in map(as_dict, as_list(row.get("components"))):
        kind = (as_text(component.get("type")) or "").upper()
        if kind == "BODY":
            body = as_text(component.get("text")) or ""
        elif kind == "HEADER":
            header = as_text(component.get("text")) or ""
        elif kind == "BUTTONS":
            buttons = [as_text(as_dict(button).get("text")) for button in as_list(component.get("buttons"))]
    if not name or not body:
        return None
    reason = as_text(row.get("rejected_reason")) or ""
    return TemplateInfo(
        template_id=as_id(row.get("id")) or "",
        name=name,
        language=as_text(row.get("language")) or "",
        category=(as_text(row.get("category")) or "").upper(),
        status=(as_text(row.get("status")) or "").upper(),
        body=body,
        buttons=tuple(title for title in buttons if title),
        reason="" if reason.upper() == "NONE" else reason,
        header=header or as_text(row.get("header")) or "",
    )
