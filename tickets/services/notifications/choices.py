"""What a person has chosen to be notified of, in which ways, and when not."""

import zoneinfo
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from desk import mail
from desk.models import Agent, User
from tickets.models import Conversation, MailReminder, NotificationChoice, NotificationSettings
from tickets.rules.quiet_hours import QuietHours
from tickets.services.conversation import notices
from tickets.services.notifications import kinds

By, When = NotificationChoice.By, NotificationSettings.When
LEAST_MINUTES, MOST_MINUTES = 1, 1440
MOST_WAITING = 200  # conversations that already wait when somebody turns the e-mail on


@dataclass(frozen=True)
class Choices:
    """Everything that a person has chosen: the names of kinds for each way, and the rest as in NotificationSettings."""

    push: frozenset[str]
    mail: frozenset[str]
    shows_text: bool = True
    when: str = When.ALWAYS
    has_quiet_hours: bool = False
    quiet_from: time = time(19)
    quiet_to: time = time(8)
    quiet_days: frozenset[int] = field(default=frozenset(range(7)))
    time_zone: str = ""
    mail_minutes: int = 15


def of(user: User) -> Choices:
    """Return what `user` has chosen; who has not chosen yet gets what is proposed at first."""
    row = NotificationSettings.objects.filter(user=user).first()
    if row is None:
        return Choices(frozenset(kind.name for kind in kinds.all_kinds() if kind.push_at_first), frozenset())
    chosen: dict[str, set[str]] = {By.PUSH: set(), By.MAIL: set()}
    for kind, by in NotificationChoice.objects.filter(user=user).values_list("kind", "by"):
        chosen[by].add(kind)
    return Choices(
        push=frozenset(chosen[By.PUSH]),
        mail=frozenset(chosen[By.MAIL]),
        shows_text=row.shows_text,
        when=row.when,
        has_quiet_hours=row.has_quiet_hours,
        quiet_from=row.quiet_from,
        quiet_to=row.quiet_to,
        quiet_days=frozenset(int(day) for day in row.quiet_days),
        time_zone=row.time_zone,
        mail_minutes=row.mail_minutes,
    )


def save(user: User, choices: Choices) -> None:
    """Save everything that a person has chosen, and plan their e-mails anew."""
    fields = {
        "shows_text": choices.shows_text,
        "when": choices.when,
        "has_quiet_hours": choices.has_quiet_hours,
        "quiet_from": choices.quiet_from,
        "quiet_to": choices.quiet_to,
        "quiet_days": "".join(map(str, sorted(choices.quiet_days))),
        "time_zone": choices.time_zone,
        "mail_minutes": choices.mail_minutes,
    }
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two forms at once: the last one wins, whole
        before = set(NotificationChoice.objects.filter(user=user, by=By.MAIL).values_list("kind", flat=True))
        NotificationSettings.objects.update_or_create(user=user, defaults=fields)
        NotificationChoice.objects.filter(user=user).delete()
        NotificationChoice.objects.bulk_create(
            [NotificationChoice(user=user, kind=kind, by=By.PUSH) for kind in sorted(choices.push)]
            + [NotificationChoice(user=user, kind=kind, by=By.MAIL) for kind in sorted(choices.mail)]
        )
        _plan(user, choices, is_new=notices.MINE in choices.mail and notices.MINE not in before)


def keep_proposed(user: User) -> None:
    """Save what is proposed at first, for somebody who turns notifications on and has chosen nothing yet."""
    if not NotificationSettings.objects.filter(user=user).exists():
        save(user, of(user))


def _plan(user: User, choices: Choices, *, is_new: bool) -> None:
    """Move the e-mails that are due to the new number of minutes, and plan those of who waits already."""
    waits = [kind.name for kind in kinds.all_kinds() if kind.waits]
    minutes = timedelta(minutes=choices.mail_minutes)
    rows = MailReminder.objects.filter(user=user)
    # What is due before the end of a claim may be in an e-mail that is sent at this moment: with another time it would
    # be sent again. It is planned anew when it is due.
    unclaimed = rows.filter(kind__in=waits, due_at__gt=timezone.now() + mail.LEASE)
    unclaimed.update(due_at=F("since") + minutes)
    rows.filter(due_at__isnull=False).exclude(kind__in=choices.mail).delete()
    if not is_new:
        return
    waiting = Conversation.objects.filter(assignee=user, waiting_since__isnull=False, is_open=True)
    MailReminder.objects.bulk_create(
        [
            MailReminder(user=user, kind=notices.MINE, conversation_id=pk, since=since, due_at=since + minutes)
            for pk, since in waiting.order_by("-last_message_at").values_list("pk", "waiting_since")[:MOST_WAITING]
            if since is not None
        ],
        ignore_conflicts=True,
    )


def zone_of(choices: Choices) -> tzinfo:
    """Return the time zone of a person's quiet hours; that of the installation when theirs does not exist here."""
    try:
        return zoneinfo.ZoneInfo(choices.time_zone or settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)


def quiet_hours(choices: Choices) -> QuietHours | None:
    """Return the quiet hours of a person, None without any."""
    if not choices.has_quiet_hours or not choices.quiet_days:
        return None
    return QuietHours(choices.quiet_from, choices.quiet_to, choices.quiet_days)


def is_quiet(choices: Choices, at: datetime | None = None) -> bool:
    """Return whether it is now within the quiet hours of a person."""
    hours = quiet_hours(choices)
    return hours is not None and hours.include(at or timezone.now(), zone_of(choices))


def is_present_enough(user: User, choices: Choices) -> bool:
    """Return whether the person's presence is one in which they want notifications."""
    if choices.when == When.ALWAYS:
        return True
    presence = Agent.objects.filter(user=user).values_list("presence", flat=True).first()
    is_online = presence == Agent.Presence.ONLINE
    return is_online if choices.when == When.ONLINE else not is_online
