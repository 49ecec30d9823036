"""Claim rows for one worker. A claim is committed before the work begins, so that no other worker does it too.

What waits is of one of three kinds; docs/architecture.md ("Claims") says which rows are of which:

* `Claims`: rows with a state. A claim is a state of its own, with the name of who claimed the row and when.
* `LatestRequests`: rows that hold only the latest request for a call.
* `DueTimes`: rows of other things that have a time at which something is due.
"""

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone

from desk import loops
from desk.backoff import delay_after

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

CANDIDATES = 20  # rows that are read to find one that no other worker claims at the same time


def new_token() -> str:
    """Return a name for a claim that no other claim has: it says which process of which machine made it."""
    return f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid.uuid4().hex[:16]}"


@dataclass(frozen=True)
class Claims(Generic[M]):
    """The claims on the rows of `model`: a row in the state `waiting` can be claimed, and is in `claimed` then.

    The model has the fields `state`, `attempts`, `claimed_at`, `claimed_by` and `retry_after`.
    """

    model: type[M]
    waiting: str
    claimed: str

    def claim(self, pks: Collection[int], **fields: object) -> QuerySet[M, M]:
        """Claim those of `pks` that are still free, and write `fields` to them; return the rows of this claim.

        The condition is checked again under each row's lock. Each claim counts as an attempt. The rows are read when
        the query is evaluated, in the order of their primary keys.
        """
        token = new_token()
        free = self._rows(pk__in=pks, state=self.waiting)
        values = {"state": self.claimed, "claimed_at": timezone.now(), "claimed_by": token, **fields}
        if not pks or not free.update(attempts=F("attempts") + 1, **values):
            return self.model._default_manager.none()
        return self._rows(pk__in=pks, claimed_by=token, state=self.claimed).order_by("pk")

    def held(self, rows: Iterable[M]) -> QuerySet[M, M]:
        """Return those of the claimed `rows` that nobody has reclaimed meanwhile."""
        rows = list(rows)
        tokens = {getattr(row, "claimed_by") for row in rows}  # noqa: B009 - a field that each such model has
        return self._rows(pk__in=[row.pk for row in rows], claimed_by__in=tokens, state=self.claimed)

    def finish(self, *rows: M, **fields: object) -> bool:
        """Write the same result to claimed rows and end their claims; return False when one was reclaimed meanwhile."""
        return self.held(rows).update(claimed_by="", claimed_at=None, **fields) == len(rows)

    def renew(self, rows: Iterable[M]) -> set[int]:
        """Let the claims begin anew; return the primary keys of the rows that nobody has reclaimed meanwhile.

        Call it during work that can take longer than DESK_CLAIM_SECONDS (see `renewal_s`).
        """
        rows = list(rows)
        self.held(rows).update(claimed_at=timezone.now())
        return set(self.held(rows).values_list("pk", flat=True))

    @staticmethod
    def renewal_s() -> float:
        """Return after how many seconds a claim should be renewed."""
        return float(settings.DESK_CLAIM_SECONDS) / 3

    def release(self, rows: Iterable[M], **fields: object) -> None:
        """Give claimed rows back as if they had not been tried, and write `fields` to them."""
        self.held(rows).update(state=self.waiting, claimed_by="", claimed_at=None, attempts=F("attempts") - 1, **fields)

    def stale(self) -> QuerySet[M, M]:
        """Return the rows that were claimed more than DESK_CLAIM_SECONDS ago: their worker died."""
        before = timezone.now() - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
        return self._rows(state=self.claimed, claimed_at__lt=before)

    def reclaim_stale(self) -> int:
        """Free what a worker claimed more than DESK_CLAIM_SECONDS ago and never finished; return how many rows.

        Each waits the delay of its attempts before it is claimed again, because it may be what killed the worker.
        """
        freed = 0
        with transaction.atomic():
            for pk, attempts, token in list(self.stale().values_list("pk", "attempts", "claimed_by")):
                retry_after = timezone.now() + (delay_after(attempts) or timedelta(0))
                freed += self._rows(pk=pk, claimed_by=token, state=self.claimed).update(
                    state=self.waiting, claimed_by="", claimed_at=None, retry_after=retry_after
                )
        if freed:
            logger.warning("Freed %s rows of %s claimed by a worker that died", freed, self.model._meta.label)
        return freed

    def _rows(self, **conditions: Any) -> QuerySet[M, M]:
        return self.model._default_manager.filter(**conditions)


