"""Typing and seen, shown to customers where the channel says so: in time or not at all, at most once, never again.

Sender actions carry no tag, so they are for the first 24 hours. The worker sends them in a thread (desk.background).
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.messenger import send_api
from channels_im.messenger.errors import GraphError
from desk.models import User
from tickets.models import Conversation, SenderAction
from tickets.rules import sending
from tickets.rules.window import WindowState
from tickets.services.outgoing import replies

logger = logging.getLogger(__name__)

TYPING_EVERY = timedelta(seconds=10)  # Messenger shows the dots for 20 s
TYPING_LASTS = timedelta(seconds=20)
WORTH = {SenderAction.Kind.TYPING: timedelta(seconds=5), SenderAction.Kind.SEEN: timedelta(seconds=60)}
AT_ONCE = 10
MOST = 50
TIMEOUT_S = 3.0

Kind = SenderAction.Kind


def typing(user: User, conversation: Conversation, *, is_on: bool = True) -> None:
    """An agent is typing a reply, or has stopped. Asked often, it is told every ten seconds."""
    if not conversation.channel.shows_typing or not _may_show(user, conversation):
        return
    now, rows = timezone.now(), SenderAction.objects.filter(conversation=conversation, kind=Kind.TYPING)
    if is_on:
        _want(conversation, Kind.TYPING, rows.filter(wanted_at__lte=now - TYPING_EVERY), now)
    else:
        shown = rows.filter(is_on=True, wanted_at__gt=now - TYPING_LASTS)
        shown.update(is_on=False, is_waiting=True, wanted_at=now)


def seen(user: User, conversation: Conversation) -> None:
    """An agent who may answer has read what the customer wrote."""
    if conversation.channel.shows_seen and _may_show(user, conversation):
        rows = SenderAction.objects.filter(conversation=conversation, kind=Kind.SEEN)
        _want(conversation, Kind.SEEN, rows, timezone.now())


def _want(conversation: Conversation, kind: str, rows: QuerySet[SenderAction, SenderAction], now: datetime) -> None:
    if not rows.update(is_on=True, is_waiting=True, wanted_at=now):
        first = SenderAction(conversation=conversation, kind=kind, wanted_at=now)
        SenderAction.objects.bulk_create([first], ignore_conflicts=True)


def _may_show(user: User, conversation: Conversation) -> bool:
    return _is_open(conversation) and replies.may_send(user, conversation).allowed


def _is_open(conversation: Conversation) -> bool:
    return replies.window_of(conversation).state is WindowState.RESPONSE and not conversation.thread_owner_app_id


# --- Sending ----------------------------------------------------------------------------------------------------------
def waiting() -> QuerySet[SenderAction, SenderAction]:
    """Return what is still worth showing."""
    now = timezone.now()
    fresh = Q()
    for kind, worth in WORTH.items():
        fresh |= Q(kind=kind, wanted_at__gt=now - worth)
    return SenderAction.objects.filter(fresh, is_waiting=True).exclude(
        conversation__channel__page__rate_limited_until__gt=now
    )


def is_due() -> bool:
    """Say whether there is anything to show."""
    return waiting().exists()


def send_due() -> int:
    """Show what waits; return how many calls were made. What fails is forgotten."""
    related = ("conversation__contact", "conversation__channel__page")
    found = list(waiting().select_related(*related).order_by("wanted_at")[:MOST])
    calls = [call for row in found if _claim(row) and (call := _call(row))]
    if calls:
        with ThreadPoolExecutor(min(AT_ONCE, len(calls)), thread_name_prefix="signal") as pool:
            list(pool.map(_try, calls))
    return len(calls)


def _claim(row: SenderAction) -> bool:
    """Take the row before the call: whatever becomes of it, it is not sent again."""
    same = SenderAction.objects.filter(pk=row.pk, is_waiting=True, wanted_at=row.wanted_at)
    return bool(same.update(is_waiting=False))


def _call(row: SenderAction) -> partial[None] | None:
    """Return the call to Meta, or None when the rules have come to forbid it."""
    conversation = row.conversation
    channel = conversation.channel
    is_wanted = channel.shows_typing if row.kind == Kind.TYPING else channel.shows_seen
    facts = replies.facts_of(None, conversation, author_is_human=True, now=timezone.now())
    if not (is_wanted and _is_open(conversation) and sending.may_send(facts).allowed):
        return None
    on_or_off = "typing_on" if row.is_on else "typing_off"
    action = on_or_off if row.kind == Kind.TYPING else "mark_seen"
    page, psid = channel.page, conversation.contact.psid
    return partial(send_api.sender_action, page.page_token, page.page_id, psid, action, timeout_s=TIMEOUT_S)


def _try(call: partial[None]) -> None:
    try:
        call()
    except GraphError as error:
        logger.info("A sign for the customer was not shown: %s", error)
    except Exception:
        logger.exception("A sign for the customer could not be shown")
