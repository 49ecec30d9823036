"""A claimed delivery while it is processed: its events, their states, and the resulting state of the delivery.

What is kept between two attempts, and between two pieces of an attempt, is in `progress.py`.
"""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import F
from django.utils import timezone

from channels_im.messenger.events import (
    Event,
    MessageReceived,
    Postback,
    UnreadableDeliveryError,
    parse_delivery,
)
from channels_im.models import Page, WebhookDelivery
from channels_im.services.journal import progress, routing, store
from channels_im.services.journal.routing import UNKNOWN_PAGE, Handling, Route
from channels_im.services.journal.store import IncomingEvent, UnusableEventError
from desk import metrics, timings
from desk.backoff import delay_after
from desk.sentences import counted, sentence

State = WebhookDelivery.State
WORKER_DIED = sentence("The worker died while it processed this event.")


class EventState(StrEnum):
    """How far the processing of an event is."""

    OPEN = "open"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    PARKED = "parked"
    IGNORED = "ignored"


SAVED_STATES = (EventState.DONE, EventState.WAITING, EventState.FAILED)
FINAL_STATES = (EventState.DONE, EventState.FAILED)


@dataclass(eq=False)
class DeliveryEvent:
    """One event of a delivery: its index there, how often it was tried, and its state.

    `attempt` is the attempt of the delivery (`WebhookDelivery.attempts`) in which the event was last tried.
    """

    index: int
    incoming: IncomingEvent
    delivery: WebhookDelivery
    state: EventState = EventState.OPEN
    tries: int = 0
    error: str = ""
    attempt: int = 0

    @property
    def page_id(self) -> str:
        """Return Meta's id of the Page."""
        return self.incoming.event.page_id

    @property
    def psid(self) -> str | None:
        """Return the page-scoped id of the customer, or None when the event names none."""
        return self.incoming.event.psid

    @property
    def kind(self) -> str:
        """Return the name of the event's class."""
        return type(self.incoming.event).__name__

    @property
    def order(self) -> tuple[datetime, str]:
        """Return the sort key: Meta's time, then the event's own key, never the order of arrival."""
        return self.incoming.at, self.incoming.event.key

    def record_failure(self, error: Exception) -> None:
        """End this try with `error`: the event waits for the next try, or has failed after its last one."""
        if isinstance(error, UnusableEventError):
            self.state, self.error = EventState.FAILED, str(error)
            return
        self.error = "".join(traceback.format_exception(error))
        self.set_retry_or_failed()

    def begin_try(self) -> None:
        """Count a try in this attempt of the delivery."""
        self.tries += 1
        self.attempt = self.delivery.attempts

    def set_retry_or_failed(self) -> None:
        """Set the state of an event that was tried and is not done."""
        self.state = EventState.FAILED if delay_after(max(self.tries, 1)) is None else EventState.WAITING


@dataclass(eq=False)
class ParsedDelivery:
    """A delivery and its events.

    Without events, `unreadable` says why its content can never be read, or `parser_error` is the parser's traceback.
    """

    delivery: WebhookDelivery
    events: list[DeliveryEvent] = field(default_factory=list)
    unreadable: str = ""
    parser_error: str = ""
    progress_before: dict[str, Any] = field(default_factory=dict)

    @property
    def open_events(self) -> list[DeliveryEvent]:
        """Return the events that have not had their turn in this attempt."""
        return [event for event in self.events if event.state is EventState.OPEN]

    @property
    def parsed_events(self) -> list[Event] | None:
        """Return the events of the body, or None when it could not be read."""
        is_readable = not (self.unreadable or self.parser_error)
        return [event.incoming.event for event in self.events] if is_readable else None

    def progress(self) -> dict[str, Any]:
        """Return the value of `WebhookDelivery.progress`."""
        return progress.pack(
            {
                event.index: {
                    "kind": event.kind,
                    "state": event.state,
                    "tries": event.tries,
                    "error": event.error,
                    "attempt": event.attempt,
                }
                for event in self.events
                if event.state in SAVED_STATES
            }
        )

    @property
    def is_unfinished(self) -> bool:
        """Return whether events are left that have not had their turn in this attempt."""
        return any(event.state is EventState.OPEN for event in self.events)

    def save_progress(self) -> bool:
        """Save the progress; return False when the claim was taken back: then stop processing."""
        return bool(store.claims.held([self.delivery]).update(progress=self.progress()))


def read_delivery(delivery: WebhookDelivery) -> ParsedDelivery:
    """Parse a delivery's events and add the progress of earlier tries. Raises nothing."""
    try:
        events = parse_delivery(bytes(delivery.body))
    except UnreadableDeliveryError as error:
        return ParsedDelivery(delivery, unreadable=error.reason)
    except Exception:
        return ParsedDelivery(delivery, parser_error=traceback.format_exc())
    parsed = ParsedDelivery(delivery)
    entries = progress.unpack(delivery.progress)
    for index, event in enumerate(events):
        incoming = store.with_trusted_time(event, delivery.received_at)
        is_imported = delivery.source == WebhookDelivery.Source.IMPORTED
        incoming = replace(
            incoming,
            is_recovered=bool(delivery.source),
            is_imported=is_imported,
            is_replayed=_is_replayed(delivery),
        )
        delivery_event = DeliveryEvent(index, incoming, delivery)
        if saved := entries.get(index):
            delivery_event.tries, delivery_event.error = saved.get("tries", 0), saved.get("error", "")
            delivery_event.attempt = saved.get("attempt", 0)
            # One that was tried in an earlier piece of this attempt waits for the next attempt.
            if saved["state"] in FINAL_STATES or delivery_event.attempt == delivery.attempts:
                delivery_event.state = EventState(saved["state"])
        parsed.events.append(delivery_event)
    parsed.progress_before = parsed.progress()
    return parsed


