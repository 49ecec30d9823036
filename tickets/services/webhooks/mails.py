"""Tell administrators by e-mail that Desk has disabled a webhook: once, and not before the mail server accepted it."""

import logging
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from desk import mail
from tickets.models import EventSubscription

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.mail_about_webhooks"
FIELD = "mail_after"


def _due() -> QuerySet[EventSubscription, EventSubscription]:
    return EventSubscription.objects.filter(mail.is_due(FIELD), mail_after__isnull=False)


def is_due() -> bool:
    """Return whether an e-mail is due. Without anybody to send it to, it waits."""
    return _due().exists() and mail.reaches_administrators()


def send_due() -> int:
    """Send the e-mails that are due; return how many. One that fails is tried again until the webhook is changed."""
    if not is_due():
        return 0
    return sum(_send(row) for row in mail.claim(_due().order_by("pk"), FIELD))


def _send(row: EventSubscription) -> int:
    lines = [
        f"Webhook “{row.name}” — {row.disabled_reason}",
        "Events since then are not sent. Check it in Setup → Webhooks and turn it on again.",
    ]
    try:
        sent = mail.send_to_administrators(
            f"Webhook {row.name} was disabled", lines, key=f"webhook {row.pk} {row.failing_since}"
        )
    except mail.ERRORS as error:
        logger.error("The e-mail about webhook %s could not be sent: %s", row.pk, mail.sentence_for(error))
        sent = 0
    now = timezone.now()
    is_new = row.failing_since is None or now - row.failing_since < timedelta(days=4)
    again_at = now + (mail.RETRY_DELAY if is_new else mail.SLOW_RETRY_DELAY)
    mail.claimed(row, FIELD).update(mail_after=None if sent else again_at)
    return sent
