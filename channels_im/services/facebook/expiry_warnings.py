"""Warnings before the 60 days of a Facebook login end: one e-mail each at 14, 7 and 1 days before."""

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from channels_im.models import Channel, FacebookAccount, Page
from channels_im.services.facebook.connection import SETUP_PATH
from desk.mail import send_to_administrators

logger = logging.getLogger(__name__)

TASK = "channels_im.tasks.warn_of_ending_logins"
STEPS = (14, 7, 1)  # days before the end


def reached_step(expires_at: datetime, now: datetime) -> int | None:
    """Return the last of STEPS that is reached when a login ends at `expires_at`, None before the first."""
    reached = [days for days in STEPS if expires_at - now <= timedelta(days=days)]
    return min(reached) if reached else None


def warn() -> int:
    """E-mail administrators about each login that reached a step since the last run; return how many e-mails.

    A login without a working channel is left out: administrators were already told about those channels. The row is
    marked before the e-mail is sent, so that two workers do not both send it, and unmarked when sending fails.
    """
    now = timezone.now()
    sent = 0
    ending = FacebookAccount.objects.filter(expires_at__lte=now + timedelta(days=max(STEPS)), app_removed_at=None)
    for account in ending.exclude(last_warned_days=min(STEPS)):
        if account.expires_at is None:  # the query leaves these out
            continue
        step, previous_step = reached_step(account.expires_at, now), account.last_warned_days
        if step is None:
            continue
        working = Channel.objects.existing().filter(page__connection=Page.Connection.CONNECTED)
        channels = list(working.filter(page__facebook_account=account).select_related("page"))
        if channels and _mark_warned(account, step):
            try:
                sent += _send_mail(account, account.expires_at, channels, now)
            except (SMTPException, OSError):
                logger.exception("The e-mail about Facebook user %s could not be sent", account.facebook_user_id)
                marked = FacebookAccount.objects.filter(pk=account.pk, last_warned_days=step)
                marked.update(last_warned_days=previous_step)
    return sent


def _mark_warned(account: FacebookAccount, step: int) -> bool:
    """Mark the step as sent; return False when another worker did, or somebody logged in again meanwhile."""
    unchanged = FacebookAccount.objects.filter(pk=account.pk, expires_at=account.expires_at)
    unwarned = unchanged.filter(Q(last_warned_days=None) | Q(last_warned_days__gt=step))
    return bool(unwarned.update(last_warned_days=step))


def _send_mail(account: FacebookAccount, expires_at: datetime, channels: list[Channel], now: datetime) -> int:
    is_over = expires_at <= now
    ends = f"{'ended' if is_over else 'ends'} on {expires_at:%-d %B %Y at %H:%M} UTC"
    lines = [
        f"The Facebook login of {account} {ends}.",
        "Facebook gives access for about 60 days at a time; then somebody has to log in again.",
        "",
        "These channels were linked with it:",
        *(f"- “{channel.name}” (Page “{channel.page.name}”)" for channel in channels),
        "",
        f"What to do: open one of them and press Re-authenticate, then log in to Facebook as {account} and leave every "
        "Page ticked. One login renews all of them.",
        "",
        *(f"{settings.PUBLIC_URL}{SETUP_PATH}{channel.pk}/" for channel in channels),
    ]
    when = "has ended" if is_over else f"ends on {expires_at:%-d %B}"
    return send_to_administrators(f"The Facebook login of {account} {when}", lines)
