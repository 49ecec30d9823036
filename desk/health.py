"""Health checks: `/healthz` for the process, `/readyz` for database, worker and queues."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from desk import __version__, logs
from desk.models import Heartbeat
from desk.probe_access import may_see_details
from desk.sentences import counted, sentence

logger = logging.getLogger(__name__)

WORKER = "worker"
HEARTBEAT_EVERY_S = 2
LATE_AFTER_S = 30
PROBE = "readyz"  # the row that /readyz writes
WRITE_TIMEOUT_S = 3
NEVER = " ".join((sentence("The worker has never run."), sentence("Start it: manage.py worker.")))


@dataclass(frozen=True)
class Report:
    """One part of `/readyz`: its `values`, and in `problems` a sentence for each reason why Desk is degraded."""

    values: Any
    problems: list[str] = field(default_factory=list)


_reports: dict[str, Callable[[], Report]] = {}


def register(name: str, report: Callable[[], Report]) -> None:
    """Add a part to `/readyz`. Call it from `AppConfig.ready()`."""
    _reports[name] = report


def record_heartbeat(name: str = WORKER) -> None:
    """Record that the process `name` is alive now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beat_at": timezone.now()})


def readiness() -> dict[str, Any]:
    """Return all that is known: "status" is "ok" or "degraded"; each part; the reasons in "problems".

    "failing" has the names of the parts that give a reason.
    """
    parts = {"database": database_report(), "media": media_report()}
    try:
        parts |= reports()
    except DatabaseError as error:
        logger.warning("The database does not answer: %s", logs.summary(error))
        parts = {
            "database": Report("unreachable", [sentence("The database does not answer.")]),
            "media": parts["media"],
        }
    problems = [problem for part in parts.values() for problem in part.problems]
    values = {name: part.values for name, part in parts.items()}
    failing = [name for name, part in parts.items() if part.problems]
    return {"status": "degraded" if problems else "ok", **values, "problems": problems, "failing": failing}


def for_strangers(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what everybody may know of `readiness()`: whether Desk is ready, and which parts are not."""
    return {name: answer[name] for name in ("status", "failing")}


def database_report() -> Report:
    """Report whether the database takes a write within WRITE_TIMEOUT_S."""
    try:
        with _short_waits():
            record_heartbeat(PROBE)
    except DatabaseError as error:
        logger.warning("The database cannot be written: %s", logs.summary(error))
        reason = " ".join(str(error).split())[:200]
        problem = sentence("The database cannot be written: %(error)s.", error=reason)
        return Report("not writable", [problem])  # English only: for programs
    return Report("ok")


@contextmanager
def _short_waits() -> Iterator[None]:
    """Let statements give up after WRITE_TIMEOUT_S: a probe must not wait for a lock as long as a request may."""
    milliseconds = WRITE_TIMEOUT_S * 1000
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with transaction.atomic():
                cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
                cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                yield
            return
        usual = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")


def media_report() -> Report:
    """Report whether a file can be stored and deleted again."""
    try:
        name = default_storage.save(f"health/{uuid.uuid4().hex}", ContentFile(b"ok"))
        default_storage.delete(name)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).removesuffix(".")
        logger.warning("Files cannot be stored: %s", reason)
        problem = sentence("Files cannot be stored: %(error)s.", error=reason)
        return Report("not writable", [problem])  # English only: for programs
    return Report("ok")


def reports() -> dict[str, Report]:
    """Return what worker and queues report, by part. Raises DatabaseError."""
    return {WORKER: worker_report()} | {name: report() for name, report in _reports.items()}


def worker_report() -> Report:
    """Report the age of the worker's last heartbeat in seconds; None when there never was one."""
    beat_at = Heartbeat.objects.filter(name=WORKER).values_list("beat_at", flat=True).first()
    if beat_at is None:
        return Report({"heartbeat_age_s": None}, [NEVER])
    age = abs(seconds(timezone.now() - beat_at))  # one in the future is of a wrong clock: no worker has corrected it
    is_late = age > LATE_AFTER_S
    late = counted(
        "The worker's last heartbeat was %(count)s second ago.",
        "The worker's last heartbeat was %(count)s seconds ago.",
        round(age),
    )
    return Report({"heartbeat_age_s": age}, [late] if is_late else [])


def seconds(span: timedelta) -> float:
    """Return a span of time in seconds, rounded to a tenth."""
    return round(span.total_seconds(), 1)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200: this process accepts requests. Checks nothing else."""
    return JsonResponse({"status": "ok", "version": __version__})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer with `readiness()`: 200 when its status is ok, 503 when it is degraded. Strangers get no details."""
    answer = readiness()
    shown = answer if may_see_details(request) else for_strangers(answer)
    return JsonResponse(shown, status=200 if answer["status"] == "ok" else 503)
