"""Warnings before the 60 days of a Facebook login end: one e-mail each at 14, 7 and 1 days before."""

import logging
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.models import Channel, FacebookAccount, Page
from channels_im.services.facebook.connection import SETUP_PATH
from desk import letters, mail
from desk.claims import DueTimes
from desk.sentences import sentence

logger = logging.getLogger(__name__)

TASK = "channels_im.tasks.warn_of_ending_logins"
MAILS = DueTimes(FacebookAccount, "warning_after", lasts=mail.LEASE)
STEPS = (14, 7, 1)  # days before the end


def reached_step(expires_at: datetime, now: datetime) -> int | None:
    """Return the last of STEPS that is reached when a login ends at `expires_at`, None before the first."""
    reached = [days for days in STEPS if expires_at - now <= timedelta(days=days)]
    return min(reached) if reached else None


def warn() -> int:
    """E-mail administrators about each login that reached a step since the last run; return how many e-mails.

    A login without a working channel is left out: administrators were already told about those channels. The row is
    claimed before the e-mail is sent, so that two workers do not both send it, and the step is recorded after. What
    could not be sent is tried again in the next hour.
    """
    now = timezone.now()
    if not mail.reaches_administrators():
        return 0
    sent = 0
    for account in _ending(now):
        if account.expires_at is None:  # the query leaves these out
            continue
        step = reached_step(account.expires_at, now)
        if step is None:
            continue
        working = Channel.objects.existing().filter(page__connection=Page.Connection.CONNECTED)
        channels = list(working.filter(page__facebook_account=account).select_related("page").order_by("pk"))
        if channels and (claimed := _claim(account, step)):
            sent += _warn_of(claimed, step, channels, now)
    return sent


def _ending(now: datetime) -> QuerySet[FacebookAccount, FacebookAccount]:
    ending = FacebookAccount.objects.filter(expires_at__lte=now + timedelta(days=max(STEPS)), app_removed_at=None)
    return ending.exclude(last_warned_days=min(STEPS)).filter(MAILS.is_due())


def _claim(account: FacebookAccount, step: int) -> FacebookAccount | None:
    """Claim the account; return None when another worker has, or somebody logged in again meanwhile."""
    unchanged = FacebookAccount.objects.filter(MAILS.is_due(), pk=account.pk, expires_at=account.expires_at)
    unwarned = unchanged.filter(Q(last_warned_days=None) | Q(last_warned_days__gt=step))
    return next(iter(MAILS.claim(unwarned)), None)


def _warn_of(account: FacebookAccount, step: int, channels: list[Channel], now: datetime) -> int:
    """Send the e-mail about a claimed account and record its result; return how many were sent, 0 or 1."""
    expires_at = cast(datetime, account.expires_at)  # `warn` leaves out those without
    try:
        sent = _send_mail(account, expires_at, channels, now)
    except mail.ERRORS as error:
        why = mail.sentence_for(error)
        logger.error("The e-mail about Facebook user %s could not be sent: %s", account.facebook_user_id, why)
        sent = 0
    claimed = MAILS.held(account).filter(expires_at=expires_at)
    claimed.update(warning_after=None, **({"last_warned_days": step} if sent else {}))
    return sent


def _send_mail(account: FacebookAccount, expires_at: datetime, channels: list[Channel], now: datetime) -> int:
    when = letters.moment(expires_at)
    if expires_at <= now:
        subject = sentence("The Facebook login of %(account)s has ended", account=account)
        title = sentence("A Facebook login has ended")
        fact = sentence(
            "The Facebook login of %(account)s ended on %(time)s. Facebook gives access for about 60 days at a time; "
            "then somebody has to log in again.",
            account=account,
            time=when,
        )
    else:
        day = f"{timezone.localtime(expires_at):%-d %B}"
        subject = sentence("The Facebook login of %(account)s ends on %(day)s", account=account, day=day)
        title = sentence("A Facebook login ends on %(day)s", day=day)
        fact = sentence(
            "The Facebook login of %(account)s ends on %(time)s. Facebook gives access for about 60 days at a time; "
            "then somebody has to log in again.",
            account=account,
            time=when,
        )
    users = sentence("This channel uses it:") if len(channels) == 1 else sentence("These channels use it:")
    what_to_do = sentence(
        "What to do: press Re-authenticate in Setup, log in to Facebook as %(account)s and leave every Page ticked. "
        "One login renews all channels.",
        account=account,
    )
    letter = letters.Letter(
        subject=subject,
        title=title,
        paragraphs=(fact, users),
        entries=tuple(
            letters.Entry(channel.name, (sentence("Page “%(name)s”", name=channel.page.name),)) for channel in channels
        ),
        closing=(what_to_do,),
        action=sentence("Re-authenticate"),
        path=f"{SETUP_PATH}{channels[0].pk}/",
        why=letters.to_administrators(),
    )
    step = reached_step(expires_at, now)
    key = f"Facebook login {account.facebook_user_id} {expires_at} {step}"  # English only: it is a key
    return mail.send_to_administrators(letter, key=key)
