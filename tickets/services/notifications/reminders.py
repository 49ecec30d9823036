"""Send the e-mails that are due: one to each person about everything that is due for them.

Whether it is still true, and still wanted, is asked when the e-mail is sent. Rows are claimed by their due time
(desk.mail): of two workers one sends, and the rows of a worker that died are due again.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from desk import letters, mail, metrics
from desk.accounts import mfa
from desk.claims import DueTimes
from desk.languages import spoken_by
from desk.models import User
from desk.sentences import counted, sentence
from tickets.models import MailReminder, NotificationSettings
from tickets.rules.quiet_hours import LONGEST
from tickets.services.notifications import choices, kinds, push
from tickets.services.notifications.choices import Choices
from tickets.services.notifications.kinds import Kind, Subject

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.send_reminders"
MAILS = DueTimes(MailReminder, "due_at", lasts=mail.LEASE)
PEOPLE_AT_A_TIME = 50
ROWS_IN_ONE = 100
MOST_ENTRIES = 20
#: Between two e-mails to the same person: what becomes due meanwhile comes together.
PAUSE = timedelta(minutes=5)
LONGEST_AHEAD = LONGEST + timedelta(minutes=choices.MOST_MINUTES)


@dataclass(frozen=True)
class _Entry:
    row: MailReminder
    kind: Kind
    subject: Subject


def _due() -> QuerySet[MailReminder, MailReminder]:
    return MailReminder.objects.filter(due_at__isnull=False, due_at__lte=timezone.now())


def is_due() -> bool:
    """Return whether an e-mail is due. While e-mail is turned off, they wait."""
    return not mail.is_off() and _due().exists()


def send_due() -> int:
    """Send the e-mails that are due; return how many. One that fails is tried again, and stops no other."""
    if mail.is_off():
        return 0
    people = list(_due().order_by("user").values_list("user", flat=True).distinct()[:PEOPLE_AT_A_TIME])
    count = 0
    for user_id in people:
        try:
            count += _send_to(user_id)
        except mail.ERRORS as error:
            logger.error("An e-mail to an agent could not be sent: %s", mail.sentence_for(error))
            metrics.REMINDERS.add("failed")
        except Exception:
            logger.exception("The e-mail to user %s could not be made", user_id)
    return count


def _send_to(user_id: int) -> int:
    """Send one person everything that is due; return whether an e-mail was sent."""
    now = timezone.now()
    mailed_at = NotificationSettings.objects.filter(user=user_id).values_list("mailed_at", flat=True).first()
    if mailed_at is not None and mailed_at <= now < mailed_at + PAUSE:
        _due().filter(user=user_id).update(due_at=mailed_at + PAUSE)
        return 0
    first = list(_due().filter(user=user_id).order_by("due_at", "pk").values_list("pk", flat=True)[:ROWS_IN_ONE])
    claimed = MAILS.claim(_due().filter(pk__in=first).select_related("user").order_by("due_at", "pk"))
    if not claimed:
        return 0
    user = claimed[0].user
    with spoken_by(user):
        chosen = choices.of(user)
        entries = [entry for row in claimed if (entry := _entry(row, user, chosen, now)) is not None]
        if not entries:
            return 0
        try:
            sent = mail.send_to_person(
                user, lambda: _letter(user, entries, chosen), key=_key(entries), headers=_headers()
            )
        except mail.ERRORS:
            for entry in entries:
                MAILS.held(entry.row).update(due_at=now + mail.RETRY_DELAY)
            raise
    for entry in entries:
        MAILS.held(entry.row).update(due_at=None, sent_at=now)
    NotificationSettings.objects.filter(user=user).update(mailed_at=now)
    metrics.REMINDERS.add("sent")
    return sent


def _entry(row: MailReminder, user: User, chosen: Choices, now: datetime) -> _Entry | None:
    """Return what the e-mail says about a row, which is claimed. Otherwise end the row, or plan it anew."""
    kind = kinds.get(row.kind)
    is_wanted = user.is_active and bool(user.email) and not mfa.must_set_up(user)
    is_wanted = is_wanted and kind is not None and row.kind in chosen.mail and choices.is_present_enough(user, chosen)
    subject = None
    if kind is not None and is_wanted:
        subject = push.subject_of(kind, user.pk, row.conversation_id, row.message_id, row.by_user_id)
    if kind is None or subject is None:
        _plan(row, None)
        return None
    if kind.waits:
        since = subject.conversation.waiting_since
        if since is None:
            _plan(row, None)
            return None
        due_at = since + timedelta(minutes=chosen.mail_minutes)
        if due_at > now:
            _plan(row, due_at)
            return None
    hours = choices.quiet_hours(chosen)
    if hours is not None and hours.include(now, choices.zone_of(chosen)):
        _plan(row, hours.end_after(now, choices.zone_of(chosen)))
        return None
    return _Entry(row, kind, subject)


def _plan(row: MailReminder, due_at: datetime | None) -> None:
    MAILS.held(row).update(due_at=due_at)


# --- What it says -----------------------------------------------------------------------------------------------------
def _letter(user: User, entries: list[_Entry], chosen: Choices) -> letters.Letter:
    waiting = [entry for entry in entries if entry.kind.waits]
    path = f"{reverse('inbox')}?view=mine"
    if len(entries) == 1:
        subject, path = (
            _subject_of_one(entries[0], chosen),
            reverse("conversation", args=[entries[0].row.conversation_id]),
        )
    elif len(waiting) == len(entries):
        subject = counted("%(count)s customer waits for a reply", "%(count)s customers wait for a reply", len(entries))
    else:
        subject = counted(
            "%(count)s notification from %(name)s",
            "%(count)s notifications from %(name)s",
            len(entries),
            name=letters.installation_name(),
        )
    more = len(entries) - MOST_ENTRIES
    return letters.Letter(
        subject=subject,
        paragraphs=(sentence("In your conversations:"),) if len(entries) > 1 else (),
        entries=tuple(_lines(entry, chosen, has_link=len(entries) > 1) for entry in entries[:MOST_ENTRIES]),
        closing=(
            *((counted("And %(count)s more.", "And %(count)s more.", more),) if more > 0 else ()),
            sentence("Choose what you get, or turn it off: %(url)s", url=_settings_url()),
        ),
        action=sentence("Open the conversation") if len(entries) == 1 else sentence("Open the inbox"),
        path=path,
        why=sentence(
            "You get this message because you chose it in %(name)s, under Your account → Notifications.",
            name=letters.installation_name(),
        ),
    )


def _subject_of_one(entry: _Entry, chosen: Choices) -> str:
    if not chosen.shows_text:
        return str(entry.kind.plain)
    if entry.kind.waits:
        return sentence("%(contact)s waits for a reply", contact=entry.subject.name)
    return entry.kind.title(entry.subject)


def _lines(entry: _Entry, chosen: Choices, *, has_link: bool) -> letters.Entry:
    lines = []
    if chosen.shows_text and (words := entry.kind.text(entry.subject)):
        lines.append(words)
    since = entry.subject.conversation.waiting_since
    if entry.kind.waits and since is not None:
        lines.append(gettext("Waiting for a reply since %(time)s") % {"time": letters.shown_moment(since)})
    if has_link:
        lines.append(settings.PUBLIC_URL + reverse("conversation", args=[entry.row.conversation_id]))
    title = entry.kind.title(entry.subject) if chosen.shows_text else str(entry.kind.plain)
    return letters.Entry(title, tuple(lines))


def _settings_url() -> str:
    return settings.PUBLIC_URL + reverse("account_notifications")


def _headers() -> dict[str, str]:
    return {"List-Unsubscribe": f"<{_settings_url()}>"}


def _key(entries: list[_Entry]) -> str:
    """Return what is told, for the Message-ID: an e-mail that is repeated after a crash has the same."""
    return "reminder " + " ".join(f"{entry.row.pk}@{entry.row.since.timestamp():.3f}" for entry in entries)
