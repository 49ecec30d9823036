"""The pages of a thread: which messages one has, and its items."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from channels_im.services.facebook import outages
from desk.prepared import PreparedModels
from tickets.models import Conversation, Message, Ticket
from tickets.services.inbox.cursors import after_cursor, read_cursor, write_cursor
from tickets.services.outgoing.scheduled_replies import open_in
from tickets.views.thread_items import Item, items_of

ITEMS_PER_PAGE = 40
MAX_ITEMS = 200  # messages; the limit of every page of a thread, also of one that begins at the first unread message
READ_ABOVE_UNREAD = 10  # messages shown above the first unread one
MAX_IN_VIEW = 100  # messages; more do not fit on a screen

Messages = QuerySet[Message, Message]


@dataclass(frozen=True)
class ThreadPage:
    """One page of the thread."""

    items: list[Item]
    older: str  # cursor of the page before; empty at the beginning of the conversation
    newest: str  # cursor of the newest message shown; empty when there is none

    @property
    def seen(self) -> int:
        """The largest id of the messages shown; every later message has a larger one."""
        return max((item.message.pk for item in self.items if item.message), default=0)


def newest_page(conversation: Conversation, *, mark_unread: bool = False) -> ThreadPage:
    """Return the end of the thread. With `mark_unread`, include all unread messages and the line above the first."""
    unread = min(conversation.unread_count, MAX_ITEMS - READ_ABOVE_UNREAD) if mark_unread else 0
    return _page(conversation, _newest_of(conversation, max(ITEMS_PER_PAGE, unread + READ_ABOVE_UNREAD)), unread)


def older_page(conversation: Conversation, cursor: str, size: int = ITEMS_PER_PAGE) -> ThreadPage:
    """Return the page that ends just before `cursor`, or the end of the thread when the cursor is invalid."""
    before = read_cursor(cursor)
    messages = _messages(conversation)
    if before:
        messages = messages.filter(after_cursor("sent_at", before, descending=True))
    return _page(conversation, _newest(messages, min(size, MAX_ITEMS)), 0, until=before and before[0])


def ticket_page(ticket: Ticket, cursor: str = "") -> ThreadPage:
    """Return the page of one ticket that ends just before `cursor`, or its end when the cursor is invalid."""
    conversation, before = ticket.conversation, read_cursor(cursor)
    rows = _messages(conversation).filter(ticket=ticket)
    if before:
        rows = rows.filter(after_cursor("sent_at", before, descending=True))
    shown, earlier = _newest(rows, ITEMS_PER_PAGE)
    items = items_of(shown, earlier, _quotes(conversation, shown), None)
    return ThreadPage(items, _cursor_of(shown[0]) if earlier else "", "")


def items_between(conversation: Conversation, first: str, last: str) -> list[Item]:
    """Return the messages from the cursor `first` to the cursor `last`, both included; at most MAX_IN_VIEW."""
    begin, end = read_cursor(first), read_cursor(last)
    if begin is None or end is None:
        return []
    messages = _with_related(
        _messages(conversation).filter(after_cursor("sent_at", end, descending=True, inclusive=True))
    )
    inside = messages.filter(after_cursor("sent_at", begin, descending=False, inclusive=True))
    shown = list(inside.order_by("sent_at", "pk")[:MAX_IN_VIEW])
    # The message before and the message after decide whether the first begins a group and the last ends one.
    before = messages.filter(after_cursor("sent_at", begin, descending=True)).order_by("-sent_at", "-pk").first()
    later = _with_related(_messages(conversation))
    after = later.filter(after_cursor("sent_at", end, descending=False)).order_by("sent_at", "pk").first()
    around = [message for message in (before, *shown, after) if message is not None]
    ids = {message.pk for message in shown}
    items = items_of(around, None, _quotes(conversation, shown), None)
    return [item for item in items if item.message is not None and item.message.pk in ids]


def page_since(conversation: Conversation, cursor: str) -> ThreadPage:
    """Return everything from `cursor` to the end, for a page that was offline; of more than MAX_ITEMS the newest."""
    since = read_cursor(cursor)
    messages = _messages(conversation)
    if since is None:
        return newest_page(conversation)
    missed = messages.filter(after_cursor("sent_at", since, descending=False, inclusive=True))
    size = missed.order_by("-sent_at", "-pk").values("pk")[:MAX_ITEMS].count()
    return _page(conversation, _newest_of(conversation, max(ITEMS_PER_PAGE, size)), 0)


def _messages(conversation: Conversation) -> Messages:
    """Return the messages that may be shown. For an erased customer, that is only the event that says so."""
    return _shown(conversation.messages.all(), is_erased=conversation.contact.erased_at is not None)


def _shown(messages: Messages, *, is_erased: bool) -> Messages:
    return messages.filter(kind=Message.Kind.EVENT, card__isnull=False) if is_erased else messages


def _with_related(messages: Messages) -> Messages:
    related = ("author", "ticket", "page_reaction", "ticket_change")
    return messages.select_related(*related).prefetch_related("attachments")


def _newest(messages: Messages, size: int) -> tuple[list[Message], Message | None]:
    """Return the newest `size` of these messages, the oldest first, and the one before them."""
    return _divided(list(_newest_first(messages, size)), size)


def _newest_of(conversation: Conversation, size: int) -> tuple[list[Message], Message | None]:
    """Return what `_newest` does of all messages of the conversation that may be shown."""
    rows = _prepared_newest.rows((conversation.contact.erased_at is not None, size), conversation=conversation.pk)
    for message in rows:
        message.conversation = conversation
    return _divided(rows, size)


def _newest_first(messages: Messages, size: int) -> Messages:
    return _with_related(messages).order_by("-sent_at", "-pk")[: size + 1]


_prepared_newest = PreparedModels[Message](
    lambda is_erased, size, *, conversation: _newest_first(
        _shown(Message.objects.filter(conversation=conversation), is_erased=is_erased), size
    )
)


def _divided(newest_first: list[Message], size: int) -> tuple[list[Message], Message | None]:
    return newest_first[:size][::-1], newest_first[size] if len(newest_first) > size else None


def _cursor_of(message: Message) -> str:
    return write_cursor(message.sent_at, message.pk)


def _page(
    conversation: Conversation,
    found: tuple[list[Message], Message | None],
    unread: int,
    until: datetime | None = None,
) -> ThreadPage:
    """Return the page of these messages and the one before them. `until` is when the next page begins, if any."""
    shown, before = found
    outage_events = _outage_events(conversation, shown, until)
    items = items_of(shown, before, _quotes(conversation, shown), _first_unread(shown, unread), outage_events)
    older = _cursor_of(shown[0]) if before else ""
    newest = _cursor_of(shown[-1]) if shown else ""
    if until is None:
        items += [Item("scheduled", f"scheduled-{row.pk}", row.send_at, scheduled=row) for row in open_in(conversation)]
    return ThreadPage(items, older, newest)


def _outage_events(
    conversation: Conversation, shown: list[Message], until: datetime | None
) -> list[outages.OutageEvent]:
    """Return when the Page's connection was lost and restored, from the first of these messages to the next page."""
    if not shown or conversation.contact.erased_at is not None:
        return []
    return outages.events_between(conversation.contact.page_id, shown[0].sent_at, until)


def _quotes(conversation: Conversation, shown: list[Message]) -> dict[str, Message]:
    """Return the messages that are replied to, by mid: those on the page itself, the others in one query."""
    by_mid = {message.mid: message for message in shown if message.mid}
    missing = {message.reply_to_mid for message in shown if message.reply_to_mid} - by_mid.keys()
    if missing:
        others = Message.objects.filter(page_id=conversation.contact.page_id, mid__in=missing)
        others = others.filter(conversation=conversation).select_related("author").prefetch_related("attachments")
        by_mid.update({message.mid: message for message in others if message.mid})
    return by_mid


def _first_unread(shown: list[Message], unread: int) -> int | None:
    """Return the id of the first of the newest `unread` customer messages."""
    incoming = [m.pk for m in shown if m.direction == Message.Direction.IN and m.kind == Message.Kind.MESSAGE]
    return incoming[-unread:][0] if unread and incoming else None
