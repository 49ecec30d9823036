"""The webhook journal: what Meta sent is kept here before it is answered 200, and stays until it was taken in.

`drain.py` takes it in; the rows are the truth, a nudge only says that there are some.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from channels_im.messenger.events import Event
from channels_im.models import Channel, Page, ParkedDelivery, WebhookDelivery
from desk.errors import Refused
from desk.health import Report, seconds
from desk.queue import enqueue

TASK = "channels_im.tasks.drain_journal"
MAX_AHEAD = timedelta(minutes=5)
LATE_AFTER_S = 120

State = WebhookDelivery.State


# --- Who takes events in ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class IncomingEvent:
    """An event with the time that is believed of it.

    `at` is Meta's time, or the time of receipt when Meta's is absent, absurd or more than five minutes ahead;
    `original_timestamp` then keeps what Meta sent, as text, and is "" otherwise.
    """

    event: Event
    at: datetime
    received_at: datetime
    original_timestamp: str = ""


class UnusableEventError(Refused):
    """An event that makes no sense however often it is tried; raised by a receiver."""


@dataclass(frozen=True)
class Sender:
    """Whose events are taken in: a customer of a Page, or the Page alone when `psid` is None."""

    page: Page
    channel: Channel
    psid: str | None


class Receiver(Protocol):
    """Called inside a transaction for a few senders; returns, in their order, what takes in the events of each.

    `isolated`: each event runs in a savepoint of its own. When it raises, the event is kept and tried again later, and
    the receiver is asked anew for the sender's other events. Otherwise there are no savepoints, which is faster, and
    whatever raises undoes the whole transaction: all of it is taken in again, isolated.
    """

    def __call__(
        self, senders: Sequence[Sender], *, isolated: bool = False
    ) -> list[Callable[[IncomingEvent], None]]: ...


@dataclass(frozen=True)
class Registered:
    """Who takes events in, and what is done after a batch of them was."""

    receive: Receiver
    after_batch: Callable[[], object]


_registered: list[Registered] = []


def register_receiver(receive: Receiver, after_batch: Callable[[], object] = lambda: None) -> None:
    """Name the one who takes events in; called from `AppConfig.ready()` of an app above this one."""
    _registered[:] = [Registered(receive, after_batch)]


def receiver() -> Registered:
    """Return who takes events in. Raises IndexError when nobody registered."""
    return _registered[0]


def incoming(event: Event, received_at: datetime) -> IncomingEvent:
    """Settle which time is believed of `event`, received at `received_at`."""
    if event.timestamp_ms is not None:
        at = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
        if at <= received_at + MAX_AHEAD:
            return IncomingEvent(event, at, received_at)
    original = "" if event.original_timestamp is None else str(event.original_timestamp)
    return IncomingEvent(event, received_at, received_at, original[:64])


# --- Into the journal -------------------------------------------------------------------------------------------------
def record(bodies: Sequence[bytes], *, wake: bool = True) -> None:
    """Keep the bodies of signed POSTs, all in one transaction; when it returns they are committed.

    Raises django.db.DatabaseError when the database cannot take them: answer 503, and Meta comes again. `wake` nudges
    the worker as well.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        WebhookDelivery.objects.bulk_create([WebhookDelivery(body=body, received_at=now) for body in bodies])
        if wake:
            enqueue(TASK)


def due() -> QuerySet[WebhookDelivery, WebhookDelivery]:
    """Return the deliveries that wait to be taken in and may be now."""
    return WebhookDelivery.objects.filter(Q(retry_after=None) | Q(retry_after__lte=timezone.now()), state=State.PENDING)


def is_due() -> bool:
    """Say whether any delivery waits to be taken in."""
    return due().exists()


# --- Out of a standstill, by an administrator -------------------------------------------------------------------------
def replay(deliveries: Iterable[int]) -> int:
    """Take these deliveries (ids) in again from the start; return how many will be.

    Works on failed, ignored and done ones; those being processed are left alone. What was taken in already is known by
    its key and not doubled. They count as tried once, so that they go one event at a time (careful.py).
    """
    with transaction.atomic():
        count = (
            WebhookDelivery.objects.filter(pk__in=list(deliveries))
            .exclude(state=State.PROCESSING)
            .update(state=State.PENDING, attempts=1, retry_after=None, progress={}, error="", processed_at=None)
        )
        if count:
            enqueue(TASK)
    return count


def replay_failed(since: datetime) -> int:
    """Take every failed delivery received at or after `since` in again; return how many that are."""
    failed = WebhookDelivery.objects.filter(state=State.FAILED, received_at__gte=since)
    return replay(failed.values_list("pk", flat=True))


def import_parked(page: Page) -> int:
    """Take in what arrived while the channel of `page` was off; return how many deliveries that are."""
    with transaction.atomic():
        parked = ParkedDelivery.objects.filter(page=page)
        ids = list(parked.values_list("delivery_id", flat=True))
        parked.delete()
        count = WebhookDelivery.objects.filter(pk__in=ids, state__in=(State.PARKED, State.FAILED)).update(
            state=State.PENDING, attempts=0, retry_after=None, processed_at=None
        )
        if count:
            enqueue(TASK)
    return count


# --- Health -----------------------------------------------------------------------------------------------------------
def report() -> Report:
    """Count what waits and what failed; `oldest_s` is the age in seconds of the oldest delivery that could be taken in.

    A delivery that is being processed counts as pending: it is not drained yet.
    """
    waiting = WebhookDelivery.objects.filter(state__in=(State.PENDING, State.PROCESSING))
    oldest = due().aggregate(at=Min("received_at"))["at"]
    age = max(0.0, seconds(timezone.now() - oldest)) if oldest else 0
    values = {
        "pending": waiting.count(),
        "failed": WebhookDelivery.objects.filter(state=State.FAILED).count(),
        "oldest_s": age,
    }
    late = [f"Deliveries from Meta wait for {age:.0f} seconds to be taken in."] if age > LATE_AFTER_S else []
    return Report(values, late)
