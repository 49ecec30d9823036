"""Deliver webhook events: send the queued rows, several at once, in order within each webhook and conversation.

A row is claimed by a conditional update that is committed before the call. The calls run in threads that make no query;
the main thread writes their outcomes. A call whose outcome was not written is repeated with the same event id: events
are delivered at least once. A webhook that fails gets one event at a time, with growing pauses.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from desk import audit_log, logs
from desk.call_pool import make_calls
from desk.claims import Claims
from desk.health import Report, seconds
from desk.queue import enqueue
from desk.sentences import counted, sentence
from tickets.models import EventDelivery, EventSubscription
from tickets.models.events import TEST_EVENT
from tickets.services.webhooks import mails
from tickets.services.webhooks.http_call import CallResult, WebhookCall

logger = logging.getLogger(__name__)

POOL_SIZE = 16
MAX_CALLS_PER_WEBHOOK = POOL_SIZE // 2  # at the same time; fewer while other webhooks are slow: see _shared
MAX_RUN_S = 120.0
FIRST_PAUSE = timedelta(seconds=10)
MAX_EVENT_PAUSE = timedelta(hours=1)
MAX_WEBHOOK_PAUSE = timedelta(minutes=5)  # how often a failing webhook is tried at least
GIVE_UP_AFTER = timedelta(hours=24)
DISABLE_AFTER = timedelta(days=3)
LATE_AFTER = timedelta(minutes=5)
RENDERING_FAILED = sentence("An error occurred in Desk before sending. Desk will try again.")
UNREADABLE_SECRET = sentence("The secret cannot be decrypted with Desk's present keys. Rotate it.")
SUBJECT_DELETED = sentence("The subject of the event was deleted before it was sent.")

State = EventDelivery.State
CLAIMS = Claims(EventDelivery, waiting=State.PENDING, claimed=State.SENDING)
#: Renders the bodies of rows, by row id; None when the subject was deleted (tickets.api.payloads).
Render = Callable[[Sequence[EventDelivery]], dict[int, bytes | None]]


def pause_after(failures: int, longest: timedelta) -> timedelta:
    """Return the pause after failure number `failures` in a row (from 1): 10 s, doubled each time, up to `longest`."""
    return min(FIRST_PAUSE * 2 ** min(failures - 1, 20), longest)


def waiting() -> QuerySet[EventDelivery, EventDelivery]:
    """Return the rows to send now: each is the first of its webhook and conversation that is not settled."""
    now = timezone.now()
    before = EventDelivery.objects.filter(
        subscription=OuterRef("subscription"),
        conversation_id=OuterRef("conversation_id"),
        state__in=(State.PENDING, State.SENDING),
        pk__lt=OuterRef("pk"),
    )
    not_paused = Q(subscription__retry_after=None) | Q(subscription__retry_after__lte=now)
    return EventDelivery.objects.filter(
        Q(type=TEST_EVENT) | (not_paused & Q(subscription__is_active=True)),
        Q(retry_after=None) | Q(retry_after__lte=now),
        ~Exists(before),
        state=State.PENDING,
    )


def is_due() -> bool:
    """Return whether there is an event to send, or an expired claim."""
    return waiting().exists() or CLAIMS.stale().exists()


def report() -> Report:
    """Return the webhook events' part of `/readyz`.

    `waiting` counts the events for webhooks that are turned on; `oldest_s` is for how many seconds the oldest of them
    could have been sent. A webhook that fails or is slow makes no event late: late are events that no worker claims.
    """
    now = timezone.now()
    unsettled = EventDelivery.objects.filter(state__in=(State.PENDING, State.SENDING))
    to_send = unsettled.filter(Q(subscription__is_active=True) | Q(type=TEST_EVENT))
    due_at = Greatest(
        Coalesce("retry_after", "created_at"), Coalesce("subscription__retry_after", "retry_after", "created_at")
    )
    since = waiting().aggregate(at=Min(due_at))["at"]
    oldest = max(now - since, timedelta(0)) if since else timedelta(0)
    problems = []
    if oldest > LATE_AFTER and not _any_claimed(after=now - LATE_AFTER):
        late = counted(
            "A webhook event has waited for %(count)s second to be sent.",
            "A webhook event has waited for %(count)s seconds to be sent.",
            round(seconds(oldest)),
        )
        problems = [late]
    return Report({"waiting": to_send.count(), "oldest_s": seconds(oldest)}, problems)


def _any_claimed(*, after: datetime) -> bool:
    """Return whether a worker claimed any event after this time. All states are listed to use the index."""
    return EventDelivery.objects.filter(state__in=State.values, claimed_at__gt=after).exists()


def drain_events(render: Render) -> int:
    """Send due events until none is left or the time is up; return how many calls were made."""
    CLAIMS.reclaim_stale()
    drain = _Drain(render)
    return make_calls(drain.claim, _call, drain.finish, size=POOL_SIZE, max_run_s=MAX_RUN_S)


@dataclass(frozen=True)
class _Job:
    """A claimed row and the call that sends it."""

    row: EventDelivery
    call: WebhookCall


def _call(job: _Job) -> CallResult:
    return job.call.make()


class _Drain:
    """One run, with the number of calls under way by webhook."""

    def __init__(self, render: Render) -> None:
        self.render = render
        self.under_way: Counter[int] = Counter()

    def claim(self, limit: int) -> list[_Job]:
        """Claim at most `limit` rows and prepare their calls."""
        jobs = []
        for row in self._ready(self._claim(limit)):
            secrets = secrets_of(row.subscription)
            if not secrets:
                record(row, CallResult(None, UNREADABLE_SECRET))
                continue
            call = WebhookCall(row.subscription.url, str(row.event_id), row.type, row.body.encode(), secrets)
            jobs.append(_Job(row, call))
            self.under_way[row.subscription_id] += 1
        return jobs

    def finish(self, job: _Job, result: CallResult) -> None:
        """Write the result of a call."""
        row = job.row
        self.under_way[row.subscription_id] -= 1
        with logs.working_on(event_id=row.event_id, conversation_id=row.conversation_id):
            record(row, result)

    # --- Claims -------------------------------------------------------------------------------------------------------
    def _claim(self, limit: int) -> list[EventDelivery]:
        """Claim at most `limit` rows, one for a failing webhook; the claim is committed on return."""
        queues: dict[int, list[int]] = {}
        due = waiting()
        subscriptions = EventSubscription.objects.filter(pk__in=due.values("subscription"))
        for pk, failures in list(subscriptions.order_by("pk").values_list("pk", "failures")):
            free = (1 if failures else MAX_CALLS_PER_WEBHOOK) - self.under_way[pk]
            if free > 0:
                order = ("attempts", "pk") if failures else ("pk",)
                queues[pk] = list(due.filter(subscription=pk).order_by(*order).values_list("pk", flat=True)[:free])
        return list(CLAIMS.claim(self._shared(queues, limit)).select_related("subscription"))

    def _shared(self, queues: dict[int, list[int]], free: int) -> list[int]:
        """Choose rows of these queues for `free` threads: a webhook gets as many threads as are then left, at most.

        So one slow webhook takes half of the threads, two a third each, and there is one left for the next.
        """
        chosen: list[int] = []
        calls = self.under_way.copy()
        while True:
            able = [pk for pk, queue in queues.items() if queue and calls[pk] < free]
            if not able:
                return chosen
            pk = min(able, key=lambda pk: calls[pk])
            chosen.append(queues[pk].pop(0))
            calls[pk] += 1
            free -= 1

    def _ready(self, rows: list[EventDelivery]) -> list[EventDelivery]:
        """Render and store the body of each row, which every later try sends too; drop rows whose subject is deleted.

        Return the rows to send.
        """
        new = [row for row in rows if not row.body]
        if not new:
            return rows
        try:
            bodies = self.render(new)
        except Exception:
            logger.exception("Webhook events could not be rendered")
            for row in new:
                _retry_later(row, RENDERING_FAILED, status=None)
            return [row for row in rows if row.body]
        for row in new:
            row.body = (bodies.get(row.pk) or b"").decode()
            if not row.body:
                _settle(row, State.DROPPED, SUBJECT_DELETED)
        EventDelivery.objects.bulk_update([row for row in new if row.body], ["body"])
        return [row for row in rows if row.body]


def secrets_of(subscription: EventSubscription) -> tuple[str, ...]:
    """Return the secrets that sign a call: the current one, and for a day after a rotation the previous one too."""
    rotated_at = subscription.rotated_at
    is_in_grace = rotated_at is not None and timezone.now() - rotated_at < timedelta(days=1)
    both = (subscription.secret, subscription.previous_secret if is_in_grace else None)
    return tuple(secret for secret in both if secret)


# --- Outcomes ---------------------------------------------------------------------------------------------------------
def record(row: EventDelivery, result: CallResult) -> None:
    """Write the result of a call to its row, unless its claim expired meanwhile, and to its webhook."""
    is_test = row.type == TEST_EVENT
    with transaction.atomic():
        if result.is_accepted:
            _settle(row, State.DELIVERED, "", result.status)
            _record_success(row.subscription)
            return
        logger.warning("Webhook %s did not accept event %s: %s", row.subscription_id, row.event_id, result)
        if is_test or timezone.now() - row.created_at >= GIVE_UP_AFTER:
            _settle(row, State.FAILED, result.reason, result.status)
        else:
            _retry_later(row, result.reason, result.status)
        if is_test:
            return
        _record_failure(row.subscription, result)


def _settle(row: EventDelivery, state: str, reason: str, status: int | None = None) -> None:
    now = timezone.now()
    settled = {"state": state, "reason": reason, "status": status, "settled_at": now}
    CLAIMS.held([row]).update(**settled, retry_after=None, claimed_by="")


def _retry_later(row: EventDelivery, reason: str, status: int | None) -> None:
    again_at = timezone.now() + pause_after(row.attempts, MAX_EVENT_PAUSE)
    later = {"state": State.PENDING, "reason": reason, "status": status, "retry_after": again_at}
    CLAIMS.held([row]).update(**later, claimed_by="")


def _record_success(subscription: EventSubscription) -> None:
    """Reset the failures and store the time of success, at most once a minute."""
    now = timezone.now()
    rows = EventSubscription.objects.filter(pk=subscription.pk)
    recorded = Q(failures=0, failing_since=None, last_success_at__gt=now - timedelta(seconds=60))
    rows.exclude(recorded).update(failures=0, failing_since=None, retry_after=None, last_success_at=now)


def _record_failure(subscription: EventSubscription, result: CallResult) -> None:
    """Pause the webhook, or turn it off, which administrators are told (mails). Calls that fail together count once."""
    now = timezone.now()
    rows = EventSubscription.objects.select_for_update().filter(pk=subscription.pk, is_active=True)
    row = rows.filter(Q(retry_after=None) | Q(retry_after__lte=now)).first()
    if row is None:
        return
    row.failures += 1
    row.failing_since = row.failing_since or now
    row.retry_after = now + pause_after(row.failures, MAX_WEBHOOK_PAUSE)
    if result.is_gone:
        row.disabled_reason = sentence("Disabled: the address answered 410 (gone).")
    elif now - row.failing_since >= DISABLE_AFTER:
        told = counted(
            "Disabled: every delivery failed for %(count)s day.",
            "Disabled: every delivery failed for %(count)s days.",
            DISABLE_AFTER.days,
        )
        row.disabled_reason = f"{told} {result.reason}"
    row.is_active = not row.disabled_reason
    if row.disabled_reason:
        row.mail_after = now
        enqueue(mails.TASK)
        audit_log.record(audit_log.SYSTEM, row, audit_log.CHANGE, row.disabled_reason)
    row.save(update_fields=["failures", "failing_since", "retry_after", "disabled_reason", "is_active", "mail_after"])
