"""Compare the columns of conversations and tickets that follow from messages with the messages.

The first pass reads many conversations with a few queries and without a lock. What it finds is looked at again under
the conversation's lock, so that a message that arrives meanwhile is no finding, and mended by the functions that the
services use.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery

from desk.integrity import Finding, Wishes, key_ranges
from tickets.models import Conversation, Message, Ticket
from tickets.services.conversation import derived, messages
from tickets.services.outgoing import held_replies

Direction, Kind = Message.Direction, Message.Kind
OWN = Message.objects.filter(conversation=OuterRef("pk"), kind=Kind.MESSAGE).order_by()
INCOMING = OWN.filter(direction=Direction.IN)
FILE_WORDS = frozenset(messages.PREVIEW_OF_KIND.values())


@dataclass(frozen=True)
class Problem:
    """What is wrong with a conversation, and the function that mends it, which needs the conversation's lock."""

    sentence: str
    mend: Callable[[Conversation], None]


@dataclass(frozen=True)
class Facts:
    """What follows from the messages of one conversation; the other facts are annotated on the conversation."""

    messages: int = 0
    incoming: int = 0
    last_incoming: object = None
    newest: Message | None = None


def check_conversations(wishes: Wishes) -> Iterator[Finding]:
    """Find wrong counters, times, previews, waiting times and current tickets."""
    for part in key_ranges(Conversation):
        suspects = [row.pk for row, facts in _read(Conversation.objects.filter(part)) if any(_problems(row, facts))]
        for pk in suspects:
            yield from _examine(pk, wishes)


def _examine(pk: int, wishes: Wishes) -> Iterator[Finding]:
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().filter(pk=pk).first()
        if conversation is None:
            return
        problems = [
            problem for row, facts in _read(Conversation.objects.filter(pk=pk)) for problem in _problems(row, facts)
        ]
        if wishes.mend and problems:
            for problem in problems:
                problem.mend(conversation)
            messages.announce(conversation)
    for problem in problems:
        yield Finding(f"Conversation {pk}", problem.sentence, wishes.mend)


def _read(conversations: QuerySet[Conversation, Conversation]) -> Iterator[tuple[Conversation, Facts]]:
    """Yield conversations of people who are not erased, with the facts. Four queries, however many they are."""
    waiting_for = INCOMING.filter(sent_at=OuterRef("waiting_since")).order_by("pk")
    annotated = conversations.filter(contact__erased_at=None).annotate(
        newest_pk=Subquery(OWN.order_by("-sent_at", "-pk").values("pk")[:1]),
        newest_ticket=Subquery(
            Ticket.objects.filter(conversation=OuterRef("pk")).order_by("-opened_at", "-pk").values("pk")[:1]
        ),
        ticket_is_open=Q(current_ticket__status=Ticket.Status.OPEN),
        has_held=Exists(held_replies.held().filter(conversation=OuterRef("pk"))),
        waiting_pk=Subquery(waiting_for.values("pk")[:1]),
        answered_at=Subquery(OWN.filter(messages.ANSWERED).order_by("-sent_at").values("sent_at")[:1]),
    )
    annotated = annotated.annotate(
        answered_since=Exists(
            OWN.filter(messages.ANSWERED, sent_at__gt=OuterRef("waiting_since"), pk__gt=OuterRef("waiting_pk"))
        ),
    )
    rows = list(annotated)
    newest = Message.objects.prefetch_related("attachments").in_bulk([row.newest_pk for row in rows if row.newest_pk])
    counted = (
        Message.objects.filter(conversation__in=[row.pk for row in rows], kind=Kind.MESSAGE)
        .order_by()
        .values("conversation_id")
        .annotate(
            messages=Count("pk"),
            incoming=Count("pk", filter=Q(direction=Direction.IN)),
            last_incoming=Max("sent_at", filter=Q(direction=Direction.IN)),
        )
    )
    facts = {fact["conversation_id"]: (fact["messages"], fact["incoming"], fact["last_incoming"]) for fact in counted}
    for row in rows:
        yield row, Facts(*facts.get(row.pk, (0, 0, None)), newest.get(row.newest_pk))


def _problems(row: Conversation, facts: Facts) -> Iterator[Problem]:
    yield from _wrong_counters(row, facts)
    if facts.newest is not None:
        yield from _wrong_newest(row, facts.newest)
    if sentence := _wrong_waiting(row, facts):
        yield Problem(sentence, messages.refresh_waiting)
    if row.current_ticket_id != row.newest_ticket:  # type: ignore[attr-defined]  # annotated
        sentence = f"its current ticket is {row.current_ticket_id} instead of {row.newest_ticket}"  # type: ignore[attr-defined]
        yield Problem(sentence, derived.refresh_current_ticket)
    if row.holds_reply != row.has_held:  # type: ignore[attr-defined]
        sentence = f"holds_reply is {row.holds_reply} instead of {row.has_held}"  # type: ignore[attr-defined]
        yield Problem(sentence, held_replies.refresh)