def _is_replayed(delivery: WebhookDelivery) -> bool:
    """Return whether an administrator let a claimed delivery be processed again (`store.replay`, `import_parked`).

    A new one is not indexed yet at its first attempt. One that failed twice is not told apart from a replayed one.
    """
    was_read_before = delivery.indexed_at is not None and not delivery.pieces
    return delivery.attempts > 2 or (delivery.attempts == 1 and was_read_before)


def should_process(event: DeliveryEvent, route: Route) -> bool:
    """Return whether to process the event; otherwise set its state to parked or ignored."""
    if route.handling is Handling.PROCESS:
        return True
    event.state = EventState.PARKED if route.handling is Handling.PARK else EventState.IGNORED
    return False


def update_pages(deliveries: list[ParsedDelivery], routes: dict[str, Route]) -> None:
    """Park deliveries for their Pages, unsubscribe Pages without a channel, and save when each Page last sent."""
    parked: list[tuple[WebhookDelivery, Page]] = []
    unwanted: set[Page] = set()
    newest: dict[Page, datetime] = {}
    for parsed in deliveries:
        for event in parsed.events:
            route = routes.get(event.page_id, UNKNOWN_PAGE)
            if route.page is None:
                continue
            received_at = event.incoming.received_at
            if not event.incoming.is_recovered:
                newest[route.page] = max(received_at, newest.get(route.page, received_at))
            if event.state is EventState.PARKED:
                parked.append((parsed.delivery, route.page))
            if route.handling is Handling.IGNORE:
                unwanted.add(route.page)
    if parked:
        routing.park(parked)
    if unwanted:
        routing.request_unsubscription(unwanted)
    routing.save_last_event_times(newest)


def give_back(deliveries: Iterable[ParsedDelivery]) -> None:
    """Save the progress of deliveries that are not finished and free them for their next piece.

    One of which nothing was processed keeps its place among the others.
    """
    for parsed in deliveries:
        progress_now = parsed.progress()
        fields = {} if progress_now == parsed.progress_before else {"pieces": F("pieces") + 1, "progress": progress_now}
        store.claims.release([parsed.delivery], retry_after=None, **fields)


def save_results(deliveries: Iterable[ParsedDelivery]) -> None:
    """Save the results and end the claims: done and ignored deliveries together, the others one by one."""
    alike: dict[tuple[str, str], list[WebhookDelivery]] = {}
    now = timezone.now()
    for parsed in deliveries:
        state, error = result_of(parsed)
        if state == State.DONE:
            seconds = (now - parsed.delivery.received_at).total_seconds()
            metrics.SHOWN.observe(seconds)
            if stored := sum(map(_is_new_message, parsed.events)):
                timings.record(timings.STORED, seconds, stored)
        if state in (State.DONE, State.IGNORED) and not parsed.delivery.progress:
            alike.setdefault((state, error), []).append(parsed.delivery)
            continue
        retry_after = None
        if state == State.PENDING:
            tries = [event.tries for event in parsed.events if event.state is EventState.WAITING] or [
                parsed.delivery.attempts
            ]
            delay = delay_after(max(min(tries), 1))
            retry_after = now + delay if delay else now
        store.claims.finish(
            parsed.delivery,
            state=state,
            error=error,
            progress=parsed.progress(),
            retry_after=retry_after,
            processed_at=None if state == State.PENDING else now,
        )
    for (state, error), finished in alike.items():
        store.claims.finish(*finished, state=state, error=error, retry_after=None, processed_at=now)


def _is_new_message(event: DeliveryEvent) -> bool:
    """Return whether a customer's message of a webhook was stored by this event."""
    is_message = isinstance(event.incoming.event, MessageReceived | Postback)
    return is_message and event.state is EventState.DONE and event.incoming.arrived_at is not None


def result_of(parsed: ParsedDelivery) -> tuple[str, str]:
    """Return the state of the delivery and the error in words ("" when there is none)."""
    if parsed.unreadable:
        return State.FAILED, parsed.unreadable
    if parsed.parser_error:
        state = State.FAILED if delay_after(parsed.delivery.attempts) is None else State.PENDING
        return state, "\n\n".join([sentence("The delivery could not be read."), parsed.parser_error])
    by_state: dict[EventState, list[DeliveryEvent]] = {}
    for event in parsed.events:
        by_state.setdefault(event.state, []).append(event)
    unfinished = [*by_state.get(EventState.FAILED, []), *by_state.get(EventState.WAITING, [])]
    if unfinished:
        return State.PENDING if EventState.WAITING in by_state else State.FAILED, _error_text(parsed, unfinished)
    if EventState.PARKED in by_state:
        return State.PARKED, ""
    if EventState.IGNORED in by_state and EventState.DONE not in by_state:
        return State.IGNORED, _reason_to_ignore(by_state[EventState.IGNORED])
    return State.DONE, ""


def _error_text(parsed: ParsedDelivery, unfinished: list[DeliveryEvent]) -> str:
    summary = counted(
        "%(number)s of %(count)s event could not be processed.",
        "%(number)s of %(count)s events could not be processed.",
        len(parsed.events),
        number=len(unfinished),
    )
    details = (  # English only: before a traceback
        f"Event {event.index + 1}, {event.kind}, {event.tries} tries:\n{event.error}" for event in unfinished
    )
    return "\n\n".join([summary, *details])


def _reason_to_ignore(events: list[DeliveryEvent]) -> str:
    names = ", ".join(sorted({event.page_id for event in events if event.page_id}))
    return (
        sentence("No channel belongs to the Page %(names)s.", names=names)
        if names
        else sentence("The delivery names no Page.")
    )
