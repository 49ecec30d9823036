"""Whether Meta sends us a Page's events: subscribed while the Page has an active channel, else unsubscribed.

A due time on the Page's row requests a check. Each try asks Meta about the token, sets the subscription and reads it
back, so that Setup shows what Meta has confirmed.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from channels_im.messenger import pages
from channels_im.messenger.errors import GraphError
from channels_im.messenger.oauth import TokenInfo
from channels_im.models import Channel, Page, RecoveryRun
from channels_im.services.facebook import connection, page_errors, recovery_requests, token_check
from channels_im.services.facebook.check_requests import TASK as TASK
from channels_im.services.facebook.check_requests import request_check as request_check
from channels_im.services.facebook.page_errors import Call
from desk.backoff import delay_after
from desk.claims import DueTimes
from desk.live import publish
from desk.sentences import sentence

logger = logging.getLogger(__name__)

MAX_DELAY = timedelta(hours=1)

CHECKS = DueTimes(Page, "subscription_due_at", "subscription_attempts")


def is_due() -> bool:
    """Return whether a Page's subscription is due to be set or checked."""
    return Page.objects.filter(subscription_due_at__lte=timezone.now()).exists()


def drain_subscriptions() -> int:
    """Set and check every Page that is due; return how many were tried. One Page that fails stops no other."""
    tried = 0
    while page := _claim():
        tried += 1
        try:
            _check(page)
        except Exception:
            logger.exception("The subscription of Page %s could not be checked", page.page_id)
            _finish(page, error=sentence("Something went wrong in Desk itself; the log has the details."), retry=True)
    return tried


def _claim() -> Page | None:
    due = Page.objects.filter(subscription_due_at__lte=timezone.now()).order_by("subscription_due_at")
    return next((page for page in due if CHECKS.claim_one(page, due)), None)


def _check(page: Page) -> None:
    channel = Channel.objects.existing().filter(page=page).first()
    has_active_channel = channel is not None and channel.is_active
    try:
        token, loss = token_check.examine(page, page.page_token) if channel and page.page_token else (None, None)
        if not has_active_channel:
            _unsubscribe(page)
        elif loss is None:
            _subscribe(page, token)
        if loss is not None:
            _require_reauth(page, loss.reason, loss.sentence)
    except token_check.MetaAppError as refusal:
        _finish(page, error=str(refusal), retry=True)
    except GraphError as error:
        _handle_error(page, error, has_active_channel=has_active_channel)


def _subscribe(page: Page, token: TokenInfo | None) -> None:
    if token is None or page.page_token is None:
        _finish(page, error=sentence("Desk has no token for this Page. Re-authenticate it."))
        return
    was_missing = _is_missing(page, page.page_token)
    complete_until = recovery_requests.last_complete(page)
    may_send_templates = token.may_send_utility_messages(page.page_id)
    pages.subscribe(page.page_id, page.page_token, (pages.TEMPLATE_STATUS_FIELD,) if may_send_templates else ())
    fields = pages.subscription(page.page_id, page.page_token)
    if fields is None:
        state = Page.Subscription.UNSUBSCRIBED
    elif set(pages.SUBSCRIBED_FIELDS) <= set(fields):
        state = Page.Subscription.SUBSCRIBED
    else:
        state = Page.Subscription.INCOMPLETE
    is_complete = state == Page.Subscription.SUBSCRIBED
    _finish(
        page,
        error="" if is_complete else sentence("Facebook accepted the subscription but does not show it."),
        retry=not is_complete,
        subscription=state,
        subscribed_fields=sorted(fields or []),
        token_expires_at=token.expires_at,
        checked_at=timezone.now(),
    )
    if was_missing and is_complete:
        recovery_requests.request(page.pk, RecoveryRun.Reason.SUBSCRIPTION, complete_until)


def _is_missing(page: Page, token: str) -> bool:
    """Return whether Meta has stopped sending messages to us, although the Page was subscribed."""
    if page.subscription == Page.Subscription.SUBSCRIBED:
        return not set(pages.SUBSCRIBED_FIELDS) <= set(pages.subscription(page.page_id, token) or ())
    return page.subscription == Page.Subscription.INCOMPLETE


def _unsubscribe(page: Page) -> None:
    pages.unsubscribe(page.page_id, page.page_token)
    _finish(
        page, subscription=Page.Subscription.UNSUBSCRIBED, subscribed_fields=[], checked_at=timezone.now(), error=""
    )


def _handle_error(page: Page, error: GraphError, *, has_active_channel: bool) -> None:
    verdict = error.verdict
    logger.warning("Page %s: %s", page.page_id, error)
    if verdict.reason is not None:
        if has_active_channel:
            _require_reauth(page, verdict.reason, verdict.sentence)
        else:
            # A Page with a dead token is unsubscribed with the app's own token, so that one was refused.
            _finish(page, error=token_check.APP_REFUSED_SENTENCE, retry=True)
        return
    page_errors.record(page, error, Call.CHECK, token=page.page_token)
    _finish(page, error=verdict.sentence, retry=verdict.retry or verdict.outcome_unknown)


def _require_reauth(page: Page, reason: str, sentence: str) -> None:
    _finish(page, error=sentence, checked_at=timezone.now())
    connection.require_reauth(page, reason, Page.DetectedBy.CHECK, token=page.page_token)


def _finish(page: Page, *, error: str, retry: bool = False, **facts: object) -> None:
    """Save the facts, and the error and next due time unless another check was requested meanwhile."""
    delay = delay_after(page.subscription_attempts) if retry else None
    next_try = timezone.now() + min(delay, MAX_DELAY) if delay else None
    with transaction.atomic():
        if facts:
            Page.objects.filter(pk=page.pk).update(**facts)
        Page.objects.filter(pk=page.pk, subscription_due_at=page.subscription_due_at).update(
            subscription_due_at=next_try, subscription_error=error
        )
        for channel in Channel.objects.existing().filter(page=page):
            publish.announce("channel", channel=channel.pk)
