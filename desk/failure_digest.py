"""The digest of failures: one e-mail to administrators about all that failed since the last one, by cause.

Setup → Health shows the same causes. Apps register what fails in `AppConfig.ready()`.

It is sent soon after the first failure, and then at most once in an hour, or in a day (DESK_FAILURE_DIGEST). Two rows
of Heartbeat remember it: up to when failures were told, and when the next digest is due. The latter is also the claim
of the worker that sends it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from desk import letters, mail, planned_times
from desk.claims import DueTimes
from desk.models import Heartbeat
from desk.sentences import counted, sentence

logger = logging.getLogger(__name__)

TASK = "desk.failure_digest.send_due"
DIGESTS = DueTimes(Heartbeat, "beat_at", lasts=mail.LEASE)
TOLD, DUE = "failures told until", "next digest of failures"  # English only: names of rows
INTERVALS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}
ONCE_IN = {
    "hourly": sentence("This digest is sent at most once an hour."),
    "daily": sentence("This digest is sent at most once a day."),
}
#: How often Desk looks whether anything failed, and how old the first failure of a digest can be.
LOOK_EVERY = timedelta(minutes=10)
FIRST_LOOKS_BACK = timedelta(hours=1)
MAX_AGE = timedelta(days=7)
MAX_CAUSES = 20


@dataclass(frozen=True)
class Cause:
    """What failed, as a title and as a sentence with a number; how often, and why; `where` is a Page or a webhook.

    `minute` is the minute in which it failed, None for causes of several minutes. `page` is the primary key of the Page
    that it is about. `path` is where Setup or the inbox shows it, to users who have any one of `permissions`. What
    waits for a person instead of having failed (`is_held`) is not in the digest.
    """

    title: str
    words: Callable[[int], str]
    count: int
    why: str
    where: str
    minute: datetime | None = None
    page: int | None = None
    path: str = ""
    permissions: tuple[str, ...] = ()
    is_held: bool = False


_registered: dict[str, Callable[[datetime, datetime], list[Cause]]] = {}


def register(name: str, causes_between: Callable[[datetime, datetime], list[Cause]]) -> None:
    """Register what failed after a time and until another, by cause and minute."""
    _registered[name] = causes_between


def causes_between(since: datetime, until: datetime) -> list[Cause]:
    """Return what failed after `since` and until `until`, by cause and minute."""
    return [cause for causes in _registered.values() for cause in causes(since, until)]


def together(causes: Iterable[Cause]) -> list[Cause]:
    """Return the causes without their minutes, each once with its whole count, the most frequent first."""
    counts: dict[Cause, int] = {}
    for cause in causes:
        alike = replace(cause, count=0, minute=None)
        counts[alike] = counts.get(alike, 0) + cause.count
    whole = [replace(cause, count=count) for cause, count in counts.items()]
    return sorted(whole, key=lambda cause: -cause.count)


def register_planned_times() -> None:
    """Let a digest that a wrong clock has planned be due."""
    planned_times.register(Heartbeat, "beat_at", max(INTERVALS.values()), only=Q(name=DUE))
    planned_times.register(Heartbeat, "beat_at", planned_times.NOW, only=Q(name=TOLD))


def is_due() -> bool:
    """Return whether it is time to look for failures. Without anybody to send the digest to, it waits."""
    if settings.DESK_FAILURE_DIGEST == "off":
        return False
    is_later = Heartbeat.objects.filter(name=DUE, beat_at__gt=timezone.now()).exists()
    return not is_later and mail.reaches_administrators()


def send_due() -> int:
    """Send the digest if it is due and something failed; return how many, 0 or 1.

    What it tells counts as told only after the mail server has accepted it; until then it is tried again every five
    minutes, with the failures since.
    """
    if not is_due():
        return 0
    now = timezone.now()
    Heartbeat.objects.get_or_create(name=DUE, defaults={"beat_at": now})
    Heartbeat.objects.get_or_create(name=TOLD, defaults={"beat_at": now - FIRST_LOOKS_BACK})
    row = next(iter(DIGESTS.claim(Heartbeat.objects.filter(name=DUE, beat_at__lte=now))), None)
    if row is None:
        return 0
    # An attempt that may still run is told the next time.
    until = now - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    since = max(Heartbeat.objects.get(name=TOLD).beat_at, now - MAX_AGE)
    causes = together(cause for cause in causes_between(since, until) if not cause.is_held)
    sent, again_at = 0, now + LOOK_EVERY
    if causes:
        try:
            sent = mail.send_to_administrators(
                lambda: _letter(causes, since),
                key=f"failures since {since}",  # English only: a key
            )
        except mail.ERRORS as error:
            logger.error("The digest of failures could not be sent: %s", mail.sentence_for(error))
        again_at = now + (INTERVALS[settings.DESK_FAILURE_DIGEST] if sent else mail.RETRY_DELAY)
    if DIGESTS.held(row).update(beat_at=again_at) and (sent or not causes) and until > since:
        Heartbeat.objects.filter(name=TOLD).update(beat_at=until)
    return sent


def _letter(causes: list[Cause], since: datetime) -> letters.Letter:
    total = sum(cause.count for cause in causes)
    name = letters.installation_name()
    rest = sum(cause.count for cause in causes[MAX_CAUSES:])
    return letters.Letter(
        subject=counted("%(count)s failure in %(name)s", "%(count)s failures in %(name)s", total, name=name),
        paragraphs=(sentence("Since %(time)s, this has failed:", time=letters.shown_moment(since)),),
        entries=tuple(
            letters.Entry(cause.words(cause.count), (cause.why, cause.where)) for cause in causes[:MAX_CAUSES]
        ),
        closing=(
            *([_rest(rest)] if rest else []),
            sentence("Health shows the state of each Page."),
        ),
        action=sentence("Open Health"),
        path=reverse("setup:health"),
        why=f"{letters.to_administrators()} {ONCE_IN[settings.DESK_FAILURE_DIGEST]}",
    )


def _rest(count: int) -> str:
    return counted("%(count)s more failed for another reason.", "%(count)s more failed for other reasons.", count)
