"""E-mail to administrators about webhooks: Desk has disabled one (told once), or events were given up (the digest)."""

import logging
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils import timezone

from desk import letters, mail
from desk.claims import DueTimes
from desk.failure_digest import Cause
from desk.sentences import counted, sentence
from desk.utc_parts import UtcMinute, utc_part
from tickets.models import EventDelivery, EventSubscription
from tickets.models.events import TEST_EVENT

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.mail_about_webhooks"
MAILS = DueTimes(EventSubscription, "mail_after", lasts=mail.LEASE)


def _due() -> QuerySet[EventSubscription, EventSubscription]:
    return EventSubscription.objects.filter(MAILS.is_due(), mail_after__isnull=False)


def is_due() -> bool:
    """Return whether an e-mail is due. Without anybody to send it to, it waits."""
    return _due().exists() and mail.reaches_administrators()


def send_due() -> int:
    """Send the e-mails that are due; return how many. One that fails is tried again until the webhook is changed."""
    if not is_due():
        return 0
    return sum(_send(row) for row in MAILS.claim(_due().order_by("pk")))


def _send(row: EventSubscription) -> int:
    letter = letters.Letter(
        subject=sentence("Webhook %(name)s was disabled", name=row.name),
        paragraphs=(
            row.disabled_reason,
            sentence("Events since then are not sent. Correct the receiver, then turn it on again."),
        ),
        entries=(letters.Entry(row.name, (row.url,)),),
        action=sentence("Open the webhook"),
        path=reverse("programs:event_edit", args=[row.pk]),
        why=letters.to_administrators(),
    )
    try:
        sent = mail.send_to_administrators(letter, key=f"webhook {row.pk} {row.failing_since}")
    except mail.ERRORS as error:
        logger.error("The e-mail about webhook %s could not be sent: %s", row.pk, mail.sentence_for(error))
        sent = 0
    now = timezone.now()
    is_new = row.failing_since is None or now - row.failing_since < timedelta(days=4)
    again_at = now + (mail.RETRY_DELAY if is_new else mail.SLOW_RETRY_DELAY)
    MAILS.held(row).update(mail_after=None if sent else again_at)
    return sent


def event_causes(since: datetime, until: datetime) -> list[Cause]:
    """Return the events that were given up after `since` and until `until`, for Health and the digest of failures."""
    rows = (
        EventDelivery.objects.filter(state=EventDelivery.State.FAILED, settled_at__gt=since, settled_at__lte=until)
        .exclude(type=TEST_EVENT)
        .order_by()
        .values("reason", "subscription", "subscription__name", minute=UtcMinute("settled_at"))
        .annotate(count=Count("pk"))
    )
    return [
        Cause(
            sentence("Webhook events that were given up"),
            _given_up,
            row["count"],
            row["reason"],
            sentence("Webhook “%(name)s”", name=row["subscription__name"]),
            minute=utc_part(row["minute"]),
            path=reverse("programs:event_edit", args=[row["subscription"]]),
            permissions=("tickets.view_eventsubscription", "tickets.change_eventsubscription"),
        )
        for row in rows
    ]


def _given_up(count: int) -> str:
    return counted("%(count)s webhook event was given up", "%(count)s webhook events were given up", count)
