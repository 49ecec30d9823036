"""Choose the next piece of claimed deliveries: which events are processed now, and in which transactions.

A delivery can have thousands of events, and others wait behind it. So each delivery of a batch has at most
MAX_EVENTS_PER_DELIVERY events processed before the others that wait have their turn; the rest is the next piece.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection

from channels_im.services.journal.processing import DeliveryEvent, EventState
from channels_im.services.journal.store import Sender

MAX_EVENTS_PER_DELIVERY = 200  # about a second
MAX_EVENTS_PER_TRANSACTION = 10  # SQLite has one writer, and the webhook waits for it
MAX_EVENTS_PER_SET = {"sqlite": 50, "postgresql": 200}  # processed together, they lock SQLite no longer than that


@dataclass
class SenderGroup:
    """Events of one sender, in Meta's order."""

    sender: Sender
    events: list[DeliveryEvent]

    def reset(self) -> None:
        """Forget what a transaction has done that was rolled back."""
        for event in self.events:
            if event.state is EventState.DONE:
                event.state = EventState.OPEN


@dataclass
class Piece:
    """Iterate over the transactions of one piece; each is a list of groups with different senders.

    `waiting` are the events of each sender in Meta's order, the senders in the order in which they are served. Each
    sender has one transaction's worth of events per round, so that one with many does not delay the others. A sender
    whose next event belongs to a delivery that has had its share waits, so that their events stay in order.
    """

    waiting: Mapping[Sender, Sequence[DeliveryEvent]]
    taken: Counter[int] = field(default_factory=Counter)  # events by primary key of the delivery

    def sets(self) -> Iterator[list[list[SenderGroup]]]:
        """Yield the transactions in sets that may be processed together."""
        chosen: list[list[SenderGroup]] = []
        size, most = 0, MAX_EVENTS_PER_SET[connection.vendor]
        for groups in self.transactions():
            count = sum(len(group.events) for group in groups)
            if size + count > most:
                yield chosen
                chosen, size = [], 0
            chosen.append(groups)
            size += count
        if chosen:
            yield chosen

    def transactions(self) -> Iterator[list[SenderGroup]]:
        """Yield the groups of each transaction.

        All workers use one order inside a transaction: one that holds a sender's lock never waits for an earlier one.
        """
        queues = [(sender, deque(events)) for sender, events in self.waiting.items()]
        while queues:
            groups: list[SenderGroup] = []
            for sender, events in queues:
                chosen = self._choose(events)
                if not chosen:
                    continue
                if groups and sum(len(group.events) for group in groups) + len(chosen) > MAX_EVENTS_PER_TRANSACTION:
                    yield sorted(groups, key=lock_order)
                    groups = []
                groups.append(SenderGroup(sender, chosen))
            if not groups:
                return
            yield sorted(groups, key=lock_order)
            queues = [(sender, events) for sender, events in queues if events]

    def _choose(self, events: deque[DeliveryEvent]) -> list[DeliveryEvent]:
        chosen: list[DeliveryEvent] = []
        while events and len(chosen) < MAX_EVENTS_PER_TRANSACTION:
            if self.taken[events[0].delivery.pk] >= MAX_EVENTS_PER_DELIVERY:
                break
            self.taken[events[0].delivery.pk] += 1
            chosen.append(events.popleft())
        return chosen


def lock_order(group: SenderGroup) -> tuple[str, str]:
    """Return the key by which the groups of a transaction are sorted."""
    return group.sender.page.page_id, str(group.sender.psid)
