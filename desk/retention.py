"""Delete data when they have been kept long enough. Apps register kinds of data in `AppConfig.ready()`.

Administrators choose the days of each kind (Setup → Data retention). A daily task deletes in small batches, each in a
transaction of its own, so that nobody waits long for a lock and a run that is stopped can go on later. What still waits
for something is never deleted: that is the duty of each kind.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from desk import audit_log
from desk.errors import Refused
from desk.models import RetentionRule, RetentionRun, User
from desk.queue import enqueue
from desk.sentences import counted, sentence

logger = logging.getLogger(__name__)

TASK = "desk.tasks.apply_retention"
VIEW, CHANGE = "desk.view_retentionrule", "desk.change_retentionrule"
MAX_DAYS = 36_500
MAX_S_PER_KIND = 20.0  # of one task; with all kinds well below the time-out of a task (Q_CLUSTER)
PAUSE_S = 0.05  # between two batches, for the others who write
FAILED = sentence("Deleting stopped with an error, which is in the worker's log. It is tried again the next day.")

#: What `save` records, for the catalogues: one for each kind, since a text without words could be any other.
CHANGES = (
    sentence("Closed conversations: %(before_text)s → %(after_text)s."),
    sentence("Content of webhook deliveries: %(before_text)s → %(after_text)s."),
    sentence("Delivered webhook events: %(before_text)s → %(after_text)s."),
    sentence("Other webhook events: %(before_text)s → %(after_text)s."),
    sentence("History: %(before_text)s → %(after_text)s."),
    sentence("Expired logins: %(before_text)s → %(after_text)s."),
    sentence("Finished tasks: %(before_text)s → %(after_text)s."),
    sentence("Times of messages: %(before_text)s → %(after_text)s."),
)

Days = dict[str, int | None]


@dataclass(frozen=True)
class Kind:
    """One kind of data. `label` and `text` are for the page; "" as `minimum_reason` needs a `minimum_days` of 1.

    `count(before)` returns how many rows are older than `before` and may go. `delete(before, limit)` deletes at most
    `limit` of them, in short transactions, and returns how many; 0 means that none is left.
    """

    name: str
    label: str
    text: str
    default_days: int | None
    count: Callable[[datetime], int]
    delete: Callable[[datetime, int], int]
    minimum_days: int = 1
    minimum_reason: str = ""
    batch_size: int = 500
    order: int = 50

    @classmethod
    def of_rows(cls, rows: Callable[[datetime], QuerySet[Any, Any]], order_by: str = "pk", **fields: Any) -> "Kind":
        """Return the kind whose data are all of `rows(before)`, deleted in the order of a column with an index."""
        return cls(
            count=lambda before: rows(before).count(),
            delete=lambda before, limit: delete_batch(rows(before), limit, order_by),
            **fields,
        )

    def check(self, days: int | None) -> None:
        """Raise Refused when the data cannot be kept for so many days; None is for ever."""
        if days is None or self.minimum_days <= days <= MAX_DAYS:
            return
        if days > MAX_DAYS:
            most = sentence("At most %(most)s days. Leave it empty to keep them for ever.", most=f"{MAX_DAYS:,}")
            raise Refused(most, field=self.name)
        least = counted("At least %(count)s day.", "At least %(count)s days.", self.minimum_days)
        raise Refused(f"{least} {self.minimum_reason}".strip(), field=self.name)


_registered: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Add a kind of data, or replace the one with the same name."""
    _registered[kind.name] = kind


def kinds() -> list[Kind]:
    """Return all kinds in the order of the page."""
    return sorted(_registered.values(), key=lambda kind: (kind.order, kind.name))


def delete_batch(rows: QuerySet[Model, Model], limit: int, order_by: str = "pk") -> int:
    """Delete the first `limit` of `rows` in one transaction; return how many, without what was deleted with them."""
    with transaction.atomic():
        pks = list(rows.order_by(order_by).values_list("pk", flat=True)[:limit])
        deleted = rows.filter(pk__in=pks).delete()[1] if pks else {}
    return deleted.get(rows.model._meta.label, 0)


# --- The rules --------------------------------------------------------------------------------------------------------
def current_days() -> Days:
    """Return for how many days each kind is kept now; None is for ever."""
    chosen = dict(RetentionRule.objects.values_list("kind", "days"))
    return {kind.name: chosen.get(kind.name, kind.default_days) for kind in kinds()}


def preview(days: Mapping[str, int | None], now: datetime | None = None) -> dict[str, int]:
    """Count what the first run with these days would delete, for each kind that is not kept for ever."""
    now = now or timezone.now()
    return {
        kind.name: kind.count(now - timedelta(days=chosen))
        for kind in kinds()
        if (chosen := days.get(kind.name)) is not None
    }


def save(user: User, days: Mapping[str, int | None]) -> list[str]:
    """Save the days of the kinds given and record each change; return the changes as sentences. Raises Refused."""
    changes = []
    with transaction.atomic():
        before = current_days()
        for kind in kinds():
            if kind.name not in days or days[kind.name] == before[kind.name]:
                continue
            kind.check(days[kind.name])
            rule, _created = RetentionRule.objects.update_or_create(kind=kind.name, defaults={"days": days[kind.name]})
            changes.append(f"{kind.label}: {in_words(before[kind.name])} → {in_words(days[kind.name])}.")
            audit_log.record(user, rule, audit_log.CHANGE, changes[-1])
    return changes


def in_words(days: int | None) -> str:
    """Return the days as the page says them."""
    if days is None:
        return sentence("for ever")
    return counted("%(count)s day", "%(count)s days", days)


# --- Deleting ---------------------------------------------------------------------------------------------------------
def apply(*, resume: bool = False, max_s_per_kind: float | None = MAX_S_PER_KIND) -> dict[str, int]:
    """Delete what is too old; return how many rows by kind. A kind that fails does not stop the others.

    `resume` continues only what the last run left over. A kind that is not finished after `max_s_per_kind` seconds
    (None: no limit) goes on in another task.
    """
    deleted: dict[str, int] = {}
    days = current_days()
    runs = RetentionRun.objects.in_bulk()
    unfinished = False
    for kind in kinds():
        kept = days[kind.name]
        run = runs.get(kind.name)
        if kept is None or (resume and (run is None or run.finished_at is not None)):
            continue
        if run is None or not resume:
            run = RetentionRun(kind=kind.name, started_at=timezone.now())
        deleted[kind.name] = _apply_one(kind, timezone.now() - timedelta(days=kept), run, max_s_per_kind)
        unfinished = unfinished or run.finished_at is None
    if unfinished:
        enqueue(TASK, True)
    return deleted


def _apply_one(kind: Kind, before: datetime, run: RetentionRun, max_s: float | None) -> int:
    """Delete batches of one kind until none is left or the time is up; save after each how far the run is."""
    began = time.monotonic()
    count = 0
    run.save()
    try:
        while max_s is None or time.monotonic() - began < max_s:
            deleted = kind.delete(before, kind.batch_size)
            if not deleted:
                run.finished_at = timezone.now()
                break
            count += deleted
            run.deleted += deleted
            run.save(update_fields=["deleted"])
            time.sleep(PAUSE_S)
    except Exception:
        logger.exception("Retention of %s failed", kind.name)
        run.error, run.finished_at = FAILED, timezone.now()
    run.save()
    seconds = time.monotonic() - began
    logger.info("Retention of %s: %s deleted from before %s in %.1f s", kind.name, count, before.date(), seconds)
    return count
