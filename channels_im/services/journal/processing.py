"""A claimed delivery, opened: its events, what became of each, and what that makes of the delivery.

`WebhookDelivery.progress` keeps, by the event's place in the delivery ("0", "1" …): `{"kind", "state", "tries",
"error"}`, where `state` is "done", "waiting" or "failed". An event that is not there was not tried yet.
"""

import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from channels_im.messenger.events import UnreadableDeliveryError, parse_delivery
from channels_im.models import Page, WebhookDelivery
from channels_im.services.journal import claims, routing, store
from channels_im.services.journal.routing import UNKNOWN_PAGE, Handling, Route
from channels_im.services.journal.store import IncomingEvent, UnusableEventError
from desk.backoff import delay_after

State = WebhookDelivery.State
WORKER_DIED = "The worker died while it took this event in."


class EventState(StrEnum):
    """What became of an event."""

    OPEN = "open"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    PARKED = "parked"
    IGNORED = "ignored"


KEPT = (EventState.DONE, EventState.WAITING, EventState.FAILED)
SETTLED = (EventState.DONE, EventState.FAILED)


@dataclass(eq=False)
class DeliveryEvent:
    """One event of a delivery: its place there, how often it was tried, and its fate."""

    place: int
    incoming: IncomingEvent
    fate: EventState = EventState.OPEN
    tries: int = 0
    error: str = ""

    @property
    def order(self) -> tuple[object, ...]:
        """Sort key: Meta's time, and for the same millisecond the event's own key, never the order of arrival."""
        return self.incoming.at, self.incoming.event.key

    def failed_with(self, error: Exception) -> None:
        """Take `error` as this try's end: the event waits, or after its last try has failed."""
        if isinstance(error, UnusableEventError):
            self.fate, self.error = EventState.FAILED, str(error)
            return
        self.error = "".join(traceback.format_exception(error))
        self.judge()

    def judge(self) -> None:
        """Set the fate of an event that was tried and is not done."""
        self.fate = EventState.FAILED if delay_after(max(self.tries, 1)) is None else EventState.WAITING


@dataclass(eq=False)
class ParsedDelivery:
    """A delivery and its events. `unreadable` is the reason why there are none."""

    delivery: WebhookDelivery
    entries: list[DeliveryEvent] = field(default_factory=list)
    unreadable: str = ""
    broken: str = ""

    @property
    def left(self) -> Iterator[DeliveryEvent]:
        """The events still to be taken in."""
        return (entry for entry in self.entries if entry.fate not in SETTLED)

    def progress(self) -> dict[str, dict[str, object]]:
        """Return what is kept of the events' fates."""
        return {
            str(entry.place): {
                "kind": type(entry.incoming.event).__name__,
                "state": entry.fate,
                "tries": entry.tries,
                "error": entry.error,
            }
            for entry in self.entries
            if entry.fate in KEPT
        }

    def save_progress(self) -> bool:
        """Write down how far this delivery is; False when the claim was taken back: then stop."""
        held = WebhookDelivery.objects.filter(
            pk=self.delivery.pk, claimed_by=self.delivery.claimed_by, state=State.PROCESSING
        )
        return bool(held.update(progress=self.progress()))


def read_delivery(delivery: WebhookDelivery) -> ParsedDelivery:
    """Read a delivery's events, with what is known of them from earlier tries. Raises nothing."""
    try:
        events = parse_delivery(bytes(delivery.body))
    except UnreadableDeliveryError as error:
        return ParsedDelivery(delivery, unreadable=error.reason)
    except Exception:
        return ParsedDelivery(delivery, broken=traceback.format_exc())
    opened = ParsedDelivery(delivery)
    for place, event in enumerate(events):
        known = delivery.progress.get(str(place), {})
        entry = DeliveryEvent(place, store.incoming(event, delivery.received_at), tries=known.get("tries", 0))
        entry.error = known.get("error", "")
        if known.get("state") in SETTLED:
            entry.fate = EventState(known["state"])
        opened.entries.append(entry)
    return opened


