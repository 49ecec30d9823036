"""Show customers that an agent is typing or has seen their message, where the channel is set so.

Each is sent at most once, in time or not at all. Sender actions carry no message tag, so they are only for the first
24 hours. The worker's sender sends them (desk.loops).
"""

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.messenger import send_api
from channels_im.messenger.errors import GraphError
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import call_pool, wake
from desk.models import User
from tickets.models import Conversation, SenderAction
from tickets.rules import sending
from tickets.rules.window import WindowState
from tickets.services.outgoing import replies

logger = logging.getLogger(__name__)

JOB = "sender actions"  # English only: for logs and metrics
TYPING_INTERVAL = timedelta(seconds=10)  # Messenger shows the dots for 20 s
TYPING_SHOWN_FOR = timedelta(seconds=20)
MAX_AGE = {SenderAction.Kind.TYPING: timedelta(seconds=5), SenderAction.Kind.SEEN: timedelta(seconds=60)}
POOL_SIZE = 10
BATCH_SIZE = 50
TIMEOUT_S = 3.0

Kind = SenderAction.Kind


def typing(user: User, conversation: Conversation, *, is_on: bool = True) -> None:
    """Show the customer that an agent is typing a reply, or has stopped. Sends at most every TYPING_INTERVAL."""
    if not conversation.channel.shows_typing or not _may_show(user, conversation):
        return
    now, rows = timezone.now(), SenderAction.objects.filter(conversation=conversation, kind=Kind.TYPING)
    if is_on:
        _request(conversation, Kind.TYPING, rows.filter(wanted_at__lte=now - TYPING_INTERVAL), now)
    else:
        shown = rows.filter(is_on=True, wanted_at__gt=now - TYPING_SHOWN_FOR)
        if shown.update(is_on=False, is_waiting=True, wanted_at=now):
            wake.wake(JOB)


def seen(user: User, conversation: Conversation) -> None:
    """Show the customer that an agent who may answer has read their message."""
    if conversation.channel.shows_seen and _may_show(user, conversation):
        rows = SenderAction.objects.filter(conversation=conversation, kind=Kind.SEEN)
        _request(conversation, Kind.SEEN, rows, timezone.now())


def _request(conversation: Conversation, kind: str, rows: QuerySet[SenderAction, SenderAction], now: datetime) -> None:
    if not rows.update(is_on=True, is_waiting=True, wanted_at=now):
        first = SenderAction(conversation=conversation, kind=kind, wanted_at=now)
        SenderAction.objects.bulk_create([first], ignore_conflicts=True)
    wake.wake(JOB)


def _may_show(user: User, conversation: Conversation) -> bool:
    return _is_open(conversation) and replies.may_send(user, conversation).allowed


def _is_open(conversation: Conversation) -> bool:
    return replies.window_of(conversation).state is WindowState.RESPONSE and not conversation.thread_owner_app_id


# --- Sending ----------------------------------------------------------------------------------------------------------
def waiting() -> QuerySet[SenderAction, SenderAction]:
    """Return the unsent actions that are not too old to be shown."""
    now = timezone.now()
    recent = Q()
    for kind, max_age in MAX_AGE.items():
        recent |= Q(kind=kind, wanted_at__gt=now - max_age)
    allowed = page_errors.background_allowed("conversation__channel__page__")
    return SenderAction.objects.filter(recent, allowed, is_waiting=True)


def is_due() -> bool:
    """Return whether any action waits to be sent."""
    return waiting().exists()


def send_due() -> int:
    """Send the actions that wait; return how many calls were made. A failed action is not sent again."""
    related = ("conversation__contact", "conversation__channel__page")
    rows = list(waiting().select_related(*related).order_by("wanted_at")[:BATCH_SIZE])
    calls = [(row.conversation.channel.page, call) for row in rows if _claim(row) and (call := _call(row))]
    if calls:
        errors = list(call_pool.threads(POOL_SIZE).map(_make, (call for _page, call in calls)))
        for (page, _call_made), error in zip(calls, errors, strict=True):
            if error is not None:
                page_errors.record(page, error, Call.BACKGROUND, token=page.page_token)
    return len(calls)


def _claim(row: SenderAction) -> bool:
    """Claim the row before the call: whatever the outcome, it is not sent again."""
    unchanged = SenderAction.objects.filter(pk=row.pk, is_waiting=True, wanted_at=row.wanted_at)
    return bool(unchanged.update(is_waiting=False))


def _call(row: SenderAction) -> partial[None] | None:
    """Return the call to Meta, or None when the rules no longer allow it."""
    conversation = row.conversation
    channel = conversation.channel
    is_enabled = channel.shows_typing if row.kind == Kind.TYPING else channel.shows_seen
    facts = replies.send_facts(None, conversation, author_is_human=True, now=timezone.now())
    if not (is_enabled and _is_open(conversation) and sending.may_send(facts).allowed):
        return None
    on_or_off = "typing_on" if row.is_on else "typing_off"
    action = on_or_off if row.kind == Kind.TYPING else "mark_seen"
    page, psid = channel.page, conversation.contact.psid
    return partial(send_api.sender_action, page.page_token or "", page.page_id, psid, action, timeout_s=TIMEOUT_S)


def _make(call: partial[None]) -> GraphError | None:
    """Make the call, in a thread; return Meta's error."""
    try:
        call()
    except GraphError as error:
        logger.info("Meta did not take a sender action: %s", error)
        return error
    except Exception:
        logger.exception("A sender action could not be sent")
    return None
