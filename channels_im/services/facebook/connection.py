"""The connection of a Page to Facebook: lose it, restore it, and e-mail administrators.

HEALED_BY says for each reason how to restore the connection; `messenger.error_table` maps Meta's codes to reasons.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from channels_im.models import Channel, Page, RecoveryRun
from channels_im.services.facebook import check_requests, outages, reasons, recovery_requests
from desk import letters, mail
from desk.claims import DueTimes
from desk.languages import in_english
from desk.live import publish
from desk.queue import enqueue
from desk.sentences import counted, sentence

logger = logging.getLogger(__name__)

MAIL_TASK = "channels_im.tasks.mail_administrators"
SETUP_PATH = "/admin/instant-messaging/messenger/"
# A longer one is of a wrong clock, or cut: a call after it is answered with a new one.
LONGEST_RATE_LIMIT = timedelta(hours=1)
MAILS = DueTimes(Page, "reauth_mail_after", lasts=mail.LEASE)
JUST_CHECKED = timedelta(minutes=1)

CONNECTION_FIELDS = [
    "connection",
    "reauth_reason",
    "reauth_since",
    "reauth_detected_by",
    "reauth_mailed_at",
    "reauth_mail_after",
]

STILL_RECEIVING = sentence(
    "Desk still receives customers' messages, as long as Facebook sends them; what it does not send is read from "
    "Facebook after the re-authentication. Waiting replies are held; you can release them afterwards."
)

_Reason = Page.Reason
# Meta's general reasons for a dead token; every other reason is more specific.
_GENERAL_REASONS = frozenset({_Reason.TOKEN_EXPIRED, _Reason.PERMISSION_REVOKED})
HEALED_BY = {
    _Reason.TOKEN_EXPIRED: sentence("Re-authenticate the Page."),
    _Reason.PERMISSION_REVOKED: sentence("Log in to the Facebook account that owns the Page and re-authenticate it."),
    _Reason.PAGE_DESELECTED: sentence("Re-authenticate with the Page ticked."),
    _Reason.APP_REMOVED: sentence("Re-authenticate with the same Facebook account."),
    _Reason.PASSWORD_CHANGED: sentence("Re-authenticate the Page."),
    _Reason.CHECKPOINT: sentence(
        "The person who linked the Page logs in on facebook.com first; then re-authenticate the Page."
    ),
    _Reason.ROLE_LOST: sentence("Another administrator of the Page re-authenticates it."),
}


def require_reauth(page: Page, reason: str, detected_by: str, *, token: str | None = None) -> bool:
    """Mark `page` as waiting for re-authentication; return whether it was connected before.

    `reason` is one of Page.Reason, `detected_by` one of Page.DetectedBy. The first reason stays, unless it is general
    and the new one is specific, or the new one is that the app was removed. `token` is the Page token that Meta
    refused: when the Page has another one now, it was re-authenticated meanwhile and is not marked. Administrators get
    one e-mail per incident, a few seconds after the commit. Updates the connection fields of `page`.
    """
    with transaction.atomic():
        current = Page.objects.select_for_update().get(pk=page.pk)
        if token is not None and current.page_token != token:
            _copy_connection(current, page)
            return False
        is_new = current.is_connected
        if not is_new and not _replaces(reason, current.reauth_reason):
            _copy_connection(current, page)
            return False
        current.connection = Page.Connection.REAUTH_REQUIRED
        current.reauth_reason, current.reauth_detected_by = str(reason), str(detected_by)
        if is_new:
            current.reauth_since = timezone.now()
            current.reauth_mailed_at = None
            gathering_time = timedelta(seconds=settings.MAIL_GATHER_SECONDS)
            current.reauth_mail_after = current.reauth_since + gathering_time if gathering_time else None
        current.save(update_fields=CONNECTION_FIELDS)
        outages.begin(current)
        _announce(current)
        if is_new:
            logger.warning("Page %s must be re-authenticated: %s", current.page_id, reason)
            enqueue(MAIL_TASK)
            if detected_by in (Page.DetectedBy.SEND, Page.DetectedBy.CHECK):
                _check_other_pages(current)
    _copy_connection(current, page)
    return is_new


def _replaces(reason: str, known: str) -> bool:
    """Return whether `reason` takes the place of the `known` one."""
    return reason != known and (
        (known in _GENERAL_REASONS and reason not in _GENERAL_REASONS) or reason == _Reason.APP_REMOVED
    )


def _check_other_pages(page: Page) -> None:
    """Request a check of the other Pages of the same Facebook login: they may have lost their connection too.

    Those that were just checked, and those whose check is due, are left alone: many may be found one after the other.
    """
    now = timezone.now()
    same_login = (
        Channel.objects.existing()
        .filter(page__facebook_account=page.facebook_account_id, page__connection=Page.Connection.CONNECTED)
        .exclude(page__checked_at__gte=now - JUST_CHECKED)
        .exclude(page__subscription_due_at__lte=now)
    )
    if page.facebook_account_id is not None:
        check_requests.request_check(*same_login.values_list("page_id", flat=True))


def mark_connected(page: Page) -> bool:
    """Mark `page` as connected again, after a Facebook login that granted it; return whether it was not before."""
    with transaction.atomic():
        waiting = Page.objects.filter(pk=page.pk, connection=Page.Connection.REAUTH_REQUIRED)
        lost_at = waiting.values_list("reauth_since", flat=True).first()
        changed = waiting.update(
            connection=Page.Connection.CONNECTED,
            reauth_reason="",
            reauth_since=None,
            reauth_detected_by="",
            reauth_mailed_at=None,
            reauth_mail_after=None,
        )
        if changed:
            outages.end(page)
            _announce(page)
            if Channel.objects.existing().filter(page=page).exists():
                since = (lost_at or timezone.now()) - recovery_requests.MARGIN
                recovery_requests.request(page.pk, RecoveryRun.Reason.REAUTHENTICATION, since)
    page.refresh_from_db(fields=CONNECTION_FIELDS)
    return bool(changed)


def note_trouble(page: Page, kind: str, sentence: str) -> None:
    """Record a problem of `page` besides its connection (restricted, app not live), for Setup to show.

    `kind` is a `messenger.verdicts.ErrorKind` or one of `token_check`; the same kind again keeps the time it began.
    """
    kind = str(kind)
    with transaction.atomic():
        current = Page.objects.select_for_update().get(pk=page.pk)
        known = current.trouble.get(kind)
        if known and known.get("sentence") == sentence:
            return
        since = known["since"] if known else timezone.now().isoformat()
        current.trouble = {**current.trouble, kind: {"sentence": sentence, "since": since}}
        current.save(update_fields=["trouble"])
        _announce(current)


def clear_trouble(page: Page, *kinds: str) -> None:
    """Remove problems of these kinds: something that they prevent has worked."""
    if not any(kind in page.trouble for kind in kinds):
        return
    with transaction.atomic():
        current = Page.objects.select_for_update().get(pk=page.pk)
        current.trouble = {kind: note for kind, note in current.trouble.items() if kind not in kinds}
        current.save(update_fields=["trouble"])
        _announce(current)


def limit_rate(page: Page, delay: timedelta, *, for_replies: bool) -> None:
    """Stop all workers from calling Meta for `page` during `delay`, or only from what is no reply.

    A longer limit that is already set stays.
    """
    until = timezone.now() + delay
    field = "rate_limited_until" if for_replies else "background_limited_until"
    Page.objects.filter(pk=page.pk).exclude(**{f"{field}__gte": until}).update(**{field: until})


def _copy_connection(source: Page, target: Page) -> None:
    for field in CONNECTION_FIELDS:
        setattr(target, field, getattr(source, field))


def _announce(page: Page) -> None:
    for channel_id in Channel.objects.existing().filter(page=page).values_list("pk", flat=True):
        publish.announce("channel", channel=channel_id)


# --- The e-mail -------------------------------------------------------------------------------------------------------
def mail_is_due() -> bool:
    """Return whether an e-mail about a Page is due. Without anybody to send it to, it waits."""
    return _unmailed_pages().filter(MAILS.is_due()).exists() and mail.reaches_administrators()


def mail_administrators() -> int:
    """Send the e-mail that is due to all active administrators with an address; return how many, 0 or 1.

    When a login ends, many Pages lose their connection: those lost within MAIL_GATHER_SECONDS are in one e-mail. The
    Pages are claimed before it is sent, so that two workers do not both send it, and marked after. When sending fails,
    it is tried again as long as the Pages wait: every five minutes, after a day every hour.
    """
    if not mail_is_due():
        return 0
    gathering = Q(reauth_mail_after__lte=F("reauth_since") + timedelta(seconds=settings.MAIL_GATHER_SECONDS))
    pages = MAILS.claim(_unmailed_pages().filter(MAILS.is_due() | gathering).order_by("name", "pk"))
    if not pages:
        return 0
    try:
        sent = _send_mail(pages)
    except mail.ERRORS as error:
        page_ids = ", ".join(page.page_id for page in pages)
        logger.error("The e-mail about Pages %s could not be sent: %s", page_ids, mail.sentence_for(error))
        sent = 0
    now = timezone.now()
    for page in pages:
        claimed = MAILS.held(page)
        if sent:
            claimed.update(reauth_mailed_at=now, reauth_mail_after=None)
        else:
            is_new = page.reauth_since is not None and now - page.reauth_since < timedelta(days=1)
            claimed.update(reauth_mail_after=now + (mail.RETRY_DELAY if is_new else mail.SLOW_RETRY_DELAY))
    return sent


def _unmailed_pages() -> QuerySet[Page, Page]:
    return Page.objects.filter(connection=Page.Connection.REAUTH_REQUIRED, reauth_mailed_at=None)


def _send_mail(pages: list[Page]) -> int:
    key = " ".join(f"{page.page_id} {page.reauth_since}" for page in pages)
    return mail.send_to_administrators(_letter(pages), key=f"lost Pages {key}")


def _letter(pages: list[Page]) -> letters.Letter:
    existing = Channel.objects.existing().filter(page__in=pages)
    channels = {channel.page_id: channel for channel in existing}
    first = pages[0]
    reason = reasons.INSIDE_A_SENTENCE[Page.Reason(first.reauth_reason)]
    subject = sentence("Re-authenticate %(name)s: %(reason_text)s", name=first.name, reason_text=reason)
    title = sentence("Re-authenticate %(page)s", page=first.name)
    begin = _unable(first)
    action = sentence("Re-authenticate")
    path = f"{SETUP_PATH}{channels[first.pk].pk}/" if first.pk in channels else SETUP_PATH
    if len(pages) > 1:
        names = ", ".join(page.name for page in pages)
        subject = counted(
            "Re-authenticate %(count)s Page: %(names)s",
            "Re-authenticate %(count)s Pages: %(names)s",
            len(pages),
            names=names,
        )
        title = counted("Re-authenticate %(count)s Page", "Re-authenticate %(count)s Pages", len(pages))
        begin = sentence("These Pages have been unable to send replies:")
        action = sentence("Open the channels")
        path = SETUP_PATH
    return letters.Letter(
        subject=subject,
        title=title,
        paragraphs=(begin,),
        entries=tuple(_entry(page, channels.get(page.pk), is_one=len(pages) == 1) for page in pages),
        closing=(STILL_RECEIVING,),
        action=action,
        path=path,
        why=letters.to_administrators(),
    )


def _unable(page: Page) -> str:
    if not page.reauth_since:
        return sentence("The Page “%(page)s” has been unable to send replies.", page=page.name)
    since = letters.moment(page.reauth_since)
    return sentence("The Page “%(page)s” has been unable to send replies since %(time)s.", page=page.name, time=since)


def _entry(page: Page, channel: Channel | None, *, is_one: bool) -> letters.Entry:
    reason, since = Page.Reason(page.reauth_reason), page.reauth_since
    lines = (
        *([sentence("Channel “%(name)s”", name=channel.name)] if channel else []),
        sentence("Why: %(reason_text)s.", reason_text=in_english(reason.label)),
        *([] if is_one or not since else [sentence("Since: %(time)s", time=letters.moment(since))]),
        sentence("What to do: %(what_text)s", what_text=HEALED_BY[reason]),
    )
    return letters.Entry(page.name, lines)
