"""The webhook journal: what Meta sends is stored here before it is answered 200, and stays until it is processed.

`drain.py` processes it. The rows are the truth; a queued task only says that there are some.
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
from desk.claims import Claims
from desk.errors import Refused
from desk.health import Report, seconds
from desk.queue import enqueue

TASK = "channels_im.tasks.drain_journal"
MAX_CLOCK_SKEW = timedelta(minutes=5)
LATE_AFTER_S = 120
CONTINUED = 5  # deliveries with very many events of which each batch has the next piece

State = WebhookDelivery.State
claims = Claims(WebhookDelivery, waiting=State.PENDING, claimed=State.PROCESSING)


# --- The receiver of events -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class IncomingEvent:
    """An event with the time to use for it.

    `at` is Meta's time, or the time of receipt when Meta's is absent, absurd or more than MAX_CLOCK_SKEW ahead;
    `original_timestamp` is then what Meta sent, as text, and "" otherwise.
    """

    event: Event
    at: datetime
    received_at: datetime
    original_timestamp: str = ""


class UnusableEventError(Refused):
    """An event that no further try can process; raised by a receiver."""


@dataclass(frozen=True)
class Sender:
    """The sender of events: a customer of a Page, or the Page itself when `psid` is None."""

    page: Page
    channel: Channel
    psid: str | None


class Receiver(Protocol):
    """Called inside a transaction for a few senders; returns, in their order, a function that processes one event.

    `isolated`: each event runs in its own savepoint. When one raises, it is tried again later, and the receiver is
    called again for the sender's other events. Otherwise there are no savepoints, which is faster, and an exception
    rolls the whole transaction back: all its events are processed again, isolated.
    """

    def __call__(
        self, senders: Sequence[Sender], *, isolated: bool = False
    ) -> list[Callable[[IncomingEvent], None]]: ...


@dataclass(frozen=True)
class RegisteredReceiver:
    """The function that processes events, and the one that runs after each batch."""

    receive: Receiver
    after_batch: Callable[[], object]


_registered: list[RegisteredReceiver] = []


def register_receiver(receive: Receiver, after_batch: Callable[[], object] = lambda: None) -> None:
    """Register the receiver of all events; called from `AppConfig.ready()` of an app above this one."""
    _registered[:] = [RegisteredReceiver(receive, after_batch)]


def receiver() -> RegisteredReceiver:
    """Return the registered receiver. Raises IndexError when there is none."""
    return _registered[0]


def with_trusted_time(event: Event, received_at: datetime) -> IncomingEvent:
    """Return `event`, received at `received_at`, with the time to use for it (see IncomingEvent)."""
    if event.timestamp_ms is not None:
        at = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
        if at <= received_at + MAX_CLOCK_SKEW:
            return IncomingEvent(event, at, received_at)
    original = "" if event.original_timestamp is None else str(event.original_timestamp)
    return IncomingEvent(event, received_at, received_at, original[:64])


# --- Deliveries -------------------------------------------------------------------------------------------------------
def record(bodies: Sequence[bytes], *, wake: bool = True) -> None:
    """Store the bodies of signed POSTs, all in one transaction; when this returns, they are committed.

    Raises django.db.DatabaseError when the database cannot store them: answer 503, and Meta delivers them again.
    `wake` enqueues the drain as well.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        WebhookDelivery.objects.bulk_create([WebhookDelivery(body=body, received_at=now) for body in bodies])
        if wake:
            enqueue(TASK)


def due() -> QuerySet[WebhookDelivery, WebhookDelivery]:
    """Return the deliveries that may be processed now."""
    return WebhookDelivery.objects.filter(Q(retry_after=None) | Q(retry_after__lte=timezone.now()), state=State.PENDING)


def is_due() -> bool:
    """Return whether any delivery may be processed now."""
    return due().exists()


def claim_new(limit: int) -> list[WebhookDelivery]:
    """Claim up to `limit` deliveries that were never tried, oldest first, a few of them with their next piece.

    Those that are continued have places of their own: neither do they delay new ones, nor new ones them.
    """
    untried = due().filter(attempts=0).values_list("pk", flat=True)
    continued = list(untried.filter(pieces__gt=0).order_by("pieces", "id")[: min(CONTINUED, limit)])
    new = list(untried.filter(pieces=0).order_by("id")[: limit - len(continued)])
    return claims.claim(new + continued)


def claim_retry() -> WebhookDelivery | None:
    """Claim one delivery that was tried before, the one with the fewest attempts, then the fewest pieces first.

    It is claimed alone, because it may be what kills the worker.
    """
    pks = due().filter(attempts__gt=0).order_by("attempts", "pieces", "id").values_list("pk", flat=True)[:1]
    claimed = claims.claim(list(pks))
    return claimed[0] if claimed else None


# --- Replay and import, by an administrator ---------------------------------------------------------------------------
def replay(deliveries: Iterable[int]) -> int:
    """Process these deliveries (primary keys) again from the start; return how many will be.

    Works for failed, ignored and done ones; those being processed, and those whose content was deleted, are left alone.
    Events that were processed before
    are recognized by their key and not doubled. The deliveries count as tried once, so that they are processed one
    event at a time (retry_one.py).
    """
    with transaction.atomic():
        count = (
            WebhookDelivery.objects.filter(pk__in=list(deliveries))
            .exclude(state__in=(State.PROCESSING, State.EMPTIED))
            .update(
                state=State.PENDING, attempts=1, pieces=0, retry_after=None, progress={}, error="", processed_at=None
            )
        )
        if count:
            enqueue(TASK)
    return count


def replay_failed(since: datetime) -> int:
    """Replay every failed delivery received at or after `since`; return how many."""
    failed = WebhookDelivery.objects.filter(state=State.FAILED, received_at__gte=since)
    return replay(failed.values_list("pk", flat=True))


def import_parked(page: Page) -> int:
    """Process what arrived while the channel of `page` was off; return how many deliveries."""
    with transaction.atomic():
        parked = ParkedDelivery.objects.filter(page=page)
        ids = list(parked.values_list("delivery_id", flat=True))
        parked.delete()
        count = WebhookDelivery.objects.filter(pk__in=ids, state__in=(State.PARKED, State.FAILED)).update(
            state=State.PENDING, attempts=0, pieces=0, retry_after=None, processed_at=None
        )
        if count:
            enqueue(TASK)
    return count


# --- Health -----------------------------------------------------------------------------------------------------------
def report() -> Report:
    """Count pending and failed deliveries; `oldest_s` is the age in seconds of the oldest one that is due.

    A delivery that is being processed counts as pending: it is not drained yet.
    """
    pending = WebhookDelivery.objects.filter(state__in=(State.PENDING, State.PROCESSING))
    oldest = due().aggregate(at=Min("received_at"))["at"]
    age = max(0.0, seconds(timezone.now() - oldest)) if oldest else 0
    values = {
        "pending": pending.count(),
        "failed": WebhookDelivery.objects.filter(state=State.FAILED).count(),
        "oldest_s": age,
    }
    problems = [f"Deliveries from Meta have been waiting for {age:.0f} seconds."] if age > LATE_AFTER_S else []
    return Report(values, problems)
