"""The thread as the template shows it: messages in groups, between them days, tickets and the line of the unread."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from channels_im.services.facebook import outages
from tickets.models import Conversation, Message, PageReaction, Ticket
from tickets.services.inbox.listing import after_cursor, read_cursor, write_cursor
from tickets.services.page_actions.reactions import may_be_reacted_to

ITEMS_PER_PAGE = 40
MOST_ITEMS = 200  # opened at the first unread message; no page of a thread is longer
MOST_IN_VIEW = 100  # more do not fit on a screen
GROUP_GAP = timedelta(minutes=3)
LONG_TEXT = 1000  # characters; longer ones are folded
LONG_LINES = 18
CARDS = frozenset({"ad", "referral", "policy"})  # events that are more than a line (channels_im.messenger.cards)
RESTLESS = frozenset({Message.State.QUEUED, Message.State.SENDING})
TROUBLED = frozenset({Message.State.FAILED, Message.State.UNSURE, Message.State.HELD})


@dataclass
class Item:
    """One element of the thread. `key` is stable: the open page replaces, adds and removes elements by it.

    `type` is day, ticket, unread, message, note, event or turn; only the fields of its type are set.
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

    @property
    def shows_meta(self) -> bool:
        """Time and receipt stand under the last bubble of a group, and under each that did not simply go out."""
        state = self.message.state if self.message else ""
        return self.ends_group or state in RESTLESS or state in TROUBLED

    @property
    def shows_card(self) -> bool:
        return self.message is not None and bool(self.message.card) and self.message.card.get("kind") in CARDS

    @property
    def is_troubled(self) -> bool:
        return self.message is not None and self.message.state in TROUBLED


@dataclass(frozen=True)
class Reaction:
    """One reaction; `note` says that it is on its way ("being sent", "being taken back")."""

    emoji: str
    who: str
    is_ours: bool = False
    note: str = ""


@dataclass(frozen=True)
class Quote:
    """The message that is answered; `message` is None when we do not have it."""

    message: Message | None


@dataclass(frozen=True)
class ThreadPage:
    items: list[Item]
    older: str  # cursor of the page before; empty at the beginning of the conversation
    newest: str  # cursor of the newest message shown; empty when there is none

    @property
    def seen(self) -> int:
        """The largest id of the messages shown: what came in later has a larger one."""
        return max((item.message.pk for item in self.items if item.message), default=0)


def newest_page(conversation: Conversation, *, mark_unread: bool = False) -> ThreadPage:
    """The end of the thread; with `mark_unread` from before the first unread message on, with the line above it."""
    unread = min(conversation.unread_count, MOST_ITEMS - 10) if mark_unread else 0
    return _page(conversation, _messages(conversation), max(ITEMS_PER_PAGE, unread + 10), unread)


def older_page(conversation: Conversation, cursor: str, size: int = ITEMS_PER_PAGE) -> ThreadPage:
    """The page that ends just before `cursor`; a cursor that is none gives the end of the thread."""
    before = read_cursor(cursor)
    messages = _messages(conversation)
    if before:
        messages = messages.filter(after_cursor("sent_at", before, descending=True))
    return _page(conversation, messages, min(size, MOST_ITEMS), 0, until=before and before[0])


def stretch(conversation: Conversation, first: str, last: str) -> list[Item]:
    """What stands from one cursor to another, both included: the messages alone, at most MOST_IN_VIEW of them."""
    begin, end = read_cursor(first), read_cursor(last)
    if begin is None or end is None:
        return []
    messages = _with_all_shown(
        _messages(conversation).filter(after_cursor("sent_at", end, descending=True, inclusive=True))
    )
    inside = messages.filter(after_cursor("sent_at", begin, descending=False, inclusive=True))
    shown = list(inside.order_by("sent_at", "pk")[:MOST_IN_VIEW])
    # The one before and the one after decide whether the first and the last begin and end a group.
    before = messages.filter(after_cursor("sent_at", begin, descending=True)).order_by("-sent_at", "-pk").first()
    later = _with_all_shown(_messages(conversation))
    after = later.filter(after_cursor("sent_at", end, descending=False)).order_by("sent_at", "pk").first()
    around = [message for message in (before, *shown, after) if message is not None]
    ids = {message.pk for message in shown}
    items = _items(around, None, _quotes(conversation, shown), None)
    return [item for item in items if item.message is not None and item.message.pk in ids]


def page_back_to(conversation: Conversation, cursor: str) -> ThreadPage:
    """Everything from `cursor` to the end, for a page that was away; at most MOST_ITEMS, the newest of them."""
    since = read_cursor(cursor)
    messages = _messages(conversation)
    if since is None:
        return newest_page(conversation)
    here = messages.filter(after_cursor("sent_at", since, descending=False, inclusive=True))
    wanted = here.order_by("-sent_at", "-pk").values("pk")[:MOST_ITEMS].count()
    return _page(conversation, messages, max(ITEMS_PER_PAGE, wanted), 0)


def _messages(conversation: Conversation) -> Any:
    """What is shown of a thread: of a person who was erased only that they were."""
    messages = conversation.messages.all()
    if conversation.contact.erased_at is None:
        return messages
    return messages.filter(kind=Message.Kind.EVENT, card__isnull=False)


def _with_all_shown(messages: Any) -> Any:
    return messages.select_related("author", "ticket", "page_reaction").prefetch_related("attachments")


