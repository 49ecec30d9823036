"""Send the notifications that wait for browsers.

A row is claimed before its call; calls run in threads that make no query. Before each call it is asked again whether
the person is active, logged in in that browser, may see the conversation and wants it now: otherwise the row is
dropped. A call whose outcome was not written is repeated; the browser shows a repetition in the place of the first.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from desk import metrics, web_push
from desk.accounts import gate
from desk.call_pool import make_calls
from desk.claims import Claims
from desk.languages import spoken_by
from desk.models import User
from desk.web_push import PushCall, PushResult
from tickets.models import Conversation, Message, PushDelivery, PushSubscription
from tickets.services.notifications import browsers, choices, kinds, payloads, recipients
from tickets.services.notifications.kinds import Kind, Subject

logger = logging.getLogger(__name__)

State = PushDelivery.State
CLAIMS = Claims(PushDelivery, State.PENDING, State.SENDING)
TEST_KIND = "test"
POOL_SIZE = 8
MAX_RUN_S = 60.0
#: Whatever could not be sent, or shown by the browser, for so long is no news any more.
LASTS = timedelta(hours=1)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
LONGEST_AHEAD = timedelta(seconds=web_push.MAX_RETRY_AFTER_S)


def waiting() -> QuerySet[PushDelivery, PushDelivery]:
    """Return the rows to send now."""
    now = timezone.now()
    not_paused = Q(subscription__retry_after=None) | Q(subscription__retry_after__lte=now)
    return PushDelivery.objects.filter(not_paused, Q(retry_after=None) | Q(retry_after__lte=now), state=State.PENDING)


def is_due() -> bool:
    """Return whether there is something to send, or to find out who gets it."""
    return recipients.is_due() or waiting().exists()


def work() -> int:
    """Find out who is notified, and send what waits; return how many notices and rows were taken."""
    return recipients.take_notices() + make_calls(_claim, _call, _finish, size=POOL_SIZE, max_run_s=MAX_RUN_S)


def send_test(user: User, endpoint_digest: str) -> bool:
    """Queue a notification that says that notifications work; return whether this browser is known."""
    row = PushSubscription.objects.filter(user=user, endpoint_digest=endpoint_digest).first()
    if row is None:
        return False
    PushSubscription.objects.filter(pk=row.pk).update(retry_after=None)
    PushDelivery.objects.create(subscription=row, kind=TEST_KIND, conversation_id=0)
    return True


@dataclass(frozen=True)
class _Job:
    row: PushDelivery
    call: PushCall


def _call(job: _Job) -> PushResult:
    return job.call.make()


def _claim(limit: int) -> Sequence[_Job]:
    """Claim rows and prepare their calls; drop what is not to be sent any more."""
    jobs = []
    pks = list(waiting().order_by("pk").values_list("pk", flat=True)[:limit])
    for row in CLAIMS.claim(pks):
        call = _call_for(row)
        if call is None:
            PushDelivery.objects.filter(pk=row.pk, claimed_by=row.claimed_by).delete()
        else:
            jobs.append(_Job(row, call))
    return jobs


def _call_for(row: PushDelivery) -> PushCall | None:
    """Return the call that sends a row, None when it is not to be sent any more."""
    subscription = PushSubscription.objects.filter(pk=row.subscription_id).select_related("user").first()
    if subscription is None or timezone.now() - row.created_at > LASTS:
        return None
    user = gate.user_of(subscription.session_key)
    key = browsers.key()
    if user is None or user.pk != subscription.user_id or not subscription.auth or not key.private_key:
        subscription.delete()  # logged out, deactivated, or a secret that no key decrypts
        return None
    with spoken_by(user):
        plain = payloads.test_payload() if row.kind == TEST_KIND else _payload(row, user)
    if plain is None:
        return None
    return PushCall(
        endpoint=subscription.endpoint,
        p256dh=subscription.p256dh,
        auth=subscription.auth,
        private_key=key.private_key,
        public_key=key.public_key,
        subject=browsers.subject(),
        plain=plain,
        topic=payloads.topic(row.kind, row.conversation_id),
        ttl_s=int(LASTS.total_seconds()),
        urgency="high",
        listed_hosts=settings.DESK_PUSH_HOSTS,
    )


def _payload(row: PushDelivery, user: User) -> bytes | None:
    kind, chosen = kinds.get(row.kind), choices.of(user)
    if kind is None or kind.name not in chosen.push or choices.is_quiet(chosen):
        return None
    subject = subject_of(kind, user.pk, row.conversation_id, row.message_id, row.by_user_id)
    if subject is None or not choices.is_present_enough(user, chosen):
        return None
    return payloads.payload(kind, subject, user, chosen)


def subject_of(
    kind: Kind, user_id: int, conversation_id: int, message_id: int | None, by_user_id: int | None
) -> Subject | None:
    """Return what a notification is about, None when this user may not see it or it is no longer true."""
    conversation = Conversation.objects.select_related("contact", "channel").filter(pk=conversation_id).first()
    if conversation is None or user_id not in recipients.who_may_see({user_id}, conversation):
        return None
    message = None
    if message_id is not None:
        message = Message.objects.filter(pk=message_id, conversation=conversation).first()
        if message is None:
            return None
    by = User.objects.filter(pk=by_user_id).first() if by_user_id is not None else None
    subject = Subject(conversation, message, by)
    return subject if kind.holds(subject, user_id) else None


# --- Outcomes ---------------------------------------------------------------------------------------------------------
def _finish(job: _Job, result: PushResult) -> None:
    """Write the result of a call, unless the claim expired meanwhile."""
    row, now = job.row, timezone.now()
    held = PushDelivery.objects.filter(pk=row.pk, claimed_by=row.claimed_by, state=State.SENDING)
    if result.is_accepted:
        metrics.PUSHES.add("sent")
        held.delete()
        _record_success(row.subscription_id, now)
        return
    metrics.PUSHES.add("gone" if result.is_gone else "failed")
    if result.is_gone:
        PushSubscription.objects.filter(pk=row.subscription_id).delete()  # and what waits for it
        return
    logger.warning("A push service did not take a notification for browser %s: %s", row.subscription_id, result.reason)
    again_at = _record_failure(row.subscription_id, result, now)
    if result.may_pass and now - row.created_at < LASTS:
        CLAIMS.finish(row, state=State.PENDING, retry_after=again_at)
    else:
        held.delete()


def _record_success(pk: int, now: datetime) -> None:
    """Reset the failures and store the time of success, at most once a minute."""
    rows = PushSubscription.objects.filter(pk=pk)
    recorded = Q(failures=0, failing_since=None, last_success_at__gt=now - timedelta(minutes=1))
    rows.exclude(recorded).update(failures=0, failing_since=None, retry_after=None, last_success_at=now)


def _record_failure(pk: int, result: PushResult, now: datetime) -> datetime:
    """Pause the browser, or forget one that has failed for long; return when it is tried again.

    Calls that fail together count once.
    """
    rows = PushSubscription.objects.filter(Q(retry_after=None) | Q(retry_after__lte=now), pk=pk)
    row = rows.first()
    if row is None:
        paused = PushSubscription.objects.filter(pk=pk).values_list("retry_after", flat=True).first()
        return paused or now + FIRST_PAUSE
    if row.failing_since is not None and now - row.failing_since > browsers.FORGET_AFTER:
        PushSubscription.objects.filter(pk=pk).delete()
        return now
    pause = min(FIRST_PAUSE * 2 ** min(row.failures, 20), LONGEST_PAUSE)
    again_at = now + max(pause, timedelta(seconds=result.retry_after_s))
    rows.update(failures=F("failures") + 1, failing_since=row.failing_since or now, retry_after=again_at)
    return again_at
