"""Compute what a conversation is from its messages: the row in the list, who waits since when, its tickets. Pure.

Everything follows from what was said and when, by Meta's clock, and never from the order in which Desk learned of it.
Of two messages of the same millisecond the one that was stored first comes first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

EVER = datetime.max.replace(tzinfo=UTC)


class LineKind(Enum):
    """What a line of the thread means for the conversation."""

    CUSTOMER = auto()  # the customer wrote
    IMPORTED = auto()  # the customer wrote it before the channel was created: nobody waits because of it
    REPLY = auto()  # an answer that was sent, is on its way, or may have been sent
    UNSENT = auto()  # a reply that failed or is held: it answers nothing
    ORIGIN = auto()  # an event of the customer, such as a referral: the list shows it while nobody has written
    CLOSED = auto()  # an agent closed the current ticket, which ends the waiting
    CLOSED_EARLIER = auto()  # an agent closed another ticket: only its own messages wait no more
    REOPENED = auto()  # an agent took the closing of this ticket back
    WOKEN = auto()  # a snooze ended at its time: the conversation comes to the top of the list
    OTHER = auto()  # notes, and what agents did


WRITTEN = frozenset({LineKind.CUSTOMER, LineKind.IMPORTED})  # by the customer
MESSAGES = WRITTEN | {LineKind.REPLY, LineKind.UNSENT}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a thread. `key` is its id, `at` its time by Meta's clock.

    `ticket` is its ticket's id, of a closing or reopening that of the ticket it was done to. It opened at
    `ticket_opened_at` and, unless it is open, was closed at `ticket_closed_at`. A reply of Desk answers only what the
    customer said until `answers_until`, when it was written, although Meta may have taken it later.
    """

    at: datetime
    key: int
    kind: LineKind
    ticket: int | None = None
    ticket_opened_at: datetime | None = None
    ticket_closed_at: datetime | None = None
    answers_until: datetime | None = None

    @property
    def place(self) -> tuple[datetime, int]:
        """Return where the line stands in the thread."""
        return self.at, self.key

    @property
    def answered(self) -> tuple[datetime, int]:
        """Return the place up to which this reply answers the customer."""
        return min(self.at, self.answers_until or self.at), self.key


@dataclass(frozen=True)
class ListRow:
    """What the list shows: the newest line, None without any, and since when the customer waits for a reply.

    `woken_at` is when a snooze ended after the newest line.
    """

    newest: Line | None = None
    waiting_since: datetime | None = None
    woken_at: datetime | None = None

    @property
    def at(self) -> datetime | None:
        """Return the time by which the list sorts the conversation."""
        if self.newest is None:
            return None
        return self.woken_at or self.newest.at


@dataclass(frozen=True)
class TicketTimes:
    """The times of a ticket's first and newest message, and the first one, which gives the ticket its subject."""

    opened_at: datetime
    last_message_at: datetime
    first: int


@dataclass(frozen=True)
class ConversationState:
    """Everything about a conversation that follows from its messages.

    What agents have read is written down nowhere but in the unread count, so that only its limit follows: `most_unread`
    allows one where there is nothing to read, because an agent can mark any conversation as unread.
    """

    row: ListRow = ListRow()
    message_count: int = 0
    customer_count: int = 0
    last_customer_message_at: datetime | None = None
    tickets: Mapping[int, TicketTimes] = field(default_factory=dict)

    @property
    def most_unread(self) -> int:
        """Return the highest possible unread count."""
        return max(self.customer_count, 1)


def state_of(lines: Sequence[Line]) -> ConversationState:
    """Return the state of the conversation with these lines, which may come in any order."""
    ordered = sorted(lines, key=lambda line: line.place)
    messages = [line for line in ordered if line.kind in MESSAGES]
    customer = [line for line in messages if line.kind in WRITTEN]
    tickets: dict[int, TicketTimes] = {}
    for line in messages:
        if line.ticket is not None:
            known = tickets.get(line.ticket)
            tickets[line.ticket] = (
                TicketTimes(known.opened_at, line.at, known.first) if known else TicketTimes(line.at, line.at, line.key)
            )
    return ConversationState(
        row=list_row(reversed(ordered)),
        message_count=len(messages),
        customer_count=len(customer),
        last_customer_message_at=customer[-1].at if customer else None,
        tickets=tickets,
    )


def list_row(newest_first: Iterable[Line]) -> ListRow:
    """Return the row of the conversation with these lines, newest first. Takes no more lines than it needs.

    The newest message is shown; while there is none, the newest event of the customer. The customer waits since their
    first message that no reply answers. Closing a ticket ends the waiting in it and in the tickets that opened before
    it, until the customer writes again or the agent takes it back. Closing an earlier ticket ends only the waiting in
    it: its messages are from before it was closed.
    """
    newest: Line | None = None
    origin: Line | None = None
    waiting_since: datetime | None = None
    answered: tuple[datetime, int] | None = None
    settled: datetime | None = None  # tickets that opened until then wait for nothing said before
    woken_at: datetime | None = None
    taken_back: Counter[int | None] = Counter()  # by ticket
    for line in newest_first:
        is_answered = answered is not None and line.place <= answered
        if newest is not None and (is_answered or (settled is not None and line.at <= settled)):
            break
        match line.kind:
            case LineKind.CUSTOMER:
                opened_at = line.ticket_opened_at or line.at
                is_settled = settled is not None and opened_at <= settled
                is_closed = line.ticket_closed_at is not None and line.at <= line.ticket_closed_at
                if not (is_answered or is_settled or is_closed):
                    waiting_since = line.at
            case LineKind.REPLY:
                answered = max(answered, line.answered) if answered else line.answered
            case LineKind.ORIGIN:
                origin = origin or line
            case LineKind.WOKEN if newest is None:
                woken_at = woken_at or line.at
            case LineKind.REOPENED:
                taken_back[line.ticket] += 1
            case LineKind.CLOSED | LineKind.CLOSED_EARLIER if taken_back[line.ticket]:
                taken_back[line.ticket] -= 1
            case LineKind.CLOSED:
                opened_at = line.ticket_opened_at or EVER
                settled = max(settled, opened_at) if settled else opened_at
        if line.kind in MESSAGES:
            newest = newest or line
    return ListRow(newest or origin, waiting_since, woken_at)
