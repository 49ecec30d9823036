"""What a message is in place of text and file: a sticker or a template, as `Message.sent_as` stores it. Pure.

{"sticker_id": Meta's id} or {"template": {"name", "language", "values"}}; None for any other message.
"""

from dataclasses import dataclass
from typing import Any

StoredForm = dict[str, Any]

MAX_STICKER_ID = 24  # digits


@dataclass(frozen=True)
class TemplateUse:
    """A template of the Page with the values of its placeholders, in their order."""

    name: str
    language: str
    values: tuple[str, ...] = ()


def of_sticker(sticker_id: str) -> StoredForm:
    """Return the form of a message that is a sticker."""
    return {"sticker_id": sticker_id}


def of_template(use: TemplateUse) -> StoredForm:
    """Return the form of a message that is made from a template."""
    return {"template": {"name": use.name, "language": use.language, "values": list(use.values)}}


def sticker_in(sent_as: Any) -> str:
    """Return Meta's id of the sticker, or ""."""
    value = sent_as.get("sticker_id") if isinstance(sent_as, dict) else None
    return str(value) if value else ""


def template_in(sent_as: Any) -> TemplateUse | None:
    """Return the template, or None when the message is none."""
    row = sent_as.get("template") if isinstance(sent_as, dict) else None
    if not isinstance(row, dict):
        return None
    values = row.get("values")
    return TemplateUse(
        str(row.get("name", "")),
        str(row.get("language", "")),
        tuple(map(str, values)) if isinstance(values, list) else (),
    )


def is_sticker_id(text: str) -> bool:
    """Return whether this can be Meta's id of a sticker."""
    return text.isascii() and text.isdecimal() and 0 < len(text) <= MAX_STICKER_ID
