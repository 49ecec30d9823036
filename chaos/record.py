"""What the sandbox has and what Desk has, in the same terms. A token in each text says which message it is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r"\[([a-z]+-\d+)\]")


def token_of(text: str | None) -> str:
    """Return the token in a text, "" when there is none."""
    found = TOKEN.search(text or "")
    return found[1] if found else ""


@dataclass(frozen=True)
class Said:
    """A message as the sandbox has it. `at` is its time in ms; `is_ours`: this app sent it."""

    token: str
    mid: str
    at: int
    text: str
    from_page: bool = False
    is_ours: bool = False
    is_delivered: bool = True


@dataclass(frozen=True)
class Stored:
    """A message as Desk has it: a row of its table. `at` is its time in ms."""

    id: int
    token: str
    mid: str | None
    at: int
    text: str
    direction: str
    state: str
    ticket: int | None
    reason: str = ""


@dataclass(frozen=True)
class Asked:
    """A reply that Desk took (201): sent between `began` and `answered`, ms. `number` is its place among the replies to
    this customer.
    """

    psid: str
    token: str
    number: int
    began: int
    answered: int


@dataclass
class Evidence:
    """Everything that is counted after a round. Keys are PSIDs; the messages of each are in the order of the sandbox.

    `read_until` (ms) is the newest read receipt that the customer sent, `waiting` whether Desk says that they wait for
    a reply. `in_journal` are the tokens of messages that wait in Desk's journal. `left_over` has a sentence for each
    piece of work that did not end, `findings` those of verify_integrity.
    """

    said: dict[str, list[Said]] = field(default_factory=dict)
    stored: dict[str, list[Stored]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    read_until: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, bool] = field(default_factory=dict)
    in_journal: set[str] = field(default_factory=set)
    left_over: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def said_in(world: dict[str, Any], psids: Iterable[str], app_id: str) -> dict[str, list[Said]]:
    """Return the messages of these customers from the answer of GET /_sandbox/world."""
    wanted = set(psids)
    return {
        conversation["psid"]: [
            Said(
                token=token_of(message["text"]),
                mid=message["mid"],
                at=message["ts"],
                text=message["text"] or "",
                from_page=message["from"] == "page",
                is_ours=message["app_id"] == app_id,
                is_delivered=bool(message.get("delivered_at")),
            )
            for message in conversation["messages"]
        ]
        for conversation in world["conversations"]
        if conversation["psid"] in wanted
    }


def stored_in(rows: Iterable[dict[str, Any]]) -> dict[str, list[Stored]]:
    """Return the rows of chaos.functions.stored by PSID, in the order of Desk's thread."""
    found: dict[str, list[Stored]] = {}
    for row in rows:
        psid, text = row.pop("psid"), row["text"]
        found.setdefault(psid, []).append(Stored(token=token_of(text), **row))
    for messages in found.values():
        messages.sort(key=lambda message: (message.at, message.id))
    return found
