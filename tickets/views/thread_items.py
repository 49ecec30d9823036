"""The items of a thread as its template shows it: messages in groups, with days, tickets and the "unread" line."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from channels_im.services.facebook import outages
from desk.sentences import sentence
from tickets.models import Message, PageReaction, ScheduledReply, Ticket, TicketChange
from tickets.rules.cards import NOT_RECOVERED, ORIGINS, TAPS, cards_in, choices_in
from tickets.rules.mentions import Target, from_stored
from tickets.services.conversation import mentions
from tickets.services.conversation.ticketing import SENT_OR_SENDING as SENT_STATES
from tickets.services.inbox.cursors import write_cursor
from tickets.services.page_actions.reactions import may_be_reacted_to

GROUP_GAP = timedelta(minutes=3)
LONG_TEXT = 1000  # characters; a longer text is folded
LONG_LINES = 18
#: Events that are a box and not one line, whatever their text (channels_im.messenger.cards).
CARDS = ORIGINS | {"policy", "call", "opt_in", "opt_out"}
SENDING_STATES = frozenset({Message.State.QUEUED, Message.State.SENDING})
PROBLEM_STATES = frozenset({Message.State.FAILED, Message.State.UNSURE, Message.State.HELD})


@dataclass
class Item:
    """One element of the thread. `key` is stable: an open page replaces, adds and removes elements by it.

    `type` is day, ticket, unread, message, note, event, turn (the Page's connection was lost or restored) or
    scheduled (a reply that is sent later, at the end of the thread); only the fields of that type are set. `mentioned`
    are the present names of whom a note mentions, `tapped` the payloads of the message's choices that the customer
    tapped.
    """

    type: str
    key: str
    moment: datetime
    message: Message | None = None
    ticket: Ticket | None = None
    gap: timedelta | None = None
    sentence: str = ""
    quoted: "Quote | None" = None
    starts_group: bool = False
    ends_group: bool = False
    is_long: bool = False
    cursor: str = ""
    reactions: list["Reaction"] = field(default_factory=list)
    failed_reaction: PageReaction | None = None
    may_be_reacted_to: bool = False
    tapped: frozenset[str] = frozenset()
    may_split: bool = False  # a new ticket may begin with this message
    may_merge: bool = False  # another ticket is above this divider
    scheduled: ScheduledReply | None = None
    mentioned: dict[Target, str] = field(default_factory=dict)

    @property
    def undoable(self) -> TicketChange | None:
        """The split or merge that this event tells of, unless it was undone."""
        change: TicketChange | None = getattr(self.message, "ticket_change", None)
        return change if change is not None and change.undone_at is None else None

    @property
    def shows_meta(self) -> bool:
        """Whether time and receipt are shown: for the last message of a group, and for each that is not sent."""
        state = self.message.state if self.message else ""
        return self.ends_group or state in SENDING_STATES or state in PROBLEM_STATES

    @property
    def shows_card(self) -> bool:
        card = self.message.card if self.message else None
        return card is not None and (card.get("kind") in CARDS or "\n" in str(card.get("text") or ""))

    @property
    def is_troubled(self) -> bool:
        return self.message is not None and self.message.state in PROBLEM_STATES


@dataclass(frozen=True)
class Reaction:
    """One reaction. `by` is customer, page or empty; `note` says that a change is not at Meta yet: sent, removed."""

    emoji: str
    by: str
    note: str = ""

    @property
    def is_ours(self) -> bool:
        return self.by == "page"

    @property
    def title(self) -> str:
        return REACTION_WORDS[self.by, self.note][0]

    @property
    def words(self) -> str:
        """The end of the title, after the emoji, for people who hear it."""
        return REACTION_WORDS[self.by, self.note][1]


REACTION_WORDS = {
    ("customer", ""): (sentence("Reaction of the customer"), sentence("from the customer")),
    ("page", ""): (sentence("Reaction of the Page"), sentence("from the Page")),
    ("page", "sent"): (sentence("Reaction of the Page, being sent"), sentence("from the Page, being sent")),
    ("page", "removed"): (
        sentence("Reaction of the Page, being taken back"),
        sentence("from the Page, being taken back"),
    ),
    ("", ""): (sentence("Reaction of someone"), sentence("from someone")),
}


@dataclass(frozen=True)
class Quote:
    """The message that a message replies to; `message` is None when it is not in the database."""

    message: Message | None


def items_of(
    shown: list[Message],
    before: Message | None,
    quotes: dict[str, Message],
    first_unread: int | None,
    outage_events: Sequence[outages.OutageEvent] = (),
) -> list[Item]:
    """Return the items of these messages, which follow `before`. `quotes` are the messages replied to, by mid."""
    items: list[Item] = []
    tickets: set[int] = {before.ticket_id} if before and before.ticket_id else set()
    began: set[int | None] = {before.ticket_id} if before else set()  # tickets with a message above
    last, day, events = before, "", list(outage_events)
    for message in shown:
        while events and events[0].moment < message.sent_at:
            day = _add_outage_event(items, events.pop(0), day)
        # A page begins with its day even when the page before has it too: the open page removes the second one.
        day = _add_day(items, message.sent_at, day)
        if message.ticket and message.ticket_id not in tickets:
            tickets.add(message.ticket.pk)
            gap = message.sent_at - last.sent_at if last and not _is_gap(last) else None
            items.append(Item("ticket", f"ticket-{message.ticket_id}", message.sent_at, ticket=message.ticket, gap=gap))
            items[-1].may_merge = bool(began)
        if message.pk == first_unread:
            items.append(Item("unread", "unread", message.sent_at))
        items.append(_message_item(message, quotes))
        items[-1].may_split = _may_split(message, began)
        if message.kind == Message.Kind.MESSAGE:
            began.add(message.ticket_id)
        last = message
    for event in events:
        day = _add_outage_event(items, event, day)
    _mark_taps(items)
    _name_mentioned(items)
    _group(items)
    return items


def _add_outage_event(items: list[Item], event: outages.OutageEvent, day: str) -> str:
    day = _add_day(items, event.moment, day)
    items.append(Item("turn", event.key, event.moment, sentence=event.sentence))
    return day


def _add_day(items: list[Item], moment: datetime, day: str) -> str:
    """Add a day item when `moment` is not on `day`; return the day of `moment`."""
    today = timezone.localtime(moment).date().isoformat()
    if today != day:
        items.append(Item("day", f"day-{today}", moment))
    return today


def _message_item(message: Message, quotes: dict[str, Message]) -> Item:
    types: dict[str, str] = {Message.Kind.NOTE: "note", Message.Kind.EVENT: "event"}
    page_reaction: PageReaction | None = getattr(message, "page_reaction", None)
    is_refused = page_reaction is not None and page_reaction.state == PageReaction.State.REFUSED
    return Item(
        types.get(message.kind, "message"),
        f"message-{message.pk}",
        message.sent_at,
        message=message,
        quoted=Quote(quotes.get(message.reply_to_mid)) if message.reply_to_mid else None,
        is_long=len(message.text) > LONG_TEXT or message.text.count("\n") > LONG_LINES,
        cursor=write_cursor(message.sent_at, message.pk),
        reactions=_reactions(message, page_reaction),
        failed_reaction=page_reaction if is_refused else None,
        may_be_reacted_to=may_be_reacted_to(message),
    )


def _may_split(message: Message, began: Collection[int | None]) -> bool:
    """Return whether a new ticket may begin with this message, as far as the page knows."""
    was_sent = message.direction == Message.Direction.IN or message.state in SENT_STATES
    return message.kind == Message.Kind.MESSAGE and was_sent and message.ticket_id in began


def _reactions(message: Message, page_reaction: PageReaction | None) -> list[Reaction]:
    """Return the reactions shown at a message, the Page's as it will be; leave out rows that are no reaction."""
    raw = message.reactions if isinstance(message.reactions, list) else []
    # The emoji that is not at Meta yet: "" removes the Page's reaction, None is no change.
    pending = page_reaction.emoji if page_reaction and page_reaction.state == PageReaction.State.WAITING else None
    reactions = []
    for row in raw:
        if not isinstance(row, dict) or not row.get("emoji"):
            continue
        is_ours = row.get("by") == "page"
        if is_ours and pending:
            continue  # the pending one replaces it
        by = str(row.get("by")) if row.get("by") in ("customer", "page") else ""
        reactions.append(Reaction(str(row["emoji"]), by, "removed" if is_ours and pending is not None else ""))
    if pending:
        reactions.append(Reaction(pending, "page", "sent"))
    return reactions


def _mark_taps(items: list[Item]) -> None:
    """Mark the choices that the customer tapped: each tap belongs to the last message before it that offers it."""
    offers = [(item, choices) for item in items if (choices := _choices_of(item.message))]
    if not offers:
        return
    first = offers[0][0].message
    assert first is not None  # noqa: S101 - only messages offer something
    taps = Message.objects.filter(
        conversation=first.conversation_id, sent_at__gte=first.sent_at, direction=Message.Direction.IN
    )
    for sent_at, text, card in taps.filter(card__kind__in=TAPS).values_list("sent_at", "text", "card"):
        payload = (card or {}).get("payload")
        for item, choices in reversed(offers):
            found = next((choice for choice in choices if _is_of_tap(choice, payload, text)), None)
            if found is not None and item.moment <= sent_at:
                item.tapped |= {str(found.get("payload") or found.get("title"))}
                break


def _name_mentioned(items: list[Item]) -> None:
    """Give each note the present names of those whom it mentions."""
    notes = [(item, item.message) for item in items if item.message and item.message.mentions]
    names = mentions.current_names(message for _item, message in notes)
    for item, message in notes:
        targets = {span.target for span in from_stored(message.mentions)}
        item.mentioned = {target: names[target] for target in sorted(targets) if target in names}


def _choices_of(message: Message | None) -> list[dict[str, Any]]:
    rows = cards_in(message.card) if message else []
    return [choice for row in rows for choice in choices_in(row)]


def _is_of_tap(choice: dict[str, Any], payload: str | None, text: str) -> bool:
    """Return whether this choice was tapped. The tap has no payload while another app holds the thread."""
    if payload and choice.get("payload"):
        return choice["payload"] == payload
    return bool(text) and choice.get("title") == text


def _is_gap(message: Message) -> bool:
    """Return whether this event says that messages are missing: how long before the next one they end is not known."""
    return message.kind == Message.Kind.EVENT and (message.card or {}).get("kind") == NOT_RECOVERED


def _group(items: Iterable[Item]) -> None:
    """Group messages of one sender that are at most GROUP_GAP apart and have nothing between them."""
    last: Item | None = None
    for item in items:
        if item.type != "message" or item.message is None:
            last = None
            continue
        joins = last is not None and _sender(last) == _sender(item) and item.moment - last.moment <= GROUP_GAP
        item.starts_group, item.ends_group = not joins, True
        if joins and last is not None:
            last.ends_group = False
        last = item


def _sender(item: Item) -> tuple[str | int | None, ...]:
    message = item.message
    if message is None:
        return ()
    mark = message.recovered_at is None, message.is_imported
    return (message.direction, message.source, message.author_id, *mark)