def is_to_be_processed(entry: DeliveryEvent, route: Route) -> bool:
    """Say whether the event is to be taken in; if not, its fate is set."""
    if route.way is Handling.TAKE:
        return True
    entry.fate = EventState.PARKED if route.way is Handling.PARK else EventState.IGNORED
    return False


def apply_routes(opened: list[ParsedDelivery], known: dict[str, Route]) -> None:
    """Write down what concerns the Pages: what is parked for them, that nobody wants their events, when they wrote."""
    parked, unwanted = [], set()
    newest: dict[Page, datetime] = {}
    for each in opened:
        for entry in each.entries:
            route = known.get(entry.incoming.event.page_id, UNKNOWN_PAGE)
            if route.page is None:
                continue
            received_at = entry.incoming.received_at
            newest[route.page] = max(received_at, newest.get(route.page, received_at))
            if entry.fate is EventState.PARKED:
                parked.append((each.delivery, route.page))
            if route.way is Handling.IGNORE:
                unwanted.add(route.page)
    if parked:
        routing.park(parked)
    if unwanted:
        routing.request_unsubscription(unwanted)
    routing.note_last_event(newest)


def settle(opened: Iterable[ParsedDelivery]) -> None:
    """Write what became of these deliveries: those that are simply done or ignored in one go, the others each."""
    plain: dict[tuple[str, str], list[WebhookDelivery]] = {}
    now = timezone.now()
    for each in opened:
        state, error = result_of(each)
        if state in (State.DONE, State.IGNORED) and not each.delivery.progress:
            plain.setdefault((state, error), []).append(each.delivery)
            continue
        retry_after = None
        if state == State.PENDING:
            tries = [entry.tries for entry in each.entries if entry.fate is EventState.WAITING] or [
                each.delivery.attempts
            ]
            pause = delay_after(max(min(tries), 1))
            retry_after = now + pause if pause else now
        claims.settle(
            each.delivery,
            state=state,
            error=error,
            progress=each.progress(),
            retry_after=retry_after,
            processed_at=None if state == State.PENDING else now,
        )
    for (state, error), deliveries in plain.items():
        claims.settle_all(deliveries, state=state, error=error, retry_after=None, processed_at=now)


def result_of(opened: ParsedDelivery) -> tuple[str, str]:
    """Return the state of the delivery and the reason in words ("" when all is well)."""
    if opened.unreadable:
        return State.FAILED, opened.unreadable
    if opened.broken:
        state = State.FAILED if delay_after(opened.delivery.attempts) is None else State.PENDING
        return state, f"The delivery could not be read.\n\n{opened.broken}"
    by_fate: dict[EventState, list[DeliveryEvent]] = {}
    for entry in opened.entries:
        by_fate.setdefault(entry.fate, []).append(entry)
    trouble = [*by_fate.get(EventState.FAILED, []), *by_fate.get(EventState.WAITING, [])]
    if trouble:
        return State.PENDING if EventState.WAITING in by_fate else State.FAILED, _error_text(opened, trouble)
    if EventState.PARKED in by_fate:
        return State.PARKED, ""
    if EventState.IGNORED in by_fate and EventState.DONE not in by_fate:
        return State.IGNORED, _ignored_because(by_fate[EventState.IGNORED])
    return State.DONE, ""


def _error_text(opened: ParsedDelivery, trouble: list[DeliveryEvent]) -> str:
    count = f"{len(trouble)} of {len(opened.entries)} events could not be taken in."
    details = (
        f"Event {entry.place + 1}, {type(entry.incoming.event).__name__}, {entry.tries} tries:\n{entry.error}"
        for entry in trouble
    )
    return "\n\n".join([count, *details])


def _ignored_because(entries: list[DeliveryEvent]) -> str:
    pages = sorted({entry.incoming.event.page_id for entry in entries})
    names = ", ".join(page for page in pages if page)
    return f"No channel belongs to the Page {names}." if names else "The delivery names no Page."
