"""The kinds of data of the base app that are deleted by age: logins, finished tasks, the history, times of messages."""

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, QuerySet
from django_q.models import Task

from desk import retention
from desk.models import AuditEntry, TimingCount
from desk.sentences import sentence


def expired_sessions(before: datetime) -> QuerySet[Session, Session]:
    """Return the sessions that expired before this time."""
    return Session.objects.filter(expire_date__lt=before)


def listed_sessions(before: datetime) -> QuerySet[UserSession, UserSession]:
    """Return the lines of people's lists of sessions whose session is gone."""
    session = Session.objects.filter(session_key=OuterRef("session_key"))
    return UserSession.objects.filter(~Exists(session), last_seen_at__lt=before)


def _delete_sessions(before: datetime, limit: int) -> int:
    deleted = retention.delete_batch(expired_sessions(before), limit, "expire_date")
    return deleted or retention.delete_batch(listed_sessions(before), limit, "last_seen_at")


def finished_tasks(before: datetime) -> QuerySet[Task, Task]:
    """Return the records of tasks that ended before this time. A task that waits is no such record."""
    return Task.objects.filter(stopped__lt=before)


def history(before: datetime) -> QuerySet[AuditEntry, AuditEntry]:
    """Return the history entries written before this time."""
    return AuditEntry.objects.filter(at__lt=before)


def timings(before: datetime) -> QuerySet[TimingCount, TimingCount]:
    """Return the counts of how long messages took before this time."""
    return TimingCount.objects.filter(slot__lt=before)


def register() -> None:
    """Register all of them. Called from `AppConfig.ready()`."""
    retention.register(
        retention.Kind.of_rows(
            history,
            name="history",
            label=sentence("History"),
            text=sentence("Who did what in Setup, and when. Receipts of erased persons are kept."),
            default_days=None,
            minimum_days=30,
            minimum_reason=sentence("A change must stay traceable until somebody has noticed what it did."),
            order=40,
        )
    )
    retention.register(
        retention.Kind(
            name="sessions",
            label=sentence("Expired logins"),
            text=sentence("Counted from the day on which the login expired. Nobody is logged out."),
            default_days=1,
            count=lambda before: expired_sessions(before).count(),
            delete=_delete_sessions,
            order=60,
        )
    )
    retention.register(
        retention.Kind.of_rows(
            finished_tasks,
            "stopped",
            name="tasks",
            label=sentence("Finished tasks"),
            text=sentence("The worker's records of tasks that ended with an error. Tasks that wait are kept."),
            default_days=30,
            order=61,
        )
    )
    retention.register(
        retention.Kind.of_rows(
            timings,
            "slot",
            name="timings",
            label=sentence("Times of messages"),
            text=sentence(
                "How long messages took to the screen, as counts for each five minutes. Health shows the last day."
            ),
            default_days=8,
            minimum_days=2,
            minimum_reason=sentence("Health shows the last day."),
            batch_size=5000,
            order=62,
        )
    )
