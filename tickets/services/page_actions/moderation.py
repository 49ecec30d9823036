"""Block and unblock contacts at Meta. One row per contact holds the last request; a wake only says that it exists.

A claim is committed before its call. While a call is under way a newer request waits for its end, so that the calls for
one contact never overtake each other: the last call carries the last request. In Desk a block takes effect at once.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from channels_im.messenger import pages
from channels_im.messenger.error_table import TOKEN_CODES
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.models import Page
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import wake
from desk.backoff import delay_after
from desk.claims import LatestRequests
from desk.sentences import sentence
from tickets.models import Contact, Conversation, Moderation
from tickets.services.conversation import messages

logger = logging.getLogger(__name__)

JOB = "blocks"
MAX_RUN_S = 20
NOT_PERMITTED = sentence(
    "The Facebook app lacks the permission to block people for this Page. Ask an administrator, or block the person in "
    "the Page's inbox on Facebook."
)
GAVE_UP = sentence("Facebook did not answer for a day.")
INTERNAL_ERROR = sentence("An error occurred in Desk. The log has the details.")

State = Moderation.State
requests = LatestRequests(Moderation, wanted=("is_blocked",))


def request(contact: Contact, *, blocked: bool) -> None:
    """Request that Meta block or unblock `contact`, in the transaction that does so in Desk."""
    row, _new = Moderation.objects.select_for_update().get_or_create(contact=contact, defaults={"is_blocked": blocked})
    row.is_blocked, row.attempts, row.reason = blocked, 0, ""
    if row.meta_blocks == blocked:  # the request that is now reversed was never sent to Meta
        row.state, row.due_at = State.TOLD, None
    else:
        row.state, row.due_at = State.WAITING, timezone.now()
        wake.wake(JOB)
    row.save(update_fields=["is_blocked", "attempts", "reason", "state", "due_at"])


def retry(contact: Contact) -> bool:
    """Request again what Meta refused; return whether there was anything to request."""
    refused = Moderation.objects.filter(contact=contact, state=State.REFUSED)
    if not refused.update(state=State.WAITING, reason="", attempts=0, due_at=timezone.now()):
        return False
    wake.wake(JOB)
    return True


def is_blocked_at_meta(contact: Contact) -> bool | None:
    """Return whether Meta blocks `contact`, by its last confirmation; None when it has not answered."""
    row = Moderation.objects.filter(contact=contact).first()
    return row.meta_blocks if row else False


def lock(contact: Contact) -> Moderation | None:
    """Lock and return the row of `contact`: until the end of the transaction no call about them begins."""
    return Moderation.objects.select_for_update().filter(contact=contact).first()


def due() -> QuerySet[Moderation, Moderation]:
    """Return the requests to send now: not claimed by a running call, their Page connected and not rate limited."""
    return requests.due().filter(
        page_errors.background_allowed("contact__page__"),
        contact__erased_at=None,
        contact__page__connection=Page.Connection.CONNECTED,
        contact__page__page_token__isnull=False,
    )


def is_due() -> bool:
    """Return whether any request waits to be sent."""
    return due().exists()


def send_blocks() -> int:
    """Send the requests that are due; return how many calls were made."""
    return requests.work(_claim, lambda row: _record(row, _send(row)), max_run_s=MAX_RUN_S)


def _claim() -> Moderation | None:
    return requests.claim_first(due().select_related("contact__page"), meta_blocks=None)


def _send(row: Moderation) -> Exception | None:
    page, psid = row.contact.page, row.contact.psid
    call = pages.block_user if row.is_blocked else pages.unblock_user
    try:
        call(page.page_id, psid, page.page_token or "")
    except GraphError as error:
        logger.warning("Meta did not take the %s: %s", row, error)
        return error
    except Exception as error:
        logger.exception("The %s could not be sent to Meta", row)
        return error
    return None


def _record(row: Moderation, error: Exception | None) -> None:
    """Write the outcome of the call to its claimed row; a newer request stays as it is and is sent next."""
    if isinstance(error, GraphError):
        page_errors.record(row.contact.page, error, Call.BACKGROUND, token=row.contact.page.page_token)
    with transaction.atomic():
        current = Moderation.objects.select_for_update().filter(pk=row.pk, claimed_by=row.claimed_by).first()
        if current is None:
            return
        current.claimed_by, current.claimed_until = "", None
        if error is None:
            current.meta_blocks = row.is_blocked
        elif isinstance(error, GraphError) and not error.verdict.outcome_unknown:
            current.meta_blocks = row.meta_blocks  # the call changed nothing at Meta
        if current.meta_blocks == current.is_blocked:
            current.state, current.reason, current.due_at = State.TOLD, "", None
        elif current.is_blocked == row.is_blocked and error is not None:
            current.state, current.reason, current.due_at = _next_step(row, error)
        current.save()
        if current.due_at is not None:
            wake.wake(JOB)
        for conversation in Conversation.objects.filter(contact=row.contact_id):
            messages.announce(conversation)


def _next_step(row: Moderation, error: Exception) -> tuple[str, str, datetime | None]:
    """Return state, reason and the time of the next try after a call that failed."""
    now = timezone.now()
    if not isinstance(error, GraphError):
        return State.REFUSED, INTERNAL_ERROR, None
    verdict = error.verdict
    if error.code in TOKEN_CODES or verdict.kind is ErrorKind.RATE_LIMITED:
        return State.WAITING, verdict.sentence, now  # it is due as soon as the Page is
    if verdict.retry or verdict.outcome_unknown:
        pause = delay_after(row.attempts)
        return (State.WAITING, verdict.sentence, now + pause) if pause else (State.REFUSED, GAVE_UP, None)
    if verdict.kind in (ErrorKind.REAUTHENTICATE, ErrorKind.APP_MISCONFIGURED):
        return State.REFUSED, NOT_PERMITTED, None
    number = error.code if error.subcode is None else f"{error.code}/{error.subcode}"
    if not number:
        return State.REFUSED, sentence("Facebook refused it (error without a number)."), None
    return State.REFUSED, sentence("Facebook refused it (error %(number)s).", number=number), None
