"""Find who is mentioned in a note, and divide its text into what is a mention and what is not. Pure.

A mention is "@" and the name of an agent or a department. Whoever writes chooses the target by its id; the text has the
name as it was then, and the stored spans say which part of it stands for which id.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

AGENT, DEPARTMENT = "agent", "department"
MARK = "@"
MAX_TARGETS = 20  # agents and departments that one note mentions
_KEY = re.compile(rf"({AGENT}|{DEPARTMENT})-([0-9]{{1,18}})", re.ASCII)
_UNSPACED_FROM = 0x2E80  # from here on are scripts that do not divide their words by spaces
_INSIDE_ADDRESSES = frozenset("._%+-/@")


@dataclass(frozen=True, order=True)
class Target:
    """Who is mentioned: `kind` is AGENT or DEPARTMENT, `pk` the id of the user or department."""

    kind: str
    pk: int

    @property
    def key(self) -> str:
        """Return the form in which pages send it: agent-5, department-2."""
        return f"{self.kind}-{self.pk}"


@dataclass(frozen=True)
class Span:
    """A mention in a text: `name` as it was written, without the mark; `start` and `length` in code points, with it.

    `is_told` says whether anybody was notified; `agent_id` is the agent of a user, for clients of the API.
    """

    target: Target
    name: str
    start: int
    is_told: bool = True
    agent_id: int | None = None

    @property
    def length(self) -> int:
        return len(MARK) + len(self.name)


def parse_key(text: str) -> Target | None:
    """Return the target that `agent-5` or `department-2` names, or None."""
    found = _KEY.fullmatch(text)
    return Target(found[1], int(found[2])) if found else None


def find(text: str, names: Iterable[tuple[Target, str]]) -> list[Span]:
    """Return every place of `text` that mentions one of these targets by this name, in order and without overlaps.

    The longest name wins. An address such as ana@example.com is no mention, nor is the beginning of a longer word.
    """
    known = sorted(((name, target) for target, name in names if name), key=lambda one: -len(one[0]))
    spans, at = [], text.find(MARK)
    while at >= 0:
        after = at + len(MARK)
        span = None
        if _begins(text, at):
            span = next(
                (
                    Span(target, name, at)
                    for name, target in known
                    if text.startswith(name, after) and _ends(text, after + len(name))
                ),
                None,
            )
        if span:
            spans.append(span)
        at = text.find(MARK, at + span.length if span else after)
    return spans


def _begins(text: str, at: int) -> bool:
    before = text[at - 1] if at else " "
    return not (before in _INSIDE_ADDRESSES or before == "_" or _continues(before))


def _ends(text: str, at: int) -> bool:
    return at >= len(text) or not (_continues(text[at]) or text[at] == "_")


def _continues(character: str) -> bool:
    """Return whether the character belongs to a word that goes on."""
    return character.isalnum() and ord(character) < _UNSPACED_FROM


def pieces(text: str, spans: Sequence[Span]) -> list[tuple[str, Span | None]]:
    """Return the text in pieces, each with its span when it is a mention; joined they are the text.

    Spans that do not fit the text are left out.
    """
    parts: list[tuple[str, Span | None]] = []
    end = 0
    for span in sorted(spans, key=lambda one: one.start):
        stop = span.start + span.length
        if span.start < max(end, 0) or text[span.start : stop] != MARK + span.name:
            continue
        if span.start > end:
            parts.append((text[end : span.start], None))
        parts.append((text[span.start : stop], span))
        end = stop
    if end < len(text):
        parts.append((text[end:], None))
    return parts


def to_stored(spans: Iterable[Span]) -> list[dict[str, Any]] | None:
    """Return the spans as a message stores them; None when there are none."""
    rows = [
        {
            "kind": span.target.kind,
            "id": span.target.pk,
            "name": span.name,
            "start": span.start,
            "notified": span.is_told,
            "agent": span.agent_id,
        }
        for span in spans
    ]
    return rows or None


def from_stored(rows: Any) -> list[Span]:
    """Return the spans that a message stores; rows that are none are left out."""
    spans = []
    for row in rows if isinstance(rows, list) else ():
        try:
            target = Target(row["kind"], row["id"])
            span = Span(target, row["name"], row["start"], bool(row.get("notified", True)), row.get("agent"))
        except (KeyError, TypeError, AttributeError):
            continue
        types: list[tuple[Any, type]] = [(target.pk, int), (span.start, int), (span.name, str), (target.kind, str)]
        if all(isinstance(value, kind) for value, kind in types) and target.kind in (AGENT, DEPARTMENT):
            spans.append(span)
    return spans
