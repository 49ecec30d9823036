"""Compare the columns of conversations and tickets that follow from messages with tickets.rules.conversation_state.

The first pass reads the lines of many conversations with one query and without a lock. What it finds is looked at again
under the conversation's lock, so that a message that arrives meanwhile is no finding, and mended by the functions that
the services use.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from desk.integrity import Finding, Wishes, key_ranges
from tickets.models import Conversation, Message, ScheduledReply, Ticket
from tickets.rules.conversation_state import ConversationState, state_of
from tickets.services.conversation import derived, messages, ticketing
from tickets.services.conversation.previews import PREVIEW_OF_KIND, SUBJECT_CHARS, preview_of
from tickets.services.outgoing import held_replies, scheduled_replies

Direction = Message.Direction
FILE_WORDS = frozenset(PREVIEW_OF_KIND.values())
LINES_AT_A_TIME = 2000


@dataclass(frozen=True)
class Problem:
    """What is wrong with a conversation or a ticket, and the function that mends it under the conversation's lock."""

    conversation: int  # its id
    subject: str
    sentence: str
    mend: Callable[[Conversation], None]


@dataclass(frozen=True)
class Facts:
    """The state of a conversation, and the messages that give texts to its row and its tickets, by id."""

    state: ConversationState
    texts: dict[int, Message]


def check_conversations(wishes: Wishes) -> Iterator[Finding]:
    """Find wrong counters, times, previews, waiting times, current tickets, and times and subjects of tickets."""
    for part in key_ranges(Conversation):
        for pk in list(dict.fromkeys(problem.conversation for problem in problems(Conversation.objects.filter(part)))):
            yield from _examine(pk, wishes)


def _examine(pk: int, wishes: Wishes) -> Iterator[Finding]:
    with transaction.atomic():
        conversation = Conversation.objects.select_for_update().filter(pk=pk).first()
        if conversation is None:
            return
        found = list(problems(Conversation.objects.filter(pk=pk)))
        if wishes.mend and found:
            for problem in found:
                problem.mend(conversation)
            messages.announce(conversation)
    for problem in found:
        yield Finding(problem.subject, problem.sentence, wishes.mend)


def problems(conversations: QuerySet[Conversation, Conversation]) -> Iterator[Problem]:
    """Yield what is wrong with these conversations and their tickets; a few queries, however many they are."""
    for row, facts in _read(conversations):
        yield from _problems(row, facts)
        yield from _ticket_problems(row, facts)


def check_tickets(wishes: Wishes) -> Iterator[Finding]:
    """Find tickets without messages."""
    empty = Ticket.objects.filter(~Exists(Message.objects.filter(ticket=OuterRef("pk"))))
    empty = empty.filter(conversation__contact__erased_at=None)
    for part in key_ranges(Ticket):
        for pk, conversation_pk in list(empty.filter(part).values_list("pk", "conversation_id")):
            with transaction.atomic():
                conversation = Conversation.objects.select_for_update().get(pk=conversation_pk)
                if not empty.filter(pk=pk).exists():
                    continue
                if wishes.mend:
                    ticketing.refresh_tickets(conversation, [pk])
                    messages.announce(conversation)
            yield Finding(f"Ticket {pk}", "it has no message", wishes.mend)


def _read(conversations: QuerySet[Conversation, Conversation]) -> Iterator[tuple[Conversation, Facts]]:
    """Yield conversations of people who are not erased, with the facts."""
    annotated = conversations.filter(contact__erased_at=None).annotate(
        newest_ticket=Subquery(
            Ticket.objects.filter(conversation=OuterRef("pk")).order_by("-opened_at", "-pk").values("pk")[:1]
        ),
        has_open_ticket=Exists(Ticket.objects.filter(pk=OuterRef("current_ticket_id"), status=Ticket.Status.OPEN)),
        has_later=Exists(
            ScheduledReply.objects.filter(conversation=OuterRef("pk")).exclude(state=ScheduledReply.State.SENT)
        ),
        has_held=Exists(held_replies.held().filter(conversation=OuterRef("pk"))),
    )
    rows = {row.pk: row for row in annotated.prefetch_related("tickets")}
    lines = Message.objects.filter(conversation__in=rows).order_by("conversation_id")
    values = lines.values_list("conversation_id", *derived.LINE_FIELDS).iterator(chunk_size=LINES_AT_A_TIME)
    states = {
        pk: state_of([derived.line_of(line) for _pk, *line in group]) for pk, group in groupby(values, itemgetter(0))
    }
    wanted = [state.row.newest.key for state in states.values() if state.row.newest]
    wanted += [times.first for state in states.values() for times in state.tickets.values()]
    texts = Message.objects.prefetch_related("attachments").in_bulk(wanted)
    for pk, row in rows.items():
        yield row, Facts(states.get(pk, ConversationState()), texts)


