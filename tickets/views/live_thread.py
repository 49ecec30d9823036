"""The messages of a conversation for its open pages after a change: only those that differ from what was sent before.

Every event says from which version to which version it brings a page (static/desk/js/thread.js). A page that does not
have the first has missed something, and reads the thread itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import cache, partial

from desk.live import versions
from desk.live.fanout import Payload
from tickets.services.outgoing import replies
from tickets.views import live_viewers, thread_pages
from tickets.views.item_html import Reading, Shown, content_of
from tickets.views.live_rows import Reader
from tickets.views.live_viewers import OpenPage
from tickets.views.thread_items import Item

MAX_KNOWN = 500  # conversations and readers; for one that is forgotten, the next event has all messages


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
        items = [[key, None if before.get(key) == digest else html()] for key, digest, html in shown]
        self._known[page.conversation.pk, page.reader] = version, {key: digest for key, digest, _html in shown}
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
    """The items of one reading, each read once for all readers."""

    def __init__(self) -> None:
        self._items: dict[tuple[int, str, str], tuple[Shown, list[tuple[Item, bytes]]]] = {}

    def items_of(self, page: OpenPage) -> list[tuple[str, int, Callable[[], str]]]:
        """Return the newest items of the page's conversation: key, a number that changes with what it shows, HTML."""
        place = page.conversation.pk, page.reader.zone.key, page.reader.language
        with page.reader.seen():
            if place not in self._items:
                items = thread_pages.newest_page(page.conversation).items
                self._items[place] = Shown.of(page.conversation), [(item, content_of(item)) for item in items]
            shown, contents = self._items[place]
            verdict = cache(lambda: replies.may_send(page.user, page.conversation))
            reading = Reading(shown, page.user.pk, page.reader.facts, verdict)
            return [
                (item.key, reading.digest_of(item, content), partial(_html_of, page.reader, reading, item, content))
                for item, content in contents
            ]


def _html_of(reader: Reader, reading: Reading, item: Item, content: bytes) -> str:
    with reader.seen():
        return reading.html_of(item, content)


read = ThreadReader().read
