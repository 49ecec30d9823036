"""What an error answer of Meta means for the Page whose token made the call. Every caller asks here."""

from datetime import timedelta
from enum import Enum

from django.db.models import Q
from django.utils import timezone

from channels_im.messenger.error_table import TOKEN_CODES
from channels_im.messenger.errors import GraphError
from channels_im.messenger.verdicts import ErrorKind
from channels_im.models import Page
from channels_im.services.facebook import check_requests, connection

# When Meta limits the rate and does not say for how long.
RATE_LIMIT_PAUSE = timedelta(minutes=5)
#: Kinds of `Page.trouble` that stop replies while the Page stays connected.
TROUBLES = (ErrorKind.PAGE_RESTRICTED, ErrorKind.APP_MISCONFIGURED)


class Call(Enum):
    """The purpose of a call: it decides how far its error reaches."""

    REPLY = "reply"  # a reply or a reaction; it needs what the channel needs
    CHECK = "check"  # of the Page's token and subscription
    BACKGROUND = "background"  # a profile, a link, a block, a look-up: nobody's reply may wait because of it


def record(page: Page, error: GraphError, call: Call, *, token: str | None, pause: timedelta | None = None) -> None:
    """Act on an error that concerns the Page and not only one message or contact.

    A dead token disconnects the Page. So does a missing permission, unless only a background call needed it: then a
    check of the Page decides. A rate limit stops calls for as long as Meta says, else for `pause` (RATE_LIMIT_PAUSE);
    one that a reply met stops all of them, any other one only background calls. `token` is the Page token of the call.
    """
    verdict = error.verdict
    if verdict.kind is ErrorKind.RATE_LIMITED:
        seconds = error.retry_after_s
        delay = timedelta(seconds=seconds) if seconds else pause or RATE_LIMIT_PAUSE
        connection.limit_rate(page, delay, for_replies=call is Call.REPLY)
    elif verdict.reason is not None:
        if call is Call.BACKGROUND and error.code not in TOKEN_CODES:
            check_requests.request_check(page.pk)
        else:
            by = Page.DetectedBy.SEND if call is Call.REPLY else Page.DetectedBy.CHECK
            connection.require_reauth(page, verdict.reason, by, token=token)
    elif verdict.kind in TROUBLES and call is not Call.BACKGROUND:
        connection.note_trouble(page, verdict.kind, verdict.sentence)


def background_allowed(page: str) -> Q:
    """Return the condition that background calls are not rate limited; `page` is the path to the Page, "page__"."""
    now = timezone.now()
    allowed = Q()
    for field in ("rate_limited_until", "background_limited_until"):
        allowed &= Q(**{f"{page}{field}": None}) | Q(**{f"{page}{field}__lte": now})
    return allowed
