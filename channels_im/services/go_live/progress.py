"""How far going live is: request and make the checks, tick steps, and return the state of all steps.

A due time on the one row of GoLive requests the checks; the worker makes them and stores what they found.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from channels_im.models import GoLive, GoLiveStep
from channels_im.services.go_live import catalogue, checks
from channels_im.services.go_live.catalogue import Step
from desk import audit_log
from desk.claims import DueTimes
from desk.errors import Refused
from desk.models import User
from desk.queue import enqueue
from desk.sentences import sentence
from desk.text import head

logger = logging.getLogger(__name__)

TASK = "channels_im.tasks.check_going_live"
MAX_ATTEMPTS = 3
MAX_DETAIL = 1000  # characters: Meta's answer may be long
GAVE_UP = sentence("The checks stopped with an error in Desk itself; the log has the details.")
NOT_CHECKED = sentence("Not checked yet.")
OVERDUE_AFTER = timedelta(minutes=1)
ROW = 1  # the primary key of the one row

State = GoLiveStep.State


# --- Checks -----------------------------------------------------------------------------------------------------------
def request_checks() -> None:
    """Request the checks; the worker makes them after the commit."""
    GoLive.objects.update_or_create(pk=ROW, defaults={"due_at": timezone.now(), "attempts": 0, "error": ""})
    enqueue(TASK)


def is_overdue(known: GoLive) -> bool:
    """Return whether no worker has begun the checks, although they were requested a while ago."""
    return known.due_at is not None and known.due_at < timezone.now() - OVERDUE_AFTER


def is_due() -> bool:
    """Return whether the checks are due."""
    return GoLive.objects.filter(due_at__lte=timezone.now()).exists()


def run_checks() -> int:
    """Make the checks if they are due; return how many steps were checked, 0 when another worker makes them."""
    row = _claim()
    if row is None:
        return 0
    if row.attempts > MAX_ATTEMPTS:  # each of the last ones ended without a word: they may kill the worker
        _finish(row, error=GAVE_UP)
        return 0
    try:
        findings = checks.run(timezone.now())
    except Exception:
        logger.exception("The checks of going live failed")
        _finish(row, error=GAVE_UP)
        return 0
    with transaction.atomic():
        now = timezone.now()
        for key, finding in findings.items():
            found = {"state": finding.state, "detail": head(finding.detail, MAX_DETAIL), "checked_at": now}
            GoLiveStep.objects.update_or_create(key=key, defaults=found)
        _finish(row, error="", checked_at=now)
    return len(findings)


def _claim() -> GoLive | None:
    return next(iter(_claims().claim(GoLive.objects.filter(due_at__lte=timezone.now()))), None)


def _claims() -> DueTimes[GoLive]:
    return DueTimes(GoLive, "due_at", "attempts", lasts=lease())


def lease() -> timedelta:
    """Return for how long the checks belong to the worker that makes them; longer than they can take."""
    return timedelta(seconds=max(settings.DESK_CLAIM_SECONDS, 3 * checks.MAX_S))


def _finish(row: GoLive, **facts: object) -> None:
    """Write the outcome, unless the checks were requested again meanwhile: then they are still due."""
    _claims().held(row).update(due_at=None, **facts)


# --- The state of the steps -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ReportOnTest:
    """What became of the test message: a state of GoLiveStep and a sentence."""

    state: str
    detail: str


_test_reporters: list[Callable[[int], ReportOnTest | None]] = []


def register_test_reporter(report: Callable[[int], ReportOnTest | None]) -> None:
    """Register `report(message id)`, which says what became of the test message, or None when it is gone."""
    if report not in _test_reporters:
        _test_reporters.append(report)


@dataclass(frozen=True)
class StepState:
    """A step with what is known about it. `may_tick`: only an administrator can say that it is done."""

    step: Step
    state: str
    detail: str = ""
    checked_at: datetime | None = None
    ticked_at: datetime | None = None
    ticked_by: str = ""

    @property
    def is_done(self) -> bool:
        return self.state == State.DONE

    @property
    def may_tick(self) -> bool:
        return self.state == State.UNKNOWN


def row() -> GoLive:
    """Return the one row of going live, unsaved when nothing was ever requested."""
    return GoLive.objects.filter(pk=ROW).first() or GoLive(pk=ROW)


def states() -> list[StepState]:
    """Return every step with its state, in order. Makes no call."""
    rows = GoLiveStep.objects.in_bulk()
    return [_test_state(step) if step.key == "test" else _state(step, rows.get(step.key)) for step in catalogue.steps()]


def _state(step: Step, known: GoLiveStep | None) -> StepState:
    """Return the state of a step: a check that found a fault counts more than a tick."""
    if step.is_checked and (known is None or not known.state):
        return StepState(step, State.TO_DO, NOT_CHECKED)
    if known is None:
        return StepState(step, State.UNKNOWN)
    state: str = known.state or State.UNKNOWN
    is_ticked = state == State.UNKNOWN and known.ticked_at is not None
    return StepState(
        step,
        State.DONE if is_ticked else state,
        known.detail,
        known.checked_at,
        known.ticked_at if is_ticked else None,
        known.ticked_by_name if is_ticked else "",
    )


def _test_state(step: Step) -> StepState:
    message_id = row().test_message_id
    reports = (report(message_id) for report in _test_reporters if message_id is not None)
    found = next((each for each in reports if each is not None), None)
    if found is None:
        return StepState(step, State.TO_DO, sentence("No test message was sent yet."))
    return StepState(step, found.state, found.detail)


def note_test(message_id: int) -> None:
    """Remember the test message that was sent last."""
    GoLive.objects.update_or_create(pk=ROW, defaults={"test_message_id": message_id})


# --- Ticks ------------------------------------------------------------------------------------------------------------
def tick(user: User, key: str, *, done: bool) -> None:
    """Set or remove the tick of an administrator. Raises Refused for a step that Desk checks itself."""
    step = next((step for step in catalogue.steps() if step.key == key), None)
    if step is None:
        raise Refused(sentence("There is no such step."))
    with transaction.atomic():
        GoLiveStep.objects.get_or_create(key=key)
        known = GoLiveStep.objects.select_for_update().get(key=key)
        current = _state(step, known)
        if done and not current.may_tick and not current.is_done:
            raise Refused(
                sentence(
                    "“%(title_text)s” is checked by Desk: do what the check says, then check again.",
                    title_text=step.title,
                )
            )
        if current.is_done if done else known.ticked_at is None:
            return
        known.ticked_at = timezone.now() if done else None
        known.ticked_by = user if done else None
        known.ticked_by_name = head(str(user), audit_log.NAME_LENGTH) if done else ""
        known.save(update_fields=["ticked_at", "ticked_by", "ticked_by_name"])
        changed = (
            sentence("Going live: “%(title_text)s” ticked as done.", title_text=step.title)
            if done
            else sentence("Going live: “%(title_text)s” no longer ticked as done.", title_text=step.title)
        )
        audit_log.record(user, known, audit_log.CHANGE, changed)


def hide(user: User, *, hidden: bool) -> None:
    """Show going live on the first page of Setup, or no longer."""
    with transaction.atomic():
        known, _created = GoLive.objects.update_or_create(pk=ROW, defaults={"is_hidden": hidden})
        changed = (
            sentence("Going live: hidden on the first page of Setup.")
            if hidden
            else sentence("Going live: shown on the first page of Setup.")
        )
        audit_log.record(user, known, audit_log.CHANGE, changed)