def _problems(row: Conversation, facts: Facts) -> Iterator[Problem]:
    subject = f"Conversation {row.pk}"
    for sentence in _wrong_counters(row, facts.state):
        yield Problem(row.pk, subject, sentence, derived.recount)
    for sentence in _wrong_row(row, facts):
        yield Problem(row.pk, subject, sentence, derived.refresh_row)
    if row.current_ticket_id != row.newest_ticket:  # type: ignore[attr-defined]  # annotated
        sentence = f"its current ticket is {row.current_ticket_id} instead of {row.newest_ticket}"  # type: ignore[attr-defined]
        yield Problem(row.pk, subject, sentence, ticketing.refresh_current_ticket)
    elif row.is_open != row.has_open_ticket:  # type: ignore[attr-defined]
        sentence = f"is_open is {row.is_open}, and its current ticket differs"
        yield Problem(row.pk, subject, sentence, ticketing.refresh_current_ticket)
    if row.holds_reply != row.has_held:  # type: ignore[attr-defined]
        sentence = f"holds_reply is {row.holds_reply} instead of {row.has_held}"  # type: ignore[attr-defined]
        yield Problem(row.pk, subject, sentence, held_replies.refresh)
    if row.has_scheduled != row.has_later:  # type: ignore[attr-defined]
        sentence = f"has_scheduled is {row.has_scheduled} instead of {row.has_later}"  # type: ignore[attr-defined]
        yield Problem(row.pk, subject, sentence, scheduled_replies.refresh)


def _wrong_counters(row: Conversation, state: ConversationState) -> Iterator[str]:
    if row.message_count != state.message_count:
        yield f"message_count is {row.message_count} instead of {state.message_count}"
    if row.unread_count > state.most_unread:
        yield f"unread_count is {row.unread_count}, at most {state.most_unread} messages can be unread"
    if row.last_customer_message_at != state.last_customer_message_at:
        yield f"last_customer_message_at is {row.last_customer_message_at} instead of {state.last_customer_message_at}"


def _wrong_row(row: Conversation, facts: Facts) -> Iterator[str]:
    expected = facts.state.row
    newest = facts.texts.get(expected.newest.key) if expected.newest else None
    if row.last_message_at != expected.at:
        yield f"last_message_at is {row.last_message_at} instead of {expected.at}"
    if newest is not None and row.preview_is_ours != (newest.direction == Direction.OUT):
        yield f"preview_is_ours is {row.preview_is_ours}, and the newest message differs"
    if newest is not None and not _shows(row.preview, preview_of(newest)):
        yield f"its preview is not that of its newest message {newest.pk}"
    if row.waiting_since != expected.waiting_since:
        yield f"waiting_since is {row.waiting_since} instead of {expected.waiting_since}"


def _ticket_problems(row: Conversation, facts: Facts) -> Iterator[Problem]:
    for ticket in row.tickets.all():
        times = facts.state.tickets.get(ticket.pk)
        if times is not None and (sentence := _wrong_ticket(ticket, times.opened_at, times.last_message_at)):
            yield Problem(row.pk, f"Ticket {ticket.pk}", sentence, _mend_ticket(ticket.pk))
        elif (
            times is not None
            and not ticket.subject_is_own
            and not _shows(ticket.subject, preview_of(facts.texts[times.first], SUBJECT_CHARS))
        ):
            sentence = f"its subject is not that of its first message {times.first}"
            yield Problem(row.pk, f"Ticket {ticket.pk}", sentence, _mend_ticket(ticket.pk))


def _wrong_ticket(ticket: Ticket, opened_at: datetime, last_message_at: datetime) -> str:
    if ticket.last_message_at != last_message_at:
        return f"last_message_at is {ticket.last_message_at} instead of {last_message_at}"
    return f"opened_at is {ticket.opened_at} instead of {opened_at}" if ticket.opened_at != opened_at else ""


def _mend_ticket(pk: int) -> Callable[[Conversation], None]:
    return lambda conversation: ticketing.refresh_tickets(conversation, [pk])


def _shows(shown: str, expected: str) -> bool:
    """Return whether `shown` may be the line of a message whose line is `expected`.

    Of files it has the kinds, as they were known when the message arrived: the bytes may show another one later.
    """
    if shown == expected or not expected:
        return True
    return FILE_WORDS.issuperset(expected.split(", ")) and FILE_WORDS.issuperset(shown.split(", "))


def check_references(wishes: Wishes) -> Iterator[Finding]:
    """Find messages whose ticket or Page is that of another conversation. Nobody can tell which one is right."""
    other_ticket = Q(ticket__isnull=False) & ~Q(ticket__conversation_id=F("conversation_id"))
    other_page = ~Q(page_id=F("conversation__contact__page_id"))
    for part in key_ranges(Message):
        for pk, ticket in Message.objects.filter(part).filter(other_ticket).values_list("pk", "ticket_id"):
            yield Finding(f"Message {pk}", f"its ticket {ticket} belongs to another conversation")
        for pk in Message.objects.filter(part).filter(other_page).values_list("pk", flat=True):
            yield Finding(f"Message {pk}", "its Page is not that of its customer")