def _page(
    conversation: Conversation, messages: Any, size: int, unread: int, until: datetime | None = None
) -> ThreadPage:
    """The newest `size` of these messages; `until` is when the page after it begins, None for the end of the thread."""
    found = list(_with_all_shown(messages).order_by("-sent_at", "-pk")[: size + 1])
    before = found[size] if len(found) > size else None
    shown = found[:size][::-1]
    turns = _turns(conversation, shown, until)
    items = _items(shown, before, _quotes(conversation, shown), _first_unread(shown, unread), turns)
    older = write_cursor(shown[0].sent_at, shown[0].pk) if before else ""
    newest = write_cursor(shown[-1].sent_at, shown[-1].pk) if shown else ""
    return ThreadPage(items, older, newest)


def _turns(conversation: Conversation, shown: list[Message], until: datetime | None) -> list[outages.OutageEvent]:
    """When the Page's connection was lost and came back, from the first of these messages until the next page's."""
    if not shown or conversation.contact.erased_at is not None:
        return []
    return outages.events_between(conversation.contact.page_id, shown[0].sent_at, until)


def _quotes(conversation: Conversation, shown: list[Message]) -> dict[str, Message]:
    """The answered messages by mid: from the page itself, the rest in one query."""
    here = {message.mid: message for message in shown if message.mid}
    wanted = {message.reply_to_mid for message in shown if message.reply_to_mid} - here.keys()
    if wanted:
        others = Message.objects.filter(page_id=conversation.contact.page_id, mid__in=wanted)
        others = others.filter(conversation=conversation).select_related("author").prefetch_related("attachments")
        here.update({message.mid: message for message in others if message.mid})
    return here


def _first_unread(shown: list[Message], unread: int) -> int | None:
    """The id of the first of the newest `unread` customer messages."""
    incoming = [m.pk for m in shown if m.direction == Message.Direction.IN and m.kind == Message.Kind.MESSAGE]
    return incoming[-unread:][0] if unread and incoming else None


def _items(
    shown: list[Message],
    before: Message | None,
    quotes: dict[str, Message],
    first_unread: int | None,
    turns: Sequence[outages.OutageEvent] = (),
) -> list[Item]:
    items: list[Item] = []
    begun: set[int] = {before.ticket_id} if before and before.ticket_id else set()
    last, day, waiting = before, "", list(turns)
    for message in shown:
        while waiting and waiting[0].moment < message.sent_at:
            day = _turn_items(items, waiting.pop(0), day)
        # The first day of a page is said even when the page before has it too: the open page drops the second one.
        day = _day_item(items, message.sent_at, day)
        if message.ticket and message.ticket_id not in begun:
            begun.add(message.ticket.pk)
            gap = message.sent_at - last.sent_at if last else None
            items.append(Item("ticket", f"ticket-{message.ticket_id}", message.sent_at, ticket=message.ticket, gap=gap))
        if message.pk == first_unread:
            items.append(Item("unread", "unread", message.sent_at))
        items.append(_message_item(message, quotes))
        last = message
    for turn in waiting:
        day = _turn_items(items, turn, day)
    _group(items)
    return items


def _turn_items(items: list[Item], turn: outages.OutageEvent, day: str) -> str:
    day = _day_item(items, turn.moment, day)
    items.append(Item("turn", turn.key, turn.moment, sentence=turn.sentence))
    return day


def _day_item(items: list[Item], moment: datetime, day: str) -> str:
    """Begin a new day when `moment` is on another one than `day`; return its day."""
    today = timezone.localtime(moment).date().isoformat()
    if today != day:
        items.append(Item("day", f"day-{today}", moment))
    return today


def _message_item(message: Message, quotes: dict[str, Message]) -> Item:
    types = {Message.Kind.NOTE: "note", Message.Kind.EVENT: "event"}
    wish: PageReaction | None = getattr(message, "page_reaction", None)
    return Item(
        types.get(message.kind, "message"),
        f"message-{message.pk}",
        message.sent_at,
        message=message,
        quoted=Quote(quotes.get(message.reply_to_mid)) if message.reply_to_mid else None,
        is_long=len(message.text) > LONG_TEXT or message.text.count("\n") > LONG_LINES,
        cursor=write_cursor(message.sent_at, message.pk),
        reactions=_reactions(message, wish),
        failed_reaction=wish if wish and wish.state == PageReaction.State.REFUSED else None,
        may_be_reacted_to=may_be_reacted_to(message),
    )


def _reactions(message: Message, wish: PageReaction | None) -> list[Reaction]:
    """What stands on the bubble's corner; anything that is no reaction is left out."""
    names = {"customer": "the customer", "page": "the Page"}
    raw = message.reactions if isinstance(message.reactions, list) else []
    waits = wish is not None and wish.state == PageReaction.State.WAITING
    found = []
    for one in raw:
        if not isinstance(one, dict) or not one.get("emoji"):
            continue
        is_ours = one.get("by") == "page"
        if is_ours and waits and wish.emoji:
            continue  # the wish takes its place
        who = names.get(str(one.get("by")), "someone")
        found.append(Reaction(str(one["emoji"]), who, is_ours, "being taken back" if is_ours and waits else ""))
    if waits and wish.emoji:
        found.append(Reaction(wish.emoji, "the Page", True, "being sent"))
    return found


def _group(items: Iterable[Item]) -> None:
    """Bubbles of one sender within three minutes belong together, unless something stands between them."""
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


def _sender(item: Item) -> tuple[Any, ...]:
    message = item.message
    return (message.direction, message.source, message.author_id) if message else ()
