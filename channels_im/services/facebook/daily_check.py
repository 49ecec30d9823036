"""The daily check of every Page and Facebook login.

Meta does not report that a token died, and asks apps to check at least once a day (Meta, "Access tokens"). The Pages
are checked one by one by `subscriptions`; their rows say what is still to be done.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from channels_im.messenger import oauth
from channels_im.messenger.errors import GraphError
from channels_im.models import Channel, FacebookAccount
from channels_im.services.facebook import expiry_warnings, subscriptions
from desk.queue import enqueue

logger = logging.getLogger(__name__)

TASK = "channels_im.tasks.check_all"
ACCOUNT_TASK = "channels_im.tasks.check_account"


def check_all() -> int:
    """Request a check of every Page with a channel and of every Facebook login; return how many checks."""
    pages = list(Channel.objects.existing().values_list("page_id", flat=True))
    accounts = list(FacebookAccount.objects.exclude(user_token=None).values_list("pk", flat=True))
    subscriptions.request_check(*pages)
    for pk in accounts:
        enqueue(ACCOUNT_TASK, pk)
    return len(pages) + len(accounts)


def check_account(account: FacebookAccount) -> bool:
    """Ask Meta until when the user token lives, and save the answer; return whether Meta gave one.

    A dead user token marks no Page: the tokens made from it may live on, and each Page is checked by itself.
    """
    token = account.user_token
    if not token:
        return False
    try:
        info = oauth.debug_token(token)
    except GraphError as error:
        logger.warning("The login of Facebook user %s could not be checked: %s", account.facebook_user_id, error)
        return False
    verdict = info.verdict
    if (verdict is None and not info.is_ours) or (verdict is not None and verdict.reason is None):
        return False  # about the app, not about the login: the check of its Pages reports it
    with transaction.atomic():
        current = FacebookAccount.objects.select_for_update().get(pk=account.pk)
        if current.user_token != token:
            return False  # somebody logged in meanwhile
        now = timezone.now()
        ended_at = min(moment for moment in (info.expires_at, current.expires_at, now) if moment is not None)
        current.expires_at = info.expires_at if info.is_valid else ended_at
        if info.data_access_expires_at is not None:
            current.data_access_expires_at = info.data_access_expires_at
        if current.expires_at is None or current.expires_at - now > timedelta(days=max(expiry_warnings.STEPS)):
            current.last_warned_days = None
        current.save(update_fields=["expires_at", "data_access_expires_at", "last_warned_days"])
    return True
