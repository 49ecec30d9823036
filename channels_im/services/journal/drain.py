"""The journal's drain: claimed deliveries, to events in Meta's order, to whoever takes them in.

New deliveries go in batches, a few customers per transaction. What was tried before goes alone, event by event
(careful.py): it failed, or it killed the worker.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction

from channels_im.models import WebhookDelivery
from channels_im.services.journal import claims, retry_one, routing, store
from channels_im.services.journal.processing import (
    DeliveryEvent,
    EventState,
    apply_routes,
    is_to_be_processed,
    read_delivery,
    settle,
)
from channels_im.services.journal.routing import UNKNOWN_PAGE
from channels_im.services.journal.store import IncomingEvent, Sender
from desk.live import publish
from desk.queue import enqueue

logger = logging.getLogger(__name__)

BATCH = 100
MAX_EVENTS = 10  # per transaction: SQLite has one writer, and the webhook waits for it
MAX_RUN_S = 20  # well below the time-out of a task (Q_CLUSTER): the rest is for the next run


@dataclass
class Group:
    """Events of one sender, in Meta's order."""

    sender: Sender
    entries: list[DeliveryEvent]

    def start_over(self) -> None:
        """Forget what a transaction that was rolled back had made of the events."""
        for entry in self.entries:
            entry.fate, entry.tries, entry.error = EventState.OPEN, 0, ""


def drain_journal() -> int:
    """Take in everything that is due; return how many deliveries were. Stops after a while and nudges itself."""
    began = time.monotonic()
    count = 0
    while time.monotonic() - began < MAX_RUN_S:
        batch = claims.claim_new(BATCH)
        with _release_on_database_error(batch):
            process_batch(batch)
        again = claims.claim_one_again()
        if again:
            with _release_on_database_error([again]):
                retry_one.process(again)
        if not batch and not again:
            return count
        count += len(batch) + bool(again)
    enqueue(store.TASK)
    return count


@contextmanager
def _release_on_database_error(claimed: list[WebhookDelivery]) -> Iterator[None]:
    """When the database goes away, give the claims back as soon as it is there again, if that is at once."""
    try:
        yield
    except DatabaseError:
        connection.close()
        claims.release(claimed)
        raise


def process_batch(batch: list[WebhookDelivery]) -> None:
    """Take in claimed deliveries together: their events by customer, sorted by Meta's time."""
    opened = [read_delivery(delivery) for delivery in batch]
    known = routing.routes_for(entry.incoming.event.page_id for each in opened for entry in each.left)
    groups: dict[tuple[str, str | None], list[DeliveryEvent]] = {}
    for entry in sorted((entry for each in opened for entry in each.left), key=lambda entry: entry.order):
        event = entry.incoming.event
        if is_to_be_processed(entry, known.get(event.page_id, UNKNOWN_PAGE)):
            groups.setdefault((event.page_id, event.psid), []).append(entry)
    # One order for all workers: whoever holds one customer never waits for one who comes earlier in it.
    waiting = deque(
        Group(known[page_id].sender(psid), groups[page_id, psid][begin : begin + MAX_EVENTS])
        for page_id, psid in sorted(groups, key=str)
        for begin in range(0, len(groups[page_id, psid]), MAX_EVENTS)
    )
    while waiting:
        _process_together(_next_groups(waiting))
    store.receiver().after_batch()
    apply_routes(opened, known)
    settle(opened)


def _next_groups(waiting: deque[Group]) -> list[Group]:
    """Take the groups of one transaction off the queue: different senders, about MOST_EVENTS events in all."""
    few = [waiting.popleft()]
    while waiting and waiting[0].sender != few[-1].sender:
        if sum(len(group.entries) for group in few) + len(waiting[0].entries) > MAX_EVENTS:
            break
        few.append(waiting.popleft())
    return few


def _process_together(groups: list[Group]) -> None:
    """Take in a few groups in one transaction without savepoints; when anything in it fails, again with all care."""
    try:
        with transaction.atomic(), publish.batched():
            takes = store.receiver().receive([group.sender for group in groups])
            for group, take in zip(groups, takes, strict=True):
                for entry in group.entries:
                    take(entry.incoming)
                    entry.fate = EventState.DONE
    except Exception as error:
        if not connection.is_usable():
            raise
        logger.info("Events are taken in one by one: together it failed", exc_info=error)
        for group in groups:
            group.start_over()
            _process_one_by_one(group)


def _process_one_by_one(group: Group) -> None:
    """Take in the events of one sender in one transaction, each in a savepoint of its own: one may fail alone."""
    try:
        with transaction.atomic(), publish.batched():
            take = _receiver_of_one(group.sender)
            for entry in group.entries:
                try:
                    with transaction.atomic():
                        take(entry.incoming)
                    entry.fate = EventState.DONE
                except Exception as error:
                    _failed(entry, error)
                    take = _receiver_of_one(group.sender)
    except Exception as error:
        if not connection.is_usable():
            raise
        for entry in group.entries:
            if entry.fate is not EventState.FAILED:
                _failed(entry, error)


def _receiver_of_one(sender: Sender) -> Callable[[IncomingEvent], None]:
    (take,) = store.receiver().receive([sender], isolated=True)
    return take


def _failed(entry: DeliveryEvent, error: Exception) -> None:
    entry.tries += 1
    entry.failed_with(error)
    logger.warning("A %s could not be taken in", type(entry.incoming.event).__name__, exc_info=error)
