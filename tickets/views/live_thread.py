"""The messages of a conversation for its open pages after a change: only those that differ from what was sent before.

Every event says from which version to which version it brings a page (static/desk/js/thread.js). A page that does not
have the first has missed something, and reads the thread itself.
"""

from collections import OrderedDict
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from django.db.models import Model
from django.template.loader import get_template
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from desk.live import versions
from desk.live.fanout import Payload
from tickets.models import Message
from tickets.services.outgoing import replies
from tickets.views import live_viewers, thread_items
from tickets.views.live_rows import Reader
from tickets.views.live_viewers import OpenPage
from tickets.views.thread_items import Item

MAX_KNOWN = 500  # conversations and readers; for one that is forgotten, the next event has all messages

#: What is loaded with a message and does not show in its bubble.
NOT_SHOWN = frozenset({"conversation", "ticket"})


class ThreadReader:
    """Reads for open pages. Remembers what it sent last; used by one thread (desk.live.fanout)."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, Reader], tuple[int, dict[str, int]]] = OrderedDict()

    def read(self, payloads: Collection[Payload], readers: Collection[Reader]) -> dict[Reader, list[Payload]]:
        """Return the events that bring the threads of open pages up to date.

        `thread`: {conversation, version, base (the version that a page must have; 0: any), unread, items}. The items
        are those of the newest page, [key, html] in order; html is null where a page with `base` shows it already.
        """
        version = versions.version()
        rendering, events = _Rendering(), dict[Reader, list[Payload]]()
        for page in live_viewers.open_pages(payloads, readers):
            events.setdefault(page.reader, []).append(self._event(page, rendering, version))
        return events

    def _event(self, page: OpenPage, rendering: "_Rendering", version: int) -> Payload:
        shown = rendering.items_of(page)
        base, before = self._known.pop((page.conversation.pk, page.reader), (0, dict[str, int]()))
        items = [
            [item.key, None if before.get(item.key) == digest else rendering.html_of(item, digest, page)]
            for item, digest in shown
        ]
        self._known[page.conversation.pk, page.reader] = version, {item.key: digest for item, digest in shown}
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return {
            "kind": "thread",
            "conversation": page.conversation.pk,
            "version": version,
            "base": base,
            "unread": page.conversation.unread_count,
            "items": items,
        }


class _Rendering:
    """The items of one reading, each rendered once for all readers who see the same."""

    def __init__(self) -> None:
        self._template = get_template("tickets/_item.html")
        self._items: dict[tuple[int, str], list[tuple[Item, int]]] = {}
        self._html: dict[tuple[int, str, int, int | None], str] = {}
        self._verdicts: dict[tuple[int, int], Any] = {}

    def items_of(self, page: OpenPage) -> list[tuple[Item, int]]:
        """Return the newest items of the page's conversation, each with a number that changes with what it shows."""
        key = page.conversation.pk, page.reader.zone.key
        if key not in self._items:
            with timezone.override(page.reader.zone):
                common = _columns(page.conversation.contact), page.conversation.channel.deleted_at, timezone.localdate()
                items = thread_items.newest_page(page.conversation).items
                self._items[key] = [(item, hash((_content_of(item), repr(common)))) for item in items]
        if not any(item.is_troubled for item, _digest in self._items[key]):
            return self._items[key]
        verdict = repr(self._verdict(page))  # says what may be done about a message that was not sent
        return [(item, hash((digest, verdict)) if item.is_troubled else digest) for item, digest in self._items[key]]

    def html_of(self, item: Item, digest: int, page: OpenPage) -> str:
        """Return the item as the reader sees it."""
        is_from_customer = item.message is None or item.message.direction == Message.Direction.IN
        variant = None if is_from_customer else page.user.pk  # others see their own messages in another way
        key = page.conversation.pk, f"{item.key} {page.reader.zone.key}", digest, variant
        if key not in self._html:
            context = {
                "item": item,
                "conversation": page.conversation,
                "contact": page.conversation.contact,
                "verdict": SimpleLazyObject(lambda: self._verdict(page)),
                "request": SimpleNamespace(user=page.user),
            }
            with timezone.override(page.reader.zone):
                self._html[key] = self._template.render(context).strip()
        return self._html[key]

    def _verdict(self, page: OpenPage) -> Any:
        key = page.conversation.pk, page.user.pk
        if key not in self._verdicts:
            self._verdicts[key] = replies.may_send(page.user, page.conversation)
        return self._verdicts[key]


def _content_of(item: Item) -> str:
    """Return, as text for comparison, everything that the templates show of an item."""
    values = {name: value for name, value in vars(item).items() if name not in ("message", "ticket", "quoted")}
    quoted = item.quoted and (item.quoted.message and _message_content(item.quoted.message))
    return repr((values, item.message and _message_content(item.message), item.ticket and item.ticket.pk, quoted))


def _message_content(message: Message) -> Any:
    """Return the columns of a message and of the rows that were read with it."""
    related = {name: row for name, row in message._state.fields_cache.items() if name not in NOT_SHOWN}
    return (
        _columns(message),
        {name: _columns(row) for name, row in related.items() if row is not None},
        [_columns(file) for file in message.attachments.all()],
    )


def _columns(row: Model) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(row).items() if not name.startswith("_")]


read = ThreadReader().read
