"""The outbox of events: sends to programs what is due, several at once, in order within each conversation.

A row is claimed by a conditional update that is committed before the call; the calls run in threads that ask no
database; the main thread writes what came of them. A call whose outcome nobody wrote down is made again with the same
event id: at least once. While a program does not answer it is asked with one event at a time, ever more rarely.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from desk.health import Report, seconds
from desk.mail import send_to_administrators
from desk.queue import enqueue
from tickets.models import EventDelivery, EventSubscription
from tickets.models.events import TEST_EVENT
from tickets.services.webhooks.events import TASK
from tickets.services.webhooks.http_call import CallResult, WebhookCall

logger = logging.getLogger(__name__)

POOL_SIZE = 16
AT_ONCE_EACH = 8  # calls to one program
BUDGET_S = 10.0
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)  # of one event
LONGEST_SILENCE = timedelta(minutes=5)  # of a program: so often it is asked whether it is back
GIVE_UP_AFTER = timedelta(hours=24)
DISABLE_AFTER = timedelta(days=3)
LATE_AFTER = timedelta(minutes=5)
KEPT_DELIVERED = timedelta(days=7)
KEPT_OTHERS = timedelta(days=30)
BROKEN = "Something went wrong in Desk before sending. It will be tried again."
UNREADABLE = "The secret cannot be decrypted with Desk's present keys. Rotate it."
GONE_BEFORE = "What it tells of was removed before it was sent."

State = EventDelivery.State
#: Puts together what is sent, by row id; None for what is gone (tickets.api.payloads).
Render = Callable[[Sequence[EventDelivery]], dict[int, bytes | None]]


def pause_after(failures: int, longest: timedelta) -> timedelta:
    """Return how long to wait after the `failures`-th failure in a row (from 1): 10 seconds, doubled each time."""
    return min(FIRST_PAUSE * 2 ** min(failures - 1, 20), longest)


def waiting() -> QuerySet[EventDelivery, EventDelivery]:
    """Return the rows that could be sent now: each the first of its subscription and conversation that is open."""
    now = timezone.now()
    before = EventDelivery.objects.filter(
        subscription=OuterRef("subscription"),
        conversation_id=OuterRef("conversation_id"),
        state__in=(State.PENDING, State.SENDING),
        pk__lt=OuterRef("pk"),
    )
    awake = Q(subscription__retry_after=None) | Q(subscription__retry_after__lte=now)
    return EventDelivery.objects.filter(
        Q(type=TEST_EVENT) | (awake & Q(subscription__is_active=True)),
        Q(retry_after=None) | Q(retry_after__lte=now),
        ~Exists(before),
        state=State.PENDING,
    )


def stale() -> QuerySet[EventDelivery, EventDelivery]:
    """Return the rows claimed by a worker that died."""
    before = timezone.now() - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    return EventDelivery.objects.filter(state=State.SENDING, claimed_at__lt=before)


def is_due() -> bool:
    """Say whether there is anything to send, or the claim of a worker that died."""
    return waiting().exists() or stale().exists()


def report() -> Report:
    """Return the events' part of `/readyz`: how many wait for a program that is turned on, and for how long, in
    seconds, the oldest of them could have been sent.

    What a program does not take, or takes slowly, makes nobody late: late are events that no worker takes in hand.
    """
    now = timezone.now()
    is_open = EventDelivery.objects.filter(state__in=(State.PENDING, State.SENDING))
    wanted = is_open.filter(Q(subscription__is_active=True) | Q(type=TEST_EVENT))
    due_at = Greatest(
        Coalesce("retry_after", "created_at"), Coalesce("subscription__retry_after", "retry_after", "created_at")
    )
    since = waiting().aggregate(at=Min(due_at))["at"]
    oldest = max(now - since, timedelta(0)) if since else timedelta(0)
    late = []
    if oldest > LATE_AFTER and not _any_claimed(after=now - LATE_AFTER):
        late = [f"An event for a program has waited for {seconds(oldest):.0f} seconds to be sent."]
    return Report({"waiting": wanted.count(), "oldest_s": seconds(oldest)}, late)


def _any_claimed(*, after: datetime) -> bool:
    """Say whether a worker took any event in hand after this time; all states are named for the index."""
    return EventDelivery.objects.filter(state__in=State.values, claimed_at__gt=after).exists()


def reclaim_stale() -> int:
    """Let what a dead worker was sending be sent again; return how many rows."""
    return stale().update(state=State.PENDING, claimed_by="", claimed_at=None)


def tidy() -> int:
    """Take back stale claims and forget what is old; return how many rows that touched."""
    now = timezone.now()
    old = Q(state=State.DELIVERED, settled_at__lt=now - KEPT_DELIVERED) | Q(settled_at__lt=now - KEPT_OTHERS)
    never = Q(state=State.PENDING, created_at__lt=now - KEPT_OTHERS)
    forgotten = EventDelivery.objects.filter(old).delete()[0] + EventDelivery.objects.filter(never).delete()[0]
    return reclaim_stale() + forgotten


def drain_events(render: Render) -> int:
    """Send what is due until nothing is, or the time is up; return how many calls were made."""
    reclaim_stale()
    made = _Drain(render).run()
    if waiting().exists():
        enqueue(TASK)
    return made


class _Drain:
    """One run: which calls are under way."""

    def __init__(self, render: Render) -> None:
        self.render = render
        self.claim_name = uuid.uuid4().hex
        self.running: dict[Future[CallResult], EventDelivery] = {}
        self.made = 0
        self.ends_at = time.monotonic() + BUDGET_S

    def run(self) -> int:
        """Start and finish calls until nothing is due; then wait for those under way."""
        with ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="events") as pool:
            while True:
                if time.monotonic() < self.ends_at:
                    self._start(pool)
                if not self.running:
                    return self.made
                done, _under_way = wait(self.running, return_when=FIRST_COMPLETED)
                for future in done:
                    record(self.running.pop(future), future.result())

    def _start(self, pool: ThreadPoolExecutor) -> None:
        for row in self._ready(self._claim()):
            secrets = secrets_of(row.subscription)
            if not secrets:
                record(row, CallResult(None, UNREADABLE))
                continue
            call = WebhookCall(row.subscription.url, str(row.event_id), row.type, row.body.encode(), secrets)
            self.running[pool.submit(call.make)] = row
            self.made += 1

    # --- Claims -------------------------------------------------------------------------------------------------------
    def _claim(self) -> list[EventDelivery]:
        """Claim as many rows as threads are free, one for a program that fails; committed when this returns."""
        under_way = Counter(row.subscription_id for row in self.running.values())
        found: list[int] = []
        due = waiting()
        wanted = EventSubscription.objects.filter(pk__in=due.values("subscription"))
        for pk, failures in list(wanted.order_by("pk").values_list("pk", "failures")):
            room = min((1 if failures else AT_ONCE_EACH) - under_way[pk], POOL_SIZE - len(self.running) - len(found))
            if room > 0:
                order = ("attempts", "pk") if failures else ("pk",)
                found += due.filter(subscription=pk).order_by(*order).values_list("pk", flat=True)[:room]
        if not found:
            return []
        EventDelivery.objects.filter(pk__in=found, state=State.PENDING).update(
            state=State.SENDING, claimed_by=self.claim_name, claimed_at=timezone.now(), attempts=F("attempts") + 1
        )
        mine = EventDelivery.objects.filter(pk__in=found, state=State.SENDING, claimed_by=self.claim_name)
        return list(mine.select_related("subscription").order_by("pk"))

    def _ready(self, rows: list[EventDelivery]) -> list[EventDelivery]:
        """Give each row what is sent, kept for every later try; those with nothing left to tell are dropped."""
        new = [row for row in rows if not row.body]
        if not new:
            return rows
        try:
            bodies = self.render(new)
        except Exception:
            logger.exception("Events could not be put together")
            for row in new:
                _put_back(row, BROKEN, status=None)
            return [row for row in rows if row.body]
        for row in new:
            row.body = (bodies.get(row.pk) or b"").decode()
            if not row.body:
                _settle(row, State.DROPPED, GONE_BEFORE)
        EventDelivery.objects.bulk_update([row for row in new if row.body], ["body"])
        return [row for row in rows if row.body]


def secrets_of(subscription: EventSubscription) -> tuple[str, ...]:
    """Return what a call is signed with: the secret, and for a day after a rotation the one before too."""
    rotated_at = subscription.rotated_at
    grace = rotated_at is not None and timezone.now() - rotated_at < timedelta(days=1)
    both = (subscription.secret, subscription.previous_secret if grace else None)
    return tuple(secret for secret in both if secret)


# --- What came of it --------------------------------------------------------------------------------------------------
def record(row: EventDelivery, outcome: CallResult) -> None:
    """Write what came of a call on its row, unless the claim was taken back meanwhile, and on its subscription."""
    is_test = row.type == TEST_EVENT
    with transaction.atomic():
        if outcome.taken:
            _settle(row, State.DELIVERED, "", outcome.status)
            _note_success(row.subscription)
            return
        logger.warning("Event %s was not taken by subscription %s: %s", row.event_id, row.subscription_id, outcome)
        if is_test or timezone.now() - row.created_at >= GIVE_UP_AFTER:
            _settle(row, State.FAILED, outcome.reason, outcome.status)
        else:
            _put_back(row, outcome.reason, outcome.status)
        if is_test:
            return
        disabled = _note_failure(row.subscription, outcome)
    if disabled:
        _mail(row.subscription, disabled)


def _claimed_row(row: EventDelivery) -> QuerySet[EventDelivery, EventDelivery]:
    return EventDelivery.objects.filter(pk=row.pk, state=State.SENDING, claimed_by=row.claimed_by)


def _settle(row: EventDelivery, state: str, reason: str, status: int | None = None) -> None:
    now = timezone.now()
    _claimed_row(row).update(state=state, reason=reason, status=status, settled_at=now, retry_after=None, claimed_by="")


def _put_back(row: EventDelivery, reason: str, status: int | None) -> None:
    again_at = timezone.now() + pause_after(row.attempts, LONGEST_PAUSE)
    _claimed_row(row).update(state=State.PENDING, reason=reason, status=status, retry_after=again_at, claimed_by="")


def _note_success(subscription: EventSubscription) -> None:
    """Keep that it answered, not more often than a page can show."""
    now = timezone.now()
    rows = EventSubscription.objects.filter(pk=subscription.pk)
    lately = Q(failures=0, failing_since=None, last_success_at__gt=now - timedelta(seconds=60))
    rows.exclude(lately).update(failures=0, failing_since=None, retry_after=None, last_success_at=now)


def _note_failure(subscription: EventSubscription, outcome: CallResult) -> str:
    """Let the program rest; return why it was turned off, if that is so now. Calls that failed together count once."""
    now = timezone.now()
    rows = EventSubscription.objects.select_for_update().filter(pk=subscription.pk, is_active=True)
    found = rows.filter(Q(retry_after=None) | Q(retry_after__lte=now)).first()
    if found is None:
        return ""
    found.failures += 1
    found.failing_since = found.failing_since or now
    found.retry_after = now + pause_after(found.failures, LONGEST_SILENCE)
    if outcome.is_gone:
        found.disabled_reason = "Disabled: the address answered 410 (gone)."
    elif now - found.failing_since >= DISABLE_AFTER:
        found.disabled_reason = f"Disabled: every delivery failed for {DISABLE_AFTER.days} days. {outcome.reason}"
    found.is_active = not found.disabled_reason
    found.save(update_fields=["failures", "failing_since", "retry_after", "disabled_reason", "is_active"])
    return found.disabled_reason


def _mail(subscription: EventSubscription, reason: str) -> None:
    lines = [
        f"Webhook “{subscription.name}” — {reason}",
        "Events since then are not sent. Check it in Setup → Webhooks and turn it on again.",
    ]
    try:
        send_to_administrators(f"Webhook {subscription.name} was disabled", lines)
    except (SMTPException, OSError):
        logger.exception("Administrators could not be told of event subscription %s", subscription.pk)