def _wrong_counters(row: Conversation, facts: Facts) -> Iterator[Problem]:
    if row.message_count != facts.messages:
        yield Problem(f"message_count is {row.message_count} instead of {facts.messages}", derived.recount)
    if row.unread_count > (most := derived.most_unread(facts.incoming)):
        yield Problem(f"unread_count is {row.unread_count}, at most {most} messages can be unread", derived.recount)
    if row.last_customer_message_at != facts.last_incoming:
        sentence = f"last_customer_message_at is {row.last_customer_message_at} instead of {facts.last_incoming}"
        yield Problem(sentence, derived.recount)


def _wrong_newest(row: Conversation, newest: Message) -> Iterator[Problem]:
    if row.last_message_at != newest.sent_at:
        sentence = f"last_message_at is {row.last_message_at} instead of {newest.sent_at}"
        yield Problem(sentence, derived.refresh_newest)
    if row.preview_is_ours != (newest.direction == Direction.OUT):
        yield Problem(
            f"preview_is_ours is {row.preview_is_ours}, and the newest message differs", derived.refresh_newest
        )
    if not _shows(row.preview, newest):
        yield Problem(f"its preview is not that of its newest message {newest.pk}", derived.refresh_newest)


def _shows(preview: str, newest: Message) -> bool:
    """Return whether the preview may be that of this message.

    Of files it has the kinds, as they were known when the message arrived: the bytes may show another one later.
    """
    expected = messages.preview_of(newest)
    if preview == expected or not expected:
        return True
    return FILE_WORDS.issuperset(expected.split(", ")) and FILE_WORDS.issuperset(preview.split(", "))


def _wrong_waiting(row: Conversation, facts: Facts) -> str:
    """Return what is wrong with the waiting time, or "".

    Closing a ticket ends the waiting, so that it may begin with any customer message that was not answered later.
    """
    if row.waiting_since is not None:
        if row.waiting_pk is None:  # type: ignore[attr-defined]
            return f"waiting_since is {row.waiting_since}, and no customer message is of that time"
        if row.answered_since:  # type: ignore[attr-defined]
            return f"waiting_since is {row.waiting_since}, and a reply followed"
        return ""
    answered_at = row.answered_at  # type: ignore[attr-defined]
    is_unanswered = facts.last_incoming is not None and (answered_at is None or facts.last_incoming > answered_at)
    if is_unanswered and row.ticket_is_open:  # type: ignore[attr-defined]
        return "waiting_since is empty, although the customer wrote after the last reply"
    return ""


def check_tickets(wishes: Wishes) -> Iterator[Finding]:
    """Find tickets without messages, and with another time than that of their newest message."""
    of_ticket = Message.objects.filter(ticket=OuterRef("pk")).order_by()
    newest = of_ticket.filter(kind=Kind.MESSAGE).order_by("-sent_at").values("sent_at")[:1]
    tickets = Ticket.objects.filter(conversation__contact__erased_at=None)
    wrong = tickets.annotate(newest=Subquery(newest), has_any=Exists(of_ticket)).filter(
        Q(has_any=False) | ~Q(last_message_at=F("newest")) & Q(newest__isnull=False)
    )
    for part in key_ranges(Ticket):
        for pk, conversation_pk in list(wrong.filter(part).values_list("pk", "conversation_id")):
            with transaction.atomic():
                conversation = Conversation.objects.select_for_update().get(pk=conversation_pk)
                ticket = wrong.filter(pk=pk).first()
                if ticket is None:
                    continue
                if wishes.mend:
                    messages.refresh_tickets(conversation, [pk])
                    messages.announce(conversation)
            expected = ticket.newest
            sentence = f"last_message_at is {ticket.last_message_at} instead of {expected}"
            yield Finding(f"Ticket {pk}", sentence if ticket.has_any else "it has no message", wishes.mend)


def check_references(wishes: Wishes) -> Iterator[Finding]:
    """Find messages whose ticket or Page is that of another conversation. Nobody can tell which one is right."""
    other_ticket = Q(ticket__isnull=False) & ~Q(ticket__conversation_id=F("conversation_id"))
    other_page = ~Q(page_id=F("conversation__contact__page_id"))
    for part in key_ranges(Message):
        for pk, ticket in Message.objects.filter(part).filter(other_ticket).values_list("pk", "ticket_id"):
            yield Finding(f"Message {pk}", f"its ticket {ticket} belongs to another conversation")
        for pk in Message.objects.filter(part).filter(other_page).values_list("pk", flat=True):
            yield Finding(f"Message {pk}", "its Page is not that of its customer")
