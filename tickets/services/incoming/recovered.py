"""Find the messages that Desk has missed among those that the Conversations API shows (channels_im recovery)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from channels_im.messenger.graph_messages import GraphMessage
from channels_im.models import Page
from channels_im.services.recovery.writer import MissedMessage
from tickets.models import Conversation, Message
from tickets.rules import cards
from tickets.services.conversation import derived, messages, ticketing
from tickets.services.privacy import erasure
from tickets.services.webhooks import events

SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
LATE = timedelta(seconds=5)  # a webhook that comes later than this may have been overtaken by a recovery


@dataclass(frozen=True)
class _Stored:
    """What Desk has of one message."""

    mid: str | None
    sent_at: datetime
    is_from_page: bool
    text: str


def find_missed(page: Page, psid: str, shown: Sequence[GraphMessage]) -> list[MissedMessage]:
    """Return the messages that Desk has missed, oldest first, each with a time that keeps Meta's order.

    `shown` is in Meta's order, newest first. Not missed are those that were stored once, those from before the customer
    was erased, and those without details that an earlier recovery has named.
    """
    if not shown:
        return []
    by_mid = _stored_by_mid(page, shown)
    stored = _stored_at_that_time(page, psid, shown)
    named = _named_spans(page, psid)
    erased_at = max((receipt.erased_at for receipt in erasure.receipts_for(page, psid)), default=None)
    missed: list[MissedMessage] = []
    times = _Times([by_mid.get(message.mid) for message in reversed(shown)])
    known_mids = {message.mid for message in shown}
    for place, message in enumerate(reversed(shown)):
        if message.mid in by_mid:
            continue
        at = times.place(place, message)
        if erased_at is not None and message.created_at <= erased_at:
            continue
        if not message.has_details and any(first - SECOND <= at <= last + SECOND for first, last in named):
            continue
        alike = next((row for row in stored if _is_same(row, message, known_mids)), None)
        if alike is not None:
            stored.remove(alike)
            continue
        missed.append(MissedMessage(message, at))
    return missed


def rename_late(conversation: Conversation, *, mid: str, direction: str, at: datetime, text: str) -> None:
    """Give a recovered message the id of its webhook, which comes only now and has another id than Meta showed.

    Side, second and text say that it is the same, as in `find_missed`. The caller holds the conversation's lock. What
    comes in time is not looked at: a recovery leaves to the webhooks what is said while it reads.
    """
    if timezone.now() - at < LATE:
        return
    second = at.replace(microsecond=0)
    rows = Message.objects.filter(
        conversation=conversation,
        kind=Message.Kind.MESSAGE,
        direction=direction,
        recovered_at__isnull=False,
        sent_at__gte=second,
        sent_at__lt=second + SECOND,
    )
    alike = [pk for pk, stored in rows.order_by("sent_at", "pk").values_list("pk", "text") if _is_alike(stored, text)]
    if alike and not Message.objects.filter(page=conversation.contact.page_id, mid=mid).exists():
        correct_time(conversation, Message.objects.get(pk=alike[0]), at)
        Message.objects.filter(pk=alike[0]).update(mid=mid, recovered_at=None)


def correct_time(conversation: Conversation, message: Message, at: datetime) -> bool:
    """Give a recovered message the time of its webhook, which comes only now; return whether its time was another.

    The Conversations API tells the second alone, and the message was given a place in it. What was recovered before and
    after it there stays before and after it. The caller holds the conversation's lock.
    """
    placed = message.sent_at
    second = placed.replace(microsecond=0)
    if message.recovered_at is None or at == placed or at.replace(microsecond=0) != second:
        return False
    others = Message.objects.filter(
        conversation=conversation, recovered_at__isnull=False, sent_at__gte=second, sent_at__lt=second + SECOND
    ).exclude(pk=message.pk)
    order = Q(sent_at=placed, pk__gt=message.pk)
    passed = {message.pk: at}
    for number, pk in enumerate(_ids(others.filter(Q(sent_at__gt=placed) | order, sent_at__lte=at)), start=1):
        passed[pk] = at + number * MILLISECOND
    before = _ids(others.filter(Q(sent_at__lt=placed) | Q(sent_at=placed, pk__lt=message.pk), sent_at__gte=at))
    for number, pk in enumerate(reversed(before), start=1):
        passed[pk] = at - number * MILLISECOND
    for pk, time in passed.items():
        Message.objects.filter(pk=pk).update(sent_at=time)
    message.sent_at = at
    tickets = Message.objects.filter(pk__in=passed).values_list("ticket_id", flat=True)
    ticketing.refresh_tickets(conversation, set(tickets))
    derived.recount(conversation)
    derived.refresh_row(conversation)
    events.messages_updated(conversation, list(passed), "sent_at")
    messages.announce(conversation)
    return True


def _ids(rows: QuerySet[Message, Message]) -> list[int]:
    return list(rows.order_by("sent_at", "pk").values_list("pk", flat=True))


def perhaps_late(received: Iterable[tuple[int | None, datetime]]) -> set[int]:
    """Return those of these conversations (ids) in which `rename_late` may find something.

    `received` are conversations, None for one that is not stored yet, and the times of new messages there.
    """
    too_late = timezone.now() - LATE
    late = [(pk, at.replace(microsecond=0)) for pk, at in received if pk is not None and at <= too_late]
    if not late:
        return set()
    seconds = [second for _pk, second in late]
    rows = Message.objects.filter(
        conversation__in={pk for pk, _second in late},
        recovered_at__isnull=False,
        sent_at__gte=min(seconds),
        sent_at__lt=max(seconds) + SECOND,
    )
    return set(rows.values_list("conversation_id", flat=True))


def _is_alike(text: str, other: str) -> bool:
    return text.split() == other.split()


class _Times:
    """The times of messages whose second alone is known, between those whose time is known exactly."""

    def __init__(self, times: list[datetime | None]) -> None:
        self._times = times  # oldest first

    def place(self, place: int, message: GraphMessage) -> datetime:
        """Return the time of the message at `place`: after the one before it, and before the next one in its second."""
        second = message.created_at
        at = second
        before = next((time for time in reversed(self._times[:place]) if time is not None), None)
        if before is not None and second <= before < second + SECOND:
            at = before + MILLISECOND
        after = next((time for time in self._times[place + 1 :] if time is not None), None)
        if after is not None and second < after <= at:
            at = after - MILLISECOND
        at = min(at, second + SECOND - MILLISECOND)
        self._times[place] = at
        return at


def _stored_by_mid(page: Page, shown: Sequence[GraphMessage]) -> dict[str, datetime]:
    rows = Message.objects.filter(page=page, mid__in=[message.mid for message in shown])
    return {mid: sent_at for mid, sent_at in rows.values_list("mid", "sent_at") if mid}


def _stored_at_that_time(page: Page, psid: str, shown: Sequence[GraphMessage]) -> list[_Stored]:
    """Return the customer's stored messages of the seconds of `shown`.

    The id of a message in the Conversations API may differ from the one its webhook had, and a tap may have come
    without any: then side, second and text say that it is the same.
    """
    times = [message.created_at for message in shown]
    rows = Message.objects.filter(
        page=page,
        conversation__contact__psid=psid,
        kind=Message.Kind.MESSAGE,
        mid__isnull=False,
        withdrawn_at=None,  # Meta does not show these
        sent_at__gte=min(times),
        sent_at__lt=max(times) + SECOND,
    )
    found = rows.order_by("sent_at", "pk").values_list("mid", "sent_at", "direction", "text")
    return [_Stored(mid, at, direction == Message.Direction.OUT, text) for mid, at, direction, text in found]


def _is_same(row: _Stored, message: GraphMessage, known_mids: set[str]) -> bool:
    if row.mid in known_mids or not message.created_at <= row.sent_at < message.created_at + SECOND:
        return False
    if not message.has_details:
        return True
    return row.is_from_page == message.from_page and _is_alike(row.text, message.text)


def _named_spans(page: Page, psid: str) -> list[tuple[datetime, datetime]]:
    """Return the spans of time of which an earlier recovery has said that messages cannot be had."""
    rows = Message.objects.filter(
        page=page, conversation__contact__psid=psid, kind=Message.Kind.EVENT, mid__startswith="not-recovered:"
    )
    spans = []
    for card in rows.values_list("card", flat=True):
        span = cards.span_in(card)
        if span is not None:
            spans.append(span)
    return spans
