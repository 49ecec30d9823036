"""Macros: which actions one may have, in which order, and how they are stored. Pure.

A macro is valid when each of its actions is still true after the last one: none undoes what another one did.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from desk.sentences import counted, sentence
from tickets.rules.sending import MAX_TEXT_CHARACTERS
from tickets.rules.snoozing import Choice

MOST_ACTIONS = 20
MOST_LABELS = 20  # in one action
NOTE_LIMIT = 20_000  # characters
SUBJECT_LIMIT = 80  # characters
PRIORITIES = ("low", "normal", "high", "urgent")
#: A macro is run later, on many conversations: it names no time of its own.
SNOOZES = tuple(choice for choice in Choice if choice is not Choice.TIME)


class Do(StrEnum):
    """The kinds of actions; the values are those of the form, the API and the database."""

    REPLY = "reply"
    NOTE = "note"
    ASSIGN = "assign"
    PRIORITY = "priority"
    ADD_LABELS = "add_labels"
    REMOVE_LABELS = "remove_labels"
    SUBJECT = "subject"
    SNOOZE = "snooze"
    REOPEN = "reopen"
    CLOSE = "close"
    UNREAD = "unread"


class To(StrEnum):
    """To whom an action assigns the conversation."""

    ME = "me"
    AGENT = "agent"
    DEPARTMENT = "department"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Action:
    """One action. `text` is that of a reply, note or subject; `value` a priority or a choice of snoozing.

    `target` is the id of the agent (a user) or of the department, `labels` are ids. What the kind does not need is
    empty. `unknown` is the kind of an action that this version of Desk does not know; `do` is None then.
    """

    do: Do | None
    text: str = ""
    value: str = ""
    to: To | None = None
    target: int | None = None
    labels: tuple[int, ...] = ()
    unknown: str = ""

    def stored(self) -> dict[str, Any]:
        """Return the JSON object that `parse` reads."""
        if self.do is None:
            return {"do": self.unknown}
        row: dict[str, Any] = {"do": self.do.value}
        if self.do in TEXTS:
            row["text"] = self.text
        elif self.do in (Do.PRIORITY, Do.SNOOZE):
            row["value"] = self.value
        elif self.do is Do.ASSIGN:
            row["to"] = self.to.value if self.to else ""
            if self.to in (To.AGENT, To.DEPARTMENT):
                row["id"] = self.target
        elif self.do in LABELS:
            row["labels"] = list(self.labels)
        return row


@dataclass(frozen=True)
class Problem:
    """Why a macro cannot be saved or run; `index` is that of the action, None for the whole."""

    index: int | None
    sentence: str


@dataclass(frozen=True)
class References:
    """The ids of what actions name."""

    labels: frozenset[int] = frozenset()
    agents: frozenset[int] = frozenset()
    departments: frozenset[int] = frozenset()


TEXTS = (Do.REPLY, Do.NOTE, Do.SUBJECT)
LABELS = (Do.ADD_LABELS, Do.REMOVE_LABELS)
LIMITS = {Do.REPLY: MAX_TEXT_CHARACTERS, Do.NOTE: NOTE_LIMIT, Do.SUBJECT: SUBJECT_LIMIT}
UNKNOWN = sentence("This version of Desk does not know this action. It was made by a newer one; remove it.")
TWICE = sentence("The macro has this action already. Keep one of the two.")

Test = Callable[[Action], bool]


def _is(*kinds: Do) -> Test:
    return lambda action: action.do in kinds


def _moves(action: Action) -> bool:
    return action.do is Do.ASSIGN and action.to is To.DEPARTMENT


def _gives(action: Action) -> bool:
    return action.do is Do.ASSIGN and action.to is not To.DEPARTMENT


def _shows_a_colleague(action: Action) -> bool:
    return action.do is Do.ASSIGN and action.to in (To.AGENT, To.DEPARTMENT)


#: Two actions that cannot be in one macro.
CONTRADICTIONS: tuple[tuple[Test, Test, str], ...] = (
    (_is(Do.CLOSE), _is(Do.SNOOZE), sentence("A closed ticket cannot be snoozed. Keep “Close” or “Snooze”.")),
    (_is(Do.CLOSE), _is(Do.REOPEN), sentence("“Close” and “Reopen” contradict each other. Keep one of them.")),
)
#: Two actions of which the first must stand before the second.
ORDER: tuple[tuple[Test, Test, str], ...] = (
    (_is(Do.REPLY), _is(Do.CLOSE), sentence("Put the reply before “Close”.")),
    (
        _is(Do.REPLY),
        _shows_a_colleague,
        sentence("Put the reply before assigning: afterwards you may not be an agent of the conversation any more."),
    ),
    (_moves, _gives, sentence("Put the department before the agent: a transfer unassigns the conversation.")),
    (_is(Do.REOPEN), _is(Do.SNOOZE), sentence("Put “Reopen” before “Snooze”: a closed ticket cannot be snoozed.")),
    (
        _shows_a_colleague,
        _is(Do.SNOOZE),
        sentence("Put “Snooze” after assigning: a snooze ends when the conversation is assigned to somebody else."),
    ),
    (
        _is(Do.REPLY, Do.CLOSE),
        _is(Do.UNREAD),
        sentence("Put “Mark as unread” last: a reply and closing mark the conversation as read."),
    ),
)


def parse(stored: object) -> list[Action]:
    """Return the actions that the database or a client holds. Whatever is not one becomes an unknown action."""
    return [_parse_one(row) for row in stored] if isinstance(stored, list) else []


def _parse_one(row: object) -> Action:
    if not isinstance(row, dict) or row.get("do") not in tuple(Do):
        return Action(None, unknown=str(row.get("do", "") if isinstance(row, dict) else "")[:40])
    labels = row.get("labels")
    to, target = row.get("to"), row.get("id")
    return Action(
        Do(row["do"]),
        text=_text(row.get("text")),
        value=_text(row.get("value")),
        to=To(to) if to in tuple(To) else None,
        target=target if _is_id(target) else None,
        labels=tuple(dict.fromkeys(filter(_is_id, labels))) if isinstance(labels, list) else (),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def problems(actions: Sequence[Action]) -> list[Problem]:
    """Return all that is wrong with these actions, by their order; empty when the macro is valid."""
    found: list[Problem] = []
    if not actions:
        found.append(Problem(None, sentence("Add at least one action.")))
    if len(actions) > MOST_ACTIONS:
        found.append(Problem(None, sentence("A macro has at most %(most)s actions.", most=MOST_ACTIONS)))
    added: set[int] = set()
    removed: set[int] = set()
    for index, action in enumerate(actions):
        before = actions[:index]
        reasons = [_content_problem(action)]
        if any(_kind(action) == _kind(other) for other in before if action.do and other.do):
            reasons.append(TWICE)
        for one, other, reason in CONTRADICTIONS:
            if (other(action) and any(map(one, before))) or (one(action) and any(map(other, before))):
                reasons.append(reason)
        reasons += [reason for first, second, reason in ORDER if first(action) and any(map(second, before))]
        if action.do in LABELS:
            same, opposite = (added, removed) if action.do is Do.ADD_LABELS else (removed, added)
            same.update(action.labels)
            if opposite.intersection(action.labels):
                reasons.append(sentence("The macro adds and removes the same label. Keep one of the two."))
        found += [Problem(index, reason) for reason in reasons if reason]
    return found


def _kind(action: Action) -> tuple[Do | None, bool]:
    """Return what a macro has once: each kind, and a department besides a person."""
    return action.do, _moves(action)


def _content_problem(action: Action) -> str:
    """Return why this action alone cannot be run, or ""."""
    match action.do:
        case None:
            return UNKNOWN
        case Do.REPLY | Do.NOTE | Do.SUBJECT:
            limit = LIMITS[action.do]
            if not action.text.strip():
                return sentence("Write the text.")
            if len(action.text) > limit:
                return counted(
                    "The text has %(count)s character; at most %(most)s fit. Shorten it.",
                    "The text has %(count)s characters; at most %(most)s fit. Shorten it.",
                    len(action.text),
                    count=f"{len(action.text):,}",
                    most=f"{limit:,}",
                )
        case Do.ASSIGN:
            if action.to is None or (action.to in (To.AGENT, To.DEPARTMENT) and action.target is None):
                return sentence("Choose to whom the conversation is assigned.")
        case Do.PRIORITY if action.value not in PRIORITIES:
            return sentence("Choose a priority: low, normal, high or urgent.")
        case Do.SNOOZE if action.value not in SNOOZES:
            return sentence("Choose until when to snooze the conversation.")
        case Do.ADD_LABELS | Do.REMOVE_LABELS:
            if not action.labels:
                return sentence("Choose a label.")
            if len(action.labels) > MOST_LABELS:
                return sentence("Choose at most %(most)s labels.", most=MOST_LABELS)
    return ""


def in_order(actions: Iterable[Action]) -> list[Action]:
    """Return the actions in an order that ORDER allows; those that it does not mention stay where they are."""
    rest, ordered = list(actions), []
    while rest:
        position = next(index for index in range(len(rest)) if not _waits(rest[index], rest))
        ordered.append(rest.pop(position))
    return ordered


def _waits(action: Action, others: Iterable[Action]) -> bool:
    """Return whether ORDER wants one of the others before this action."""
    rest = [one for one in others if one is not action]
    return any(second(action) and any(map(first, rest)) for first, second, _reason in ORDER)


def references(actions: Iterable[Action]) -> References:
    """Return what the actions name: labels, agents and departments."""
    listed = list(actions)
    return References(
        frozenset(pk for one in listed for pk in one.labels if one.do in LABELS),
        frozenset(one.target for one in listed if one.to is To.AGENT and one.target is not None),
        frozenset(one.target for one in listed if one.to is To.DEPARTMENT and one.target is not None),
    )


def missing_in(action: Action, missing: References) -> list[tuple[str, int]]:
    """Return what this action names and is missing, as ("label", id), ("agent", id) or ("department", id)."""
    found = [("label", pk) for pk in action.labels if action.do in LABELS and pk in missing.labels]
    if action.to is To.AGENT and action.target in missing.agents:
        found.append(("agent", action.target or 0))
    if action.to is To.DEPARTMENT and action.target in missing.departments:
        found.append(("department", action.target or 0))
    return found


def with_label(actions: Iterable[Action], label: int, into: int) -> list[Action]:
    """Return the actions with the label `into` in the place of `label`, after the two were merged."""
    return [
        Action(one.do, one.text, one.value, one.to, one.target, _replaced(one.labels, label, into), one.unknown)
        for one in actions
    ]


def _replaced(labels: Collection[int], label: int, into: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys(into if pk == label else pk for pk in labels))
