"""The actions of macros in words: what will happen, what was done, and what the form calls them."""

from collections.abc import Iterable
from dataclasses import dataclass

from desk.sentences import sentence
from tickets.rules.macros import Action, Do, To
from tickets.rules.snoozing import Choice
from tickets.services.inbox.macros import Known

#: What the form and the API documentation call the kinds.
KINDS = {
    Do.REPLY: sentence("Reply"),
    Do.NOTE: sentence("Internal note"),
    Do.ASSIGN: sentence("Assign"),
    Do.PRIORITY: sentence("Set the priority"),
    Do.ADD_LABELS: sentence("Add labels"),
    Do.REMOVE_LABELS: sentence("Remove labels"),
    Do.SUBJECT: sentence("Set the subject"),
    Do.SNOOZE: sentence("Snooze"),
    Do.REOPEN: sentence("Reopen the ticket"),
    Do.CLOSE: sentence("Close the ticket"),
    Do.UNREAD: sentence("Mark as unread"),
}
SNOOZES = {
    Choice.LATER: sentence("In 3 hours"),
    Choice.TOMORROW: sentence("Tomorrow, 9:00"),
    Choice.MONDAY: sentence("Next Monday, 9:00"),
    Choice.BEFORE_CLOSING: sentence("Two hours before the window closes"),
    Choice.REPLY: sentence("Until they write"),
}
GONE = sentence("(deleted)")

_SNOOZE = {
    "later": (sentence("Snooze for 3 hours"), sentence("snoozed for 3 hours")),
    "tomorrow": (sentence("Snooze until tomorrow, 9:00"), sentence("snoozed until tomorrow, 9:00")),
    "monday": (sentence("Snooze until next Monday, 9:00"), sentence("snoozed until next Monday, 9:00")),
    "before_closing": (
        sentence("Snooze until two hours before the window closes"),
        sentence("snoozed until two hours before the window closes"),
    ),
    "reply": (sentence("Snooze until they write"), sentence("snoozed until they write")),
}
_PRIORITY = {
    "low": (sentence("Set the priority to low"), sentence("priority low")),
    "normal": (sentence("Set the priority to normal"), sentence("priority normal")),
    "high": (sentence("Set the priority to high"), sentence("priority high")),
    "urgent": (sentence("Set the priority to urgent"), sentence("priority urgent")),
}
_SIMPLE = {
    Do.REPLY: (sentence("Reply"), sentence("reply written")),
    Do.NOTE: (sentence("Add an internal note"), sentence("note added")),
    Do.REOPEN: (sentence("Reopen the ticket"), sentence("reopened")),
    Do.CLOSE: (sentence("Close the ticket"), sentence("closed")),
    Do.UNREAD: (sentence("Mark as unread"), sentence("marked as unread")),
}
_ASSIGN = {
    To.ME: (sentence("Assign to me"), sentence("assigned to you")),
    To.NOBODY: (sentence("Unassign"), sentence("unassigned")),
}


@dataclass(frozen=True)
class Words:
    """An action in words: as it will happen, and as it was done. Texts of desk.sentences."""

    will: str
    done: str


def words(action: Action, names: Known, subject: str | None = None) -> Words:
    """Return the words of an action; `subject` is the subject with its placeholders replaced."""
    match action.do:
        case None:
            unknown = sentence("Unknown action “%(name)s”", name=action.unknown)
            return Words(unknown, unknown)
        case Do.SNOOZE:
            return Words(*_SNOOZE.get(action.value, (KINDS[Do.SNOOZE], KINDS[Do.SNOOZE])))
        case Do.PRIORITY:
            return Words(*_PRIORITY.get(action.value, (KINDS[Do.PRIORITY], KINDS[Do.PRIORITY])))
        case Do.SUBJECT:
            text = action.text if subject is None else subject
            return Words(
                sentence("Set the subject to “%(subject)s”", subject=text),
                sentence("subject “%(subject)s”", subject=text),
            )
        case Do.ADD_LABELS:
            listed = _names(action.labels, names)
            return Words(
                sentence("Add the labels %(labels)s", labels=listed), sentence("labeled %(labels)s", labels=listed)
            )
        case Do.REMOVE_LABELS:
            listed = _names(action.labels, names)
            return Words(
                sentence("Remove the labels %(labels)s", labels=listed), sentence("without %(labels)s", labels=listed)
            )
        case Do.ASSIGN:
            return _assign(action, names)
    return Words(*_SIMPLE[action.do])


def _assign(action: Action, names: Known) -> Words:
    if action.to is To.DEPARTMENT:
        name = names.departments.get(action.target or 0, GONE)
        return Words(
            sentence("Transfer to %(department)s", department=name),
            sentence("transferred to %(department)s", department=name),
        )
    if action.to is To.AGENT:
        name = names.agents.get(action.target or 0, GONE)
        return Words(
            sentence("Assign to %(name)s", name=name),
            sentence("assigned to %(name)s", name=name),
        )
    return Words(*_ASSIGN.get(action.to or To.NOBODY, _ASSIGN[To.NOBODY]))


def _names(labels: Iterable[int], names: Known) -> str:
    return ", ".join(f"“{names.labels.get(pk, GONE)}”" for pk in labels)
