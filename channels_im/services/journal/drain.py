"""Drain the journal: claim deliveries, sort their events by Meta's time, and pass them to the receiver.

New deliveries are processed in batches, a few senders per transaction. A delivery that was tried before failed or
killed the worker, so it is processed alone, event by event (retry_one.py).
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction

from channels_im.models import WebhookDelivery
from channels_im.services.journal import retry_one, routing, store
from channels_im.services.journal.processing import (
    DeliveryEvent,
    EventState,
    read_delivery,
    save_results,
    should_process,
    update_pages,
)
from channels_im.services.journal.routing import UNKNOWN_PAGE
from channels_im.services.journal.store import IncomingEvent, Sender
from desk import logs
from desk.live import publish
from desk.queue import enqueue

logger = logging.getLogger(__name__)

BATCH_SIZE = 100  # deliveries
MAX_EVENTS_PER_TRANSACTION = 10  # SQLite has one writer, and the webhook waits for it
MAX_RUN_S = 20  # well below the time-out of a task (Q_CLUSTER): the rest is for the next run


@dataclass
class SenderGroup:
    """Events of one sender, in Meta's order."""

    sender: Sender
    events: list[DeliveryEvent]

    def reset(self) -> None:
        """Forget the results of a transaction that was rolled back."""
        for event in self.events:
            event.state, event.tries, event.error = EventState.OPEN, 0, ""


def drain_journal() -> int:
    """Process all deliveries that are due; return how many.

    Stops after MAX_RUN_S seconds and enqueues itself for the rest.
    """
    began = time.monotonic()
    count = 0
    while time.monotonic() - began < MAX_RUN_S:
        batch = store.claim_new(BATCH_SIZE)
        with _release_on_database_error(batch):
            process_batch(batch)
        retried = store.claim_retry()
        if retried:
            with _release_on_database_error([retried]):
                retry_one.process(retried)
        if not batch and not retried:
            return count
        count += len(batch) + bool(retried)
    enqueue(store.TASK)
    return count


@contextmanager
def _release_on_database_error(claimed: list[WebhookDelivery]) -> Iterator[None]:
    """Release the claims when the database connection fails, if the database can be reached again at once."""
    try:
        yield
    except DatabaseError:
        connection.close()
        store.claims.release(claimed)
        raise


def process_batch(batch: list[WebhookDelivery]) -> None:
    """Process claimed deliveries together: their events grouped by sender, sorted by Meta's time."""
    deliveries = [read_delivery(delivery) for delivery in batch]
    open_events = [event for delivery in deliveries for event in delivery.open_events]
    routes = routing.routes_for(event.page_id for event in open_events)
    by_sender: dict[tuple[str, str | None], list[DeliveryEvent]] = {}
    for event in sorted(open_events, key=lambda event: event.order):
        if should_process(event, routes.get(event.page_id, UNKNOWN_PAGE)):
            by_sender.setdefault((event.page_id, event.psid), []).append(event)
    # All workers use one order: a worker that holds one sender's lock never waits for one earlier in that order.
    waiting = deque(
        SenderGroup(routes[page_id].sender(psid), by_sender[page_id, psid][begin : begin + MAX_EVENTS_PER_TRANSACTION])
        for page_id, psid in sorted(by_sender, key=str)
        for begin in range(0, len(by_sender[page_id, psid]), MAX_EVENTS_PER_TRANSACTION)
    )
    while waiting:
        _process_together(_next_groups(waiting))
    store.receiver().after_batch()
    update_pages(deliveries, routes)
    save_results(deliveries)


def _next_groups(waiting: deque[SenderGroup]) -> list[SenderGroup]:
    """Remove the groups of one transaction from the queue.

    They have different senders and at most MAX_EVENTS_PER_TRANSACTION events together.
    """
    groups = [waiting.popleft()]
    while waiting and waiting[0].sender != groups[-1].sender:
        if sum(len(group.events) for group in groups) + len(waiting[0].events) > MAX_EVENTS_PER_TRANSACTION:
            break
        groups.append(waiting.popleft())
    return groups


def _process_together(groups: list[SenderGroup]) -> None:
    """Process groups in one transaction without savepoints; when anything fails, process their events one by one."""
    try:
        with transaction.atomic(), publish.batched():
            handlers = store.receiver().receive([group.sender for group in groups])
            for group, handle in zip(groups, handlers, strict=True):
                for event in group.events:
                    with logs.working_on(delivery_id=event.delivery_id):
                        handle(event.incoming)
                    event.state = EventState.DONE
    except Exception as error:
        if not connection.is_usable():
            raise
        # What fails for good, fails again alone and is logged there with its traceback.
        logger.info("Processing events together failed; processing them one by one (%s)", logs.summary(error))
        for group in groups:
            group.reset()
            _process_one_by_one(group)


def _process_one_by_one(group: SenderGroup) -> None:
    """Process the events of one sender in one transaction, each in its own savepoint, so that one can fail alone."""
    try:
        with transaction.atomic(), publish.batched():
            handle = _handler_of(group.sender)
            for event in group.events:
                try:
                    with transaction.atomic(), logs.working_on(delivery_id=event.delivery_id):
                        handle(event.incoming)
                    event.state = EventState.DONE
                except Exception as error:
                    _record_failure(event, error)
                    handle = _handler_of(group.sender)
    except Exception as error:
        if not connection.is_usable():
            raise
        for event in group.events:
            if event.state is not EventState.FAILED:
                _record_failure(event, error)


def _handler_of(sender: Sender) -> Callable[[IncomingEvent], None]:
    (handle,) = store.receiver().receive([sender], isolated=True)
    return handle


def _record_failure(event: DeliveryEvent, error: Exception) -> None:
    event.tries += 1
    event.record_failure(error)
    with logs.working_on(delivery_id=event.delivery_id):
        logger.warning("Processing a %s failed", event.kind, exc_info=error)
