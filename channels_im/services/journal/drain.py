"""Drain the journal: claim deliveries, sort their events by Meta's time, and pass them to the receiver.

New deliveries are processed in batches, a few senders per transaction, and those with very many events in pieces
(pieces.py). A delivery that was tried before failed or killed the worker, so it is processed alone, event by event
(retry_one.py).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

from channels_im.models import WebhookDelivery
from channels_im.services.journal import mentions, retry_one, routing, store
from channels_im.services.journal.pieces import MAX_EVENTS_PER_TRANSACTION, Piece, SenderGroup, lock_order
from channels_im.services.journal.processing import (
    DeliveryEvent,
    EventState,
    ParsedDelivery,
    give_back,
    read_delivery,
    save_results,
    should_process,
    update_pages,
)
from channels_im.services.journal.routing import UNKNOWN_PAGE
from channels_im.services.journal.store import IncomingEvent, Sender
from desk import logs, loops
from desk.live import publish

logger = logging.getLogger(__name__)

BATCH_SIZE = 200  # deliveries
MAX_PIECE_S = 5  # then the rest of the batch is given back, so that nobody waits longer for one with much work
MAX_RUN_S = 20  # well below the time-out of a task (Q_CLUSTER): the rest is for the next run


class ClaimLostError(Exception):
    """Another worker has reclaimed a delivery; what this one did with it is rolled back."""


def drain_journal() -> int:
    """Process all deliveries that are due; return how many.

    Stops after MAX_RUN_S seconds.
    """
    began = time.monotonic()
    count = 0
    while loops.may_go_on(began, MAX_RUN_S):
        batch = store.claim_new(BATCH_SIZE)
        with _release_on_database_error(batch):
            count += process_batch(batch)
        retried = store.claim_retry()
        if retried:
            with _release_on_database_error([retried]):
                retry_one.process(retried)
        if not batch and not retried:
            return count
        count += bool(retried)
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


def process_batch(batch: list[WebhookDelivery]) -> int:
    """Process claimed deliveries together: their events grouped by sender, sorted by Meta's time.

    Returns how many are finished. The others are given back: it will be the turn of their next piece.
    """
    deliveries = [read_delivery(delivery) for delivery in batch]
    open_events = [event for delivery in deliveries for event in delivery.open_events]
    routes = routing.routes_for(event.page_id for event in open_events)
    by_sender: dict[Sender, list[DeliveryEvent]] = {}
    for event in sorted(open_events, key=lambda event: event.order):
        route = routes.get(event.page_id, UNKNOWN_PAGE)
        if should_process(event, route):
            by_sender.setdefault(route.sender(event.psid), []).append(event)
    processing = _BatchProcessing(deliveries)
    for transactions in Piece({sender: by_sender[sender] for sender in _in_turn(by_sender)}).sets():
        processing.process_set(transactions)
        if processing.is_out_of_time:
            break
    store.receiver().after_batch()
    # After the messages, so that nobody waits for it to see them: until then an erasure reads the bodies themselves.
    mentions.record([(parsed.delivery, parsed.parsed_events) for parsed in deliveries])
    finished = [parsed for parsed in processing.held if not parsed.is_unfinished]
    update_pages(finished, routes)
    save_results(finished)
    give_back(parsed for parsed in processing.held if parsed.is_unfinished)
    return len(finished)


def _in_turn(by_sender: dict[Sender, list[DeliveryEvent]]) -> list[Sender]:
    """Return the senders in the order of service: first one of each delivery, the oldest first, then the next ones."""
    oldest = {sender: min(event.delivery.pk for event in events) for sender, events in by_sender.items()}
    before: Counter[int] = Counter()
    turn = {}
    for sender, pk in oldest.items():
        turn[sender] = (before[pk], pk)
        before[pk] += 1
    return sorted(by_sender, key=lambda sender: turn[sender])


class _BatchProcessing:
    """Process the transactions of a batch, and renew its claims by the clock."""

    def __init__(self, deliveries: list[ParsedDelivery]) -> None:
        self._deliveries = {parsed.delivery.pk: parsed for parsed in deliveries}
        self._began = self._renewed = time.monotonic()

    @property
    def held(self) -> list[ParsedDelivery]:
        """Return the deliveries that nobody has reclaimed."""
        return list(self._deliveries.values())

    @property
    def is_out_of_time(self) -> bool:
        return time.monotonic() - self._began >= MAX_PIECE_S

    def process_set(self, transactions: list[list[SenderGroup]]) -> None:
        """Process what the receiver can take together at once, and the rest in these transactions until time is up."""
        self._process_usual([group for groups in transactions for group in groups])
        for groups in transactions:
            self.process(groups)
            if self.is_out_of_time:
                return

    def _process_usual(self, groups: list[SenderGroup]) -> None:
        """Process the senders whose events are usual; the events of the others stay open, as all do on any failure."""
        self._renew()
        by_sender: dict[Sender, list[DeliveryEvent]] = {}
        for group in groups:
            if own := self._own(group.events):
                by_sender.setdefault(group.sender, []).extend(own)
        if not by_sender:
            return
        merged = sorted((SenderGroup(sender, events) for sender, events in by_sender.items()), key=lock_order)
        try:
            with transaction.atomic(), publish.batched():
                taken = store.receiver().take_set(
                    [(group.sender, [event.incoming for event in group.events]) for group in merged]
                )
                done = [group for group in merged if group.sender in taken]
                for group in done:
                    for event in group.events:
                        event.state = EventState.DONE
                self._save_progress(done)
        except Exception as error:
            if not connection.is_usable():
                raise
            logger.info("Processing a set failed; processing it in small transactions (%s)", logs.summary(error))
            for group in merged:
                group.reset()

    def process(self, groups: list[SenderGroup]) -> None:
        """Process groups of different senders, those of their events that are open and not reclaimed by others."""
        self._renew()
        groups = [SenderGroup(group.sender, self._own(group.events)) for group in groups]
        groups = [group for group in groups if group.events]
        if not groups:
            return
        try:
            self._process_together(groups)
        except ClaimLostError:
            for group in groups:
                group.reset()
            self.process(groups)

    def _own(self, events: list[DeliveryEvent]) -> list[DeliveryEvent]:
        return [event for event in events if event.state is EventState.OPEN and event.delivery.pk in self._deliveries]

    def _renew(self) -> None:
        if time.monotonic() - self._renewed < store.claims.renewal_s():
            return
        self._renewed = time.monotonic()
        held = store.claims.renew(parsed.delivery for parsed in self.held)
        self._deliveries = {pk: parsed for pk, parsed in self._deliveries.items() if pk in held}

    def _process_together(self, groups: list[SenderGroup]) -> None:
        """Process groups in one transaction without savepoints; when anything fails, process their events one by one.

        Raises ClaimLostError.
        """
        try:
            with transaction.atomic(), publish.batched():
                handlers = store.receiver().receive([group.sender for group in groups])
                for group, handle in zip(groups, handlers, strict=True):
                    for event in group.events:
                        with logs.working_on(delivery_id=event.delivery.pk):
                            handle(event.incoming)
                        event.state = EventState.DONE
                self._save_progress(groups)
        except ClaimLostError:
            raise
        except Exception as error:
            if not connection.is_usable():
                raise
            # What fails for good, fails again alone and is logged there with its traceback.
            logger.info("Processing events together failed; processing them one by one (%s)", logs.summary(error))
            for group in groups:
                group.reset()
            for group in groups:
                self._process_one_by_one(group)

    def _process_one_by_one(self, group: SenderGroup) -> None:
        """Process the events of one sender in one transaction, each in its own savepoint, so that one can fail alone.

        Raises ClaimLostError.
        """
        try:
            with transaction.atomic(), publish.batched():
                handle = _handler_of(group.sender)
                for event in group.events:
                    try:
                        with transaction.atomic(), logs.working_on(delivery_id=event.delivery.pk):
                            handle(event.incoming)
                        event.state = EventState.DONE
                    except Exception as error:
                        _record_failure(event, error)
                        handle = _handler_of(group.sender)
                self._save_progress([group])
        except ClaimLostError:
            raise
        except Exception as error:
            if not connection.is_usable():
                raise
            for event in group.events:
                if event.state is not EventState.FAILED:
                    _record_failure(event, error)

    def _save_progress(self, groups: list[SenderGroup]) -> None:
        """Save in the same transaction what it has done, so that it is not done again after a kill.

        Deliveries that fit into one transaction are left out: their result follows at once, and the receiver knows
        their events again. Raises ClaimLostError.
        """
        for pk in {event.delivery.pk for group in groups for event in group.events}:
            parsed = self._deliveries[pk]
            if len(parsed.events) > MAX_EVENTS_PER_TRANSACTION and not parsed.save_progress():
                del self._deliveries[pk]
                raise ClaimLostError


def _handler_of(sender: Sender) -> Callable[[IncomingEvent], None]:
    (handle,) = store.receiver().receive([sender], isolated=True)
    return handle


def _record_failure(event: DeliveryEvent, error: Exception) -> None:
    event.begin_try()
    event.record_failure(error)
    with logs.working_on(delivery_id=event.delivery.pk):
        logger.warning("Processing a %s failed", event.kind, exc_info=error)
