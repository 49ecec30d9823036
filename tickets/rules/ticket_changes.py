"""Split a ticket in two, merge two that follow each other, and undo either: what becomes of them. Pure.

The later part has the state. It is the one that is open, assigned and answered, so that splitting the current ticket
leaves the conversation as it was, and merging into the ticket before does too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto

#: From the least urgent to the most urgent.
PRIORITIES = ("low", "normal", "high", "urgent")

#: Where a message stands in its thread: its time by Meta's clock, then its id.
Place = tuple[datetime, int]


class Obstacle(StrEnum):
    """Why a ticket cannot be split or merged, or a change not be undone."""

    NO_MESSAGE = auto()  # a note or an event: a ticket begins with a message
    UNSENT = auto()  # a reply that has not reached the customer
    FIRST = auto()  # nothing is before it
    NO_EARLIER = auto()  # there is no ticket before
    UNDONE = auto()  # it was undone already
    GONE = auto()  # one of the tickets is not there any more
    CHANGED_AGAIN = auto()  # one of the tickets was split or merged since
    FACTS_CHANGED = auto()  # labels, priority or subject were changed since
    BETWEEN = auto()  # another ticket stands between the two
    NOTHING_LEFT = auto()  # one part would have no message


@dataclass(frozen=True)
class Facts:
    """What agents say of a ticket, and its state. `labels`, `department` and `assignee` are ids.

    `fields` are the values of its custom fields: id of the field, the value, and what it is found by.
    """

    subject: str = ""
    subject_is_own: bool = False
    priority: str = "normal"
    labels: frozenset[int] = frozenset()
    status: str = "open"
    closed_at: datetime | None = None
    department: int = 0
    assignee: int | None = None
    fields: frozenset[tuple[int, str, str]] = frozenset()


def split(whole: Facts) -> tuple[Facts, Facts]:
    """Return the facts of the earlier and of the later part: the same, but a subject of an agent stays with the first.

    Without a subject of an agent each has that of its first message.
    """
    return whole, replace(whole, subject="", subject_is_own=False)


def merge(earlier: Facts, later: Facts) -> Facts:
    """Return the facts of both tickets as one: state, department and assignee of the later one.

    It has all labels, the higher priority, and the subject that an agent wrote: that of the earlier one if both have.
    Of a custom field it has the later value.
    """
    filled = {field for field, _text, _lookup in later.fields}
    subject = earlier if earlier.subject_is_own or not later.subject_is_own else later
    return replace(
        later,
        subject=subject.subject,
        subject_is_own=subject.subject_is_own,
        priority=max(earlier.priority, later.priority, key=PRIORITIES.index),
        labels=earlier.labels | later.labels,
        fields=later.fields | {value for value in earlier.fields if value[0] not in filled},
    )


def unmerge(earlier: Facts, later: Facts, now: Facts) -> tuple[Facts, Facts]:
    """Return the facts of both tickets again. The later one has the state of `now`, the merged one."""
    state = replace(later, status=now.status, closed_at=now.closed_at, department=now.department, assignee=now.assignee)
    return earlier, state


def unsplit(whole: Facts, later: Facts) -> Facts:
    """Return the facts of the ticket that was split, with the state that the later part has now."""
    return replace(
        whole, status=later.status, closed_at=later.closed_at, department=later.department, assignee=later.assignee
    )


def why_not_split(messages_before: bool, *, is_message: bool, was_sent: bool) -> Obstacle | None:
    """Return why no new ticket can begin with a line of a ticket; None: it can.

    `messages_before` says whether the ticket has a message before it, `was_sent` that it is the customer's or has
    perhaps reached them: another reply may still be discarded or move to the end of the thread.
    """
    if not is_message:
        return Obstacle.NO_MESSAGE
    if not was_sent:
        return Obstacle.UNSENT
    return None if messages_before else Obstacle.FIRST


def same_words(
    expected: Facts, now: Facts, existing_labels: Collection[int], existing_fields: Collection[int] = ()
) -> bool:
    """Return whether agents have changed neither labels, priority, fields nor subject.

    A label or a field that was deleted is no change. The subject counts only where an agent wrote it: else it follows
    the first message.
    """
    words = (now.priority, now.labels, now.fields, now.subject_is_own, now.subject if now.subject_is_own else "")
    return words == (
        expected.priority,
        expected.labels & frozenset(existing_labels),
        frozenset(value for value in expected.fields if value[0] in existing_fields),
        expected.subject_is_own,
        expected.subject if expected.subject_is_own else "",
    )


def earlier_of(order: Sequence[int], ticket: int) -> int | None:
    """Return the ticket before `ticket` in `order`, the ids of a conversation's tickets by their beginning."""
    position = order.index(ticket) if ticket in order else 0
    return order[position - 1] if position else None


def stand_together(order: Sequence[int], earlier: int, later: int) -> bool:
    """Return whether no other ticket stands between the two."""
    return earlier_of(order, later) == earlier
