"""The webhook journal: what Meta sends is stored here before it is answered 200, and stays until it is processed.

`drain.py` processes it. The rows are the truth; a wake only says that there are some.
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
from channels_im.services.journal.insert import insert
from desk.claims import Claims
from desk.errors import Refused
from desk.health import Report, seconds
from desk.sentences import counted
from desk.wake import wake as wake_job

JOB = "journal"
MAX_CLOCK_SKEW = timedelta(minutes=5)
LATE_AFTER_S = 120
CONTINUED = 5  # deliveries with very many events of which each batch has the next piece

State = WebhookDelivery.State
claims = Claims(WebhookDelivery, waiting=State.PENDING, claimed=State.PROCESSING)
#: Tried once, in a batch of up to a hundred, and without a result: the worker died, most likely not by this delivery.
#: Such a batch is tried once more together; after that each alone, because it may be what kills the worker.
INTERRUPTED = Q(attempts=1, pieces=0, progress={}, error="")


# --- The receiver of events -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class IncomingEvent:
    """An event with the time to use for it.

    `at` is Meta's time, or the time of receipt when Meta's is absent, absurd or more than MAX_CLOCK_SKEW ahead;
    `original_timestamp` is then what Meta sent, as text, and "" otherwise. `is_recovered` says that no webhook
    delivered it: Desk read it from Meta afterwards; `is_imported` says besides that it is from before the channel.
    `is_replayed` says that an administrator let the delivery be processed now, however old it is.
    """

    event: Event
    at: datetime
    received_at: datetime
    original_timestamp: str = ""
    is_recovered: bool = False
    is_imported: bool = False
    is_replayed: bool = False

    @property
    def arrived_at(self) -> datetime | None:
        """Return when its webhook came, None when that says nothing about how fast Desk is."""
        return None if self.is_recovered or self.is_replayed else self.received_at

    @property
    def recovered_at(self) -> datetime | None:
        """Return when Desk recovered it, None for what a webhook delivered."""
        return self.received_at if self.is_recovered else None


class UnusableEventError(Refused):
    """An event that no further try can process; raised by a receiver."""


@dataclass(frozen=True)
class Sender:
    """The sender of events: a customer of a Page, or the Page itself when `psid` is None."""

    page: Page
    channel: Channel
    psid: str | None

    def __hash__(self) -> int:
        return hash(self.psid)  # Page and channel are the same in nearly all comparisons


SenderEvents = tuple[Sender, Sequence[IncomingEvent]]


class Receiver(Protocol):
    """Called inside a transaction for a few senders; returns, in their order, a function that processes one event.

    `isolated`: each event runs in its own savepoint. When one raises, it is tried again later, and the receiver is
    called again for the sender's other events. Otherwise there are no savepoints, which is faster, and an exception
    rolls the whole transaction back: all its events are processed again, isolated.
    """

    def __call__(
        self, senders: Sequence[Sender], *, isolated: bool = False
    ) -> list[Callable[[IncomingEvent], None]]: ...


class SetReceiver(Protocol):
    """Called inside a transaction for different senders with their events; returns those whose events it processed.

    It processes what it can together, and leaves the others to the receiver. An exception rolls the transaction back:
    all are left to the receiver then.
    """

    def __call__(self, groups: Sequence[SenderEvents]) -> set[Sender]: ...


def _take_nothing(groups: Sequence[SenderEvents]) -> set[Sender]:
    return set()


@dataclass(frozen=True)
class RegisteredReceiver:
    """The functions that process events, one by one and in sets, and the one that runs after each batch."""

    receive: Receiver
    after_batch: Callable[[], object]
    take_set: SetReceiver = _take_nothing


_registered: list[RegisteredReceiver] = []


def register_receiver(
    receive: Receiver, take_set: SetReceiver = _take_nothing, *, after_batch: Callable[[], object] = lambda: None
) -> None:
    """Register the receiver of all events; called from `AppConfig.ready()` of an app above this one."""
    _registered[:] = [RegisteredReceiver(receive, after_batch, take_set)]


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
    `wake` wakes the worker's intake as well (desk.wake).
    """
    insert(bodies, timezone.now(), wake=JOB if wake else "")


def add_recovered(body: bytes, source: WebhookDelivery.Source) -> None:
    """Add what was read from Meta as a delivery of its own, in the caller's transaction, and wake the drain."""
    WebhookDelivery.objects.create(body=body, source=source)
    wake_job(JOB, at_most_every=0.3)


def has_untried(until: datetime, **conditions: str) -> bool:
    """Return whether deliveries that came before this time wait to be processed for the first time."""
    waiting = (State.PENDING, State.PROCESSING)
    untried = WebhookDelivery.objects.filter(state__in=waiting, attempts__lte=1, received_at__lt=until)
    return untried.filter(**conditions).exists()


def due() -> QuerySet[WebhookDelivery, WebhookDelivery]:
    """Return the deliveries that may be processed now."""
    return WebhookDelivery.objects.filter(Q(retry_after=None) | Q(retry_after__lte=timezone.now()), state=State.PENDING)


def is_due() -> bool:
    """Return whether any delivery may be processed now."""
    return due().exists()


def claim_new(limit: int) -> list[WebhookDelivery]:
    """Claim up to `limit` deliveries to process together, oldest first, a few of them with their next piece.

    They were never tried, or once, by a worker that died (INTERRUPTED). Those that are continued have places of their
    own: neither do they delay new ones, nor new ones them.
    """
    untried = due().filter(attempts=0, pieces__gt=0).order_by("pieces", "id").values_list("pk", flat=True)
    continued = list(untried[: min(CONTINUED, limit)])
    new = due().filter(Q(attempts=0, pieces=0) | INTERRUPTED).order_by("id").values_list("pk", flat=True)
    return list(claims.claim([*new[: limit - len(continued)], *continued]))


def claim_retry() -> WebhookDelivery | None:
    """Claim one delivery that was tried before, the one with the fewest attempts, then the fewest pieces first.

    It is claimed alone, because it may be what kills the worker.
    """
    tried = due().filter(attempts__gt=0).exclude(INTERRUPTED)
    claimed = claims.claim(list(tried.order_by("attempts", "pieces", "id").values_list("pk", flat=True)[:1]))
    return claimed[0] if claimed else None


# --- Replay and import, by an administrator ---------------------------------------------------------------------------
def replay(deliveries: Iterable[int]) -> int:
    """Process these deliveries (primary keys) again from the start; return how many will be.

    Works for failed, ignored and done ones; those being processed, and those whose content was deleted, are left alone.
    Events that were processed before
    are recognized by their key and not doubled. The deliveries count as tried twice, so that they are processed one
    event at a time (retry_one.py).
    """
    with transaction.atomic():
        count = (
            WebhookDelivery.objects.filter(pk__in=list(deliveries))
            .exclude(state__in=(State.PROCESSING, State.EMPTIED))
            .update(
                state=State.PENDING, attempts=2, pieces=0, retry_after=None, progress={}, error="", processed_at=None
            )
        )
        if count:
            wake_job(JOB)
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
            wake_job(JOB)
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
    problems = (
        [
            counted(
                "Deliveries from Meta have been waiting for %(count)s second.",
                "Deliveries from Meta have been waiting for %(count)s seconds.",
                round(age),
            )
        ]
        if age > LATE_AFTER_S
        else []
    )
    return Report(values, problems)
