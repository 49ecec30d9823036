"""Take the usual messages of many customers in together, with as many statements as for a few.

Usual is a message, or a tap on a button, that is the newest of its conversation: its ticket and what it changes follow
from rows that are read for the whole set. Everything else is left to the receiver, which takes it in alone. What is
stored is the same either way: both use the rules of tickets.rules, and the functions that bring a conversation and its
tickets up to date.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery

from channels_im.messenger import events as kinds
from channels_im.services.journal.store import IncomingEvent, Sender, SenderEvents
from desk.bulk_rows import insert_each, update_each
from tickets.models import Conversation, Message, Ticket
from tickets.rules import cards, threading
from tickets.services.conversation import contacts, messages, notices, ticketing
from tickets.services.conversation.new_message import NewMessage
from tickets.services.incoming import new_messages, receiver, recovered
from tickets.services.webhooks import events

CONVERSATION_FIELDS = (*messages.COUNTED, *messages.SHOWN, "current_ticket")
TICKET_FIELDS = ("status", "closed_at", "last_message_at")


@dataclass(frozen=True)
class Placed:
    """A new message with its ticket, and whether it opened or reopened it."""

    new: NewMessage
    ticket: Ticket
    opened: bool = False
    reopened: bool = False


@dataclass(frozen=True)
class History:
    """What is stored of a conversation: its newest counted message, its newest line, and the intermission."""

    before: ticketing.TicketNeighbour | None
    newest_at: datetime | None
    intermission: timedelta


@dataclass
class Thread:
    """A conversation, locked or about to be created, and what the set adds to it."""

    sender: Sender
    news: list[NewMessage]
    conversation: Conversation
    placed: list[Placed] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        """Return whether the conversation is not stored yet."""
        return self.conversation._state.adding


def take(groups: Sequence[SenderEvents]) -> set[Sender]:
    """Take in the events of those customers who have usual messages only; return these customers.

    `groups` are different customers with their events in Meta's order. Call it inside a transaction: an exception, such
    as that of another process that stores the same at this moment, rolls the whole set back.
    """
    usual = {sender: _usual(sender, incoming) for sender, incoming in groups}
    mids = Counter((sender.page.pk, mid) for sender, incoming in groups for mid in _mids(incoming))
    usual = {
        sender: news
        for sender, news in usual.items()
        if news and all(mids[sender.page.pk, new.mid or ""] == 1 for new in news)
    }
    threads = [thread for thread in _without_stored(_threads(usual)) if _is_simple(thread)]
    histories = _histories([thread for thread in threads if _needs_history(thread)])
    threads = [thread for thread in threads if _place(thread, histories.get(thread.sender))]
    if threads:
        _store(threads)
    return {thread.sender for thread in threads}


# --- Which are usual --------------------------------------------------------------------------------------------------
def _usual(sender: Sender, incoming: Sequence[IncomingEvent]) -> list[NewMessage]:
    """Return the messages of a customer, [] when any event is none or does more than add a message."""
    if sender.psid is None or not all(map(_adds_a_message, incoming)):
        return []
    news = [new_messages.of_event(each, sender.channel) for each in incoming]
    has_origin = any(card["kind"] in cards.ORIGINS for new in news for card in cards.cards_in(new.card))
    is_doubled = len({new.mid for new in news}) < len(news)
    return [] if has_origin or is_doubled else news


def _adds_a_message(incoming: IncomingEvent) -> bool:
    event = incoming.event
    if incoming.is_recovered or incoming.is_imported or not isinstance(event, kinds.MessageReceived | kinds.Postback):
        return False
    return event.referral is None and not (isinstance(event, kinds.MessageReceived) and event.is_deleted)


def _mids(incoming: Iterable[IncomingEvent]) -> set[str]:
    """Return the ids under which these events may be stored."""
    return {getattr(each.event, "mid", None) or each.event.key for each in incoming}


def _threads(usual: dict[Sender, list[NewMessage]]) -> list[Thread]:
    """Lock the conversations of these customers; those of new customers are not stored yet."""
    found = contacts.lock_conversations((sender.channel, sender.psid or "") for sender in usual)
    messages.load_current_tickets(found.values())
    found |= contacts.unsaved_conversations([each for each in usual if (each.channel.pk, each.psid) not in found])
    threads = {sender: found.get((sender.channel.pk, sender.psid or "")) for sender in usual}
    return [Thread(sender, usual[sender], row) for sender, row in threads.items() if row is not None]


def _without_stored(threads: list[Thread]) -> list[Thread]:
    """Return the threads of which no message is stored yet, also not as one that Desk has recovered."""
    if not threads:
        return []
    pages = {thread.sender.page.pk for thread in threads}
    mids = [new.mid for thread in threads for new in thread.news]
    stored = set(Message.objects.filter(page__in=pages, mid__in=mids).values_list("page_id", "mid"))
    late = recovered.perhaps_late((thread.conversation.pk, new.sent_at) for thread in threads for new in thread.news)
    return [
        thread
        for thread in threads
        if thread.conversation.pk not in late
        and not any((thread.sender.page.pk, new.mid) in stored for new in thread.news)
    ]


def _is_simple(thread: Thread) -> bool:
    """Return whether a message of the customer changes nothing besides counters, times and tickets."""
    conversation = thread.conversation
    waits = conversation.holds_reply or conversation.is_snoozed or conversation.has_scheduled
    return not (waits or conversation.thread_owner_app_id)


# --- Their tickets ----------------------------------------------------------------------------------------------------
def _needs_history(thread: Thread) -> bool:
    """Return whether a message may come too late after the one before it to join its ticket without looking."""
    conversation, ticket = thread.conversation, thread.conversation.current_ticket
    last = conversation.last_customer_message_at
    if last is None or ticket is None or ticket.last_message_at < last:
        return conversation.message_count > 0 or len(thread.news) > 1
    for new in thread.news:
        if not last <= new.sent_at <= last + ticketing.SHORTEST_INTERMISSION:
            return True
        last = new.sent_at
    return False


def _histories(threads: list[Thread]) -> dict[Sender, History]:
    """Read the histories of these conversations."""
    if not threads:
        return {}
    lines = Message.objects.filter(conversation=OuterRef("pk")).order_by("-sent_at", "-pk")
    counted = lines.filter(ticketing.COUNTED, ticket__isnull=False)
    stored = [thread.conversation.pk for thread in threads if not thread.is_new]
    rows = Conversation.objects.filter(pk__in=stored).values_list(
        "pk", Subquery(counted.values("pk")[:1]), Subquery(lines.values("sent_at")[:1])
    )
    newest = {pk: (before, newest_at) for pk, before, newest_at in rows} if stored else {}
    befores = ticketing.neighbours(before for before, _newest_at in newest.values() if before is not None)
    intermissions = ticketing.intermissions({thread.conversation.department_id for thread in threads})
    histories = {}
    for thread in threads:
        before, newest_at = newest.get(thread.conversation.pk, (None, None))
        intermission = intermissions[thread.conversation.department_id]
        histories[thread.sender] = History(befores.get(before), newest_at, intermission)
    return histories


def _place(thread: Thread, history: History | None) -> bool:
    """Choose the tickets and count the messages, in memory; return False when more would have to be read."""
    return all(_place_one(thread, new, history) for new in thread.news)


def _place_one(thread: Thread, new: NewMessage, history: History | None) -> bool:
    conversation, at = thread.conversation, new.sent_at
    if conversation.message_count and (conversation.last_message_at is None or at < conversation.last_message_at):
        return False
    ref = ticketing.current_ticket_if_certain(conversation, at)
    if ref is None:
        verdict = _verdict(thread, at, history)
        if verdict is None:
            return False
        if isinstance(verdict, threading.Open):
            return _open(thread, new)
        ref = verdict.ticket
    ticket = conversation.current_ticket
    if ticket is None or ref.ticket_id != ticket.pk or messages.is_settled(new, ref):
        return False
    changes = ticketing.changes_by(ref, new)
    if not changes.keys() <= set(TICKET_FIELDS):
        return False
    for name, value in changes.items():
        setattr(ticket, name, value)
    conversation.is_open = ticket.status == Ticket.Status.OPEN
    messages.count_newest(conversation, new)
    thread.placed.append(Placed(new, ticket, reopened="status" in changes))
    return True


def _verdict(
    thread: Thread, at: datetime, history: History | None
) -> threading.Join[ticketing.TicketRef] | threading.Open | None:
    """Return what the rule says of a message that is not certainly in the current ticket; None: it cannot be known."""
    conversation = thread.conversation
    if not conversation.message_count:
        return threading.OPEN
    if history is None or (history.newest_at is not None and history.newest_at > at):
        return None
    before = history.before
    if thread.placed:
        last = thread.placed[-1]
        before = threading.Neighbour(last.new.sent_at, ticketing.ref_to(last.ticket))
    return threading.place_customer(at, before, None, history.intermission)


def _open(thread: Thread, new: NewMessage) -> bool:
    conversation, current = thread.conversation, thread.conversation.current_ticket
    if current is not None and current.opened_at > new.sent_at:
        return False
    ticket = ticketing.opened_by(conversation, new)
    conversation.current_ticket, conversation.is_open = ticket, True
    messages.count_newest(conversation, new)
    thread.placed.append(Placed(new, ticket, opened=True))
    return True


# --- The rows ---------------------------------------------------------------------------------------------------------
def _store(threads: list[Thread]) -> None:
    """Write what was decided: each kind of row with one statement."""
    placed = [(thread.conversation, each) for thread in threads for each in thread.placed]
    contacts.save_new(thread.conversation for thread in threads if thread.is_new)
    _store_tickets([each for _conversation, each in placed])
    rows = [
        messages.row_of(conversation, conversation.contact.page_id, each.ticket.pk, each.new)
        for conversation, each in placed
    ]
    insert_each(rows)
    for row, (_conversation, each) in zip(rows, placed, strict=True):
        for file in each.new.attachments:
            file.message = row
    insert_each([file for _conversation, each in placed for file in each.new.attachments])
    for thread in threads:
        thread.conversation.current_ticket = thread.placed[-1].ticket
    update_each([thread.conversation for thread in threads], *CONVERSATION_FIELDS)
    for row, (conversation, each) in zip(rows, placed, strict=True):
        opened, reopened = (each.ticket.pk if is_so else None for is_so in (each.opened, each.reopened))
        events.message_added(conversation, row, opened=opened, reopened=reopened)
        notices.message_added(conversation, row)
    for thread in threads:
        has_files = any(each.new.attachments for each in thread.placed)
        receiver.request_fetches(thread.conversation.contact, has_files=has_files)
        messages.announce(thread.conversation, thread.news[0].arrived_at)
    receiver.request_assignment(thread.conversation for thread in threads)


def _store_tickets(placed: list[Placed]) -> None:
    opened = [each.ticket for each in placed if each.opened]
    for ticket in opened:
        ticket.conversation = ticket.conversation  # which has its id only now
    insert_each(opened)
    new = {ticket.pk for ticket in opened}
    joined = {each.ticket.pk: each.ticket for each in placed if each.ticket.pk not in new}
    update_each(list(joined.values()), *TICKET_FIELDS)