@dataclass(frozen=True)
class LatestRequests(Generic[M]):
    """Rows of `model` that each hold the latest request for a call, such as the block of a contact.

    While a call is under way a newer request waits for its end, so that the calls of one row never overtake each other:
    the last call carries the last request. The model has the fields `due_at` (empty: there is nothing to do),
    `attempts`, `claimed_by` and `claimed_until`; `wanted` are the fields that say what is requested. A claim ends by
    itself after DESK_CLAIM_SECONDS.
    """

    model: type[M]
    wanted: tuple[str, ...]

    def due(self) -> QuerySet[M, M]:
        """Return the rows whose call is due and not under way."""
        now = timezone.now()
        return self.model._default_manager.filter(
            Q(claimed_until=None) | Q(claimed_until__lte=now), due_at__lte=now
        ).order_by("due_at", "pk")

    def claim_first(self, rows: QuerySet[M, M], **fields: object) -> M | None:
        """Claim the first of the due `rows` that is still free, write `fields` to it and return it, or None."""
        for row in rows[:CANDIDATES]:
            token = new_token()
            until = timezone.now() + timedelta(seconds=settings.DESK_CLAIM_SECONDS)
            unchanged = self._same(row, "due_at", *self.wanted)
            if unchanged.update(claimed_by=token, claimed_until=until, attempts=F("attempts") + 1, **fields):
                values: Any = row
                values.claimed_by = token
                values.attempts += 1
                return row
        return None

    def work(self, claim: Callable[[], M | None], act: Callable[[M], None], *, max_run_s: float) -> int:
        """Claim rows and `act` on them until none is due or the time is up; return how many."""
        began, count = time.monotonic(), 0
        while row := claim():
            count += 1
            act(row)
            if not loops.may_go_on(began, max_run_s):
                break
        return count

    def finish(self, row: M, **fields: object) -> bool:
        """Write the outcome of a call and end the claim.

        Return False, with nothing written, when a newer request came meanwhile, which is free now, or the claim ended.
        """
        if self._same(row, *self.wanted).update(claimed_by="", claimed_until=None, **fields):
            return True
        self._same(row).update(claimed_by="", claimed_until=None)
        return False

    def _same(self, row: M, *names: str) -> QuerySet[M, M]:
        """Return the row if it has the claim and the values of these fields still."""
        same = {name: getattr(row, name) for name in ("claimed_by", *names)}
        return self.model._default_manager.filter(pk=row.pk, **same)


@dataclass(frozen=True)
class DueTimes(Generic[M]):
    """Rows of `model` for which something is due at the time in `field`, such as an e-mail about a Page.

    A claim moves the time to its own end, so what a dead worker had claimed is due again without being freed. It lasts
    `lasts`, or DESK_CLAIM_SECONDS. `attempts` names the field that counts the claims, if there is one.
    """

    model: type[M]
    field: str
    attempts: str = ""
    lasts: timedelta | None = None

    def longest_ahead(self, tries: int) -> timedelta | None:
        """Return how far ahead the time of a row is at most, whose retries `desk.backoff` plans: for planned_times."""
        pause = delay_after(tries)
        return None if pause is None else max(pause, self.lease())

    def is_due(self) -> Q:
        """Return the condition that a row is due: its time has come, or it has none."""
        return Q(**{self.field: None}) | Q(**{f"{self.field}__lte": timezone.now()})

    def lease(self) -> timedelta:
        """Return for how long a claim is valid."""
        return timedelta(seconds=settings.DESK_CLAIM_SECONDS) if self.lasts is None else self.lasts

    def claim(self, rows: QuerySet[M, M], limit: int | None = None) -> list[M]:
        """Claim the first `limit` of the due `rows`; return those that no other worker has claimed meanwhile."""
        return [row for row in rows[:limit] if self.claim_one(row, rows)]

    def claim_one(self, row: M, rows: QuerySet[M, M]) -> bool:
        """Claim a row that was read from `rows` if it is one of them still; return whether it was.

        The object gets the time at which the claim ends, which `held` compares.
        """
        until = timezone.now() + self.lease()
        changes: dict[str, Any] = {self.field: until}
        if self.attempts:
            changes[self.attempts] = F(self.attempts) + 1
        if not rows.filter(pk=row.pk, **{self.field: getattr(row, self.field)}).update(**changes):
            return False
        setattr(row, self.field, until)
        if self.attempts:
            setattr(row, self.attempts, getattr(row, self.attempts) + 1)
        return True

    def held(self, row: M) -> QuerySet[M, M]:
        """Return the claimed row, as long as nobody has claimed it again or changed its time."""
        return self.model._default_manager.filter(pk=row.pk, **{self.field: getattr(row, self.field)})
