"""The outbox: send the queued replies of many conversations at once, in order within each.

A row is claimed by a conditional update that is committed before the call. The calls run in threads that make no query;
the main thread writes the outcome to the row (`send_call.record`). While calls end quickly, as many rows are claimed
ahead, so that no thread waits for the database. A wake only says that there are rows.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from channels_im.messenger import conversations
from channels_im.messenger.graph_messages import GraphMessage
from channels_im.models import Channel, Page
from channels_im.services.facebook import pace
from desk import call_pool, loops
from desk.health import Report, seconds
from desk.models import User
from desk.one_of import OneOf
from desk.prepared import Prepared
from desk.sentences import counted
from tickets.models import Conversation, Message
from tickets.services.conversation import access
from tickets.services.outgoing import delivery_status, send_call

logger = logging.getLogger(__name__)

POOL_SIZE = 64  # calls at the same time, in each process
MAX_RUN_S = 120.0
# Calls that end, and rows that come, within this time are handled together.
GATHER_S = 0.02
GATHER_BUSY_S = 0.05  # while every thread has a call: larger batches take less time for each row
# How long to wait when other processes hold the locks of all due conversations.
CONTENDED_S = 0.05
MAX_LOOKUPS = 5  # at the same time
# A row that was claimed ahead and finds no free thread within this time is given back: its window may close meanwhile.
AHEAD_S = 3.0
LOOK_EVERY_S = 1.0  # for rows of which no wake was heard
LATE_AFTER_S = 300

State = Message.State


def waiting(now: datetime | None = None) -> QuerySet[Message, Message]:
    """Return the rows to send at `now`: each is due, and the first of its conversation that is not settled.

    A queued row, and an unsure one that Desk still looks up, stops the rows after it. A row that is being sent stops
    all others. Failed and held rows, and unsure ones that are no longer looked up, stop none: the rows they had to stop
    are held with them. The rows of a Page that needs re-authentication are not stopped: they are claimed to be held,
    with the reason.
    """
    now = now or timezone.now()
    before = Message.objects.filter(
        Q(state=State.SENDING)
        | Q(pk__lt=OuterRef("pk"), state=State.QUEUED)
        | Q(pk__lt=OuterRef("pk"), state=State.UNSURE, retry_after__isnull=False),
        conversation=OuterRef("conversation"),
        state__in=(State.QUEUED, State.SENDING, State.UNSURE),
    )
    return (
        Message.objects.filter(Q(retry_after=None) | Q(retry_after__lte=now), state=State.QUEUED)
        .exclude(page__rate_limited_until__gt=now)
        .filter(~Exists(before) | ~Q(page__connection=Page.Connection.CONNECTED))
    )


def is_due() -> bool:
    """Return whether there is a row to send, an unsure row to look up, or an expired claim."""
    return waiting().exists() or delivery_status.due_lookups().exists() or delivery_status.stale().exists()


def report() -> Report:
    """Return the outbox's part of `/readyz`.

    `queued` counts the rows that wait or are being sent, `unsure` the unsure ones; `oldest_s` is how long the oldest of
    the former is due, in seconds. A row that cannot be sent yet (rate limit, pause before a retry) is not late.
    """
    now = timezone.now()
    since = Min(Coalesce("retry_after", "received_at"), filter=~Q(state=State.UNSURE))
    totals = Message.objects.filter(state__in=(State.QUEUED, State.SENDING, State.UNSURE)).aggregate(
        queued=Count("pk", filter=~Q(state=State.UNSURE)),
        unsure=Count("pk", filter=Q(state=State.UNSURE)),
        since=since,
    )
    late_since = waiting().aggregate(since=since)["since"]
    late_s = _age_s(late_since, now)
    late = counted(
        "A reply has waited for %(count)s second to be sent.",
        "A reply has waited for %(count)s seconds to be sent.",
        round(late_s),
    )
    problems = [late] if late_s > LATE_AFTER_S else []
    values = {"queued": totals["queued"], "unsure": totals["unsure"], "oldest_s": _age_s(totals["since"], now)}
    return Report(values, problems)


def _age_s(since: datetime | None, now: datetime) -> float:
    return max(0.0, seconds(now - since)) if since else 0.0


def drain_outbox() -> int:
    """Send due rows and look up unsure ones until none is left or the time is up; return how many calls were made."""
    delivery_status.reclaim_stale()
    call_count = _Drain().run()
    return call_count


@dataclass(frozen=True)
class _Job:
    """A call that runs in a thread: of a reply to be sent, or with `send` None the look-up of an unsure one."""

    message: Message
    call: Callable[[], Any]
    send: send_call.SendCall | None = None
    submitted: float = field(default_factory=time.monotonic)

    def make_call(self) -> Any:
        """Make the call, in a thread."""
        with send_call.working_on(self.message):
            return self.call()


def _outcome(future: Future[Any]) -> Any:
    return future.exception() or future.result()


class _Drain:
    """One run of the outbox: the calls under way and the conversations served."""

    def __init__(self) -> None:
        self.running: dict[Future[Any], _Job] = {}
        # Conversations of which a row was claimed in this round; the others come first.
        self.served: set[int] = set()
        self.call_count = 0
        self.ended = 0  # calls that ended since the last claim
        self.began, self.woken = time.monotonic(), loops.woken()
        self.renews_at = 0.0

    def run(self) -> int:
        """Start and finish calls until nothing is due or the time is up; then wait for those under way."""
        try:
            while True:
                more = loops.may_go_on(self.began, MAX_RUN_S) and self._start()
                if self.running:
                    self._finish_some()
                elif not more:
                    return self.call_count
        finally:  # after an error: what was sent until then is looked up when the claims expire
            wait([future for future in self.running if not future.cancel()])

    def _start(self) -> bool:
        """Claim rows for the free threads and for those that will soon be free; return False when nothing was due."""
        ahead = min(self.ended, POOL_SIZE)
        free = POOL_SIZE + ahead - len(self.running)
        if free <= (ahead // 2 if len(self.running) >= POOL_SIZE else 0):
            return False
        rows, contended = self._claim(free)
        authors = {row.author_id for row in rows if row.author_id is not None}
        facts_by_author = dict.fromkeys(authors, access.NOBODY) | access.facts_for_users(authors)
        jobs: list[_Job | None] = []
        for row in rows:
            with send_call.working_on(row):
                jobs.append(self._send_job(row, facts_by_author))
        under_way = {job.message.page_id for job in self.running.values() if job.send is None}
        lookups = delivery_status.claim_lookups(min(MAX_LOOKUPS, free - len(rows)), under_way)
        jobs += [self._lookup_job(row) for row in lookups]
        for job in filter(None, jobs):
            future = call_pool.threads(POOL_SIZE).submit(job.make_call)
            self.running[future] = job
            future.add_done_callback(lambda _future: self.woken.set())
            self.call_count += 1
        if contended and not self.running:
            time.sleep(CONTENDED_S)
        return contended or bool(rows)

    def _send_job(self, row: Message, facts_by_author: dict[int, access.UserFacts]) -> _Job | None:
        try:
            call = send_call.prepare(row, facts_by_author)
        except Exception:
            logger.exception("Message %s could not be prepared", row.pk)
            send_call.release_claim(row)
            return None
        if call is None:
            return None
        return _Job(row, call.make, call)

    def _lookup_job(self, row: Message) -> _Job:
        page_id, psid, token = row.page.page_id, row.conversation.contact.psid, row.page.page_token or ""
        turn = pace.reserve(row.page_id)

        def look_up() -> list[GraphMessage]:
            pace.wait_until(turn)
            return conversations.recent_messages(page_id, psid, token)

        return _Job(row, look_up)

    def _finish_some(self) -> None:
        """Wait until a call ends, or new rows come, which one slow call must not delay; write the outcomes."""
        renew_every = settings.DESK_CLAIM_SECONDS / 4
        self.woken.wait(min(renew_every, LOOK_EVERY_S))
        if not all(future.done() for future in self.running):
            time.sleep(GATHER_S if len(self.running) < POOL_SIZE else GATHER_BUSY_S)
        self.woken.clear()
        done = [future for future in self.running if future.done()]
        self.ended = max(len(done), self.ended // 2)
        outcomes = [(self.running.pop(future), _outcome(future)) for future in done]
        send_call.record([(job.send, outcome) for job, outcome in outcomes if job.send])
        for job, outcome in outcomes:
            if job.send is None:
                with send_call.working_on(job.message):
                    delivery_status.apply_lookup(job.message, outcome)
        self._give_back()
        self._renew(renew_every)

    def _give_back(self) -> None:
        """Give back the rows that were claimed ahead and wait too long for a thread, or for which no time is left."""
        is_ending = not loops.may_go_on(self.began, MAX_RUN_S)
        before = time.monotonic() - AHEAD_S
        waiting = [future for future, job in self.running.items() if job.send and (is_ending or job.submitted < before)]
        jobs = [self.running.pop(future) for future in waiting if future.cancel()]
        if calls := [job.send for job in jobs if job.send]:
            self.call_count -= len(calls)
            send_call.give_back(calls)

    def _renew(self, every_s: float) -> None:
        """Renew the claims of running calls: a claim that expires counts as that of a dead worker."""
        if time.monotonic() < self.renews_at:
            return
        self.renews_at = time.monotonic() + every_s
        if under_way := [job.message for job in self.running.values() if job.send]:
            delivery_status.CLAIMS.held(under_way).update(retry_after=delivery_status.lease_end())

    # --- Claims -------------------------------------------------------------------------------------------------------
    def _claim(self, limit: int) -> tuple[list[Message], bool]:
        """Claim up to `limit` rows, first of conversations not served in this round.

        Return them, and whether some could not be claimed because another process holds their conversation's lock.
        """
        due = waiting().order_by("pk").values_list("pk", "conversation_id")
        candidates = list(due.exclude(OneOf("conversation_id", self.served))[:limit])
        if not candidates and self.served:
            self.served.clear()
            candidates = list(due[:limit])
        if not candidates:
            return [], False
        claimed = self._claim_rows([pk for pk, _conversation in candidates], [pk for _row, pk in candidates])
        self.served.update(row.conversation_id for row in claimed)
        return claimed, len(claimed) < len(candidates)

    def _claim_rows(self, pks: list[int], conversation_pks: list[int]) -> list[Message]:
        """Lock the conversations and claim the rows that are still due; the claim is committed on return."""
        with transaction.atomic():
            locked = [pk for (pk,) in _LOCKED.rows(pks=conversation_pks)]
            due = _STILL_DUE.rows(now=timezone.now(), pks=pks, conversations=locked)
            still_due = [pk for (pk,) in due]
            claimed = delivery_status.CLAIMS.claim(still_due, retry_after=delivery_status.lease_end())
        rows = claimed.select_related("conversation__contact").prefetch_related("attachments")
        return _with_channels_and_authors(list(rows))


def _lock(*, pks: Sequence[int]) -> QuerySet[Conversation, Any]:
    """Lock those of the conversations that no other process has locked."""
    free = Conversation.objects.select_for_update(skip_locked=True)
    return free.filter(pk__in=pks).order_by("pk").values_list("pk")


def _still_due(*, now: datetime, pks: Sequence[int], conversations: Sequence[int]) -> QuerySet[Message, Any]:
    return waiting(now).filter(pk__in=pks, conversation_id__in=conversations).values_list("pk")


_LOCKED, _STILL_DUE = Prepared(_lock), Prepared(_still_due)


def _with_channels_and_authors(rows: list[Message]) -> list[Message]:
    """Give claimed rows their channels, with their Pages, and their authors: each is read once, after the claim."""
    channels = Channel.objects.select_related("page").in_bulk({row.conversation.channel_id for row in rows})
    authors = User.objects.in_bulk({row.author_id for row in rows if row.author_id is not None})
    for row in rows:
        row.conversation.channel = channels[row.conversation.channel_id]
        if row.author_id is not None:
            row.author = authors.get(row.author_id)
    return rows
