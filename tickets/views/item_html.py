"""The HTML of the items of a thread, each rendered once for all who see the same.

What the templates may show of a conversation and its reader is in `Shown` and `Seer`. They get nothing else, and both
are part of the key, so that a rendered item is never out of date and never somebody else's.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from threading import Lock
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db.models import Model
from django.template.loader import get_template
from django.utils import timezone, translation
from django.utils.safestring import SafeString, mark_safe

from tickets.models import Conversation, Message, ScheduledReply
from tickets.rules.sending import Verdict
from tickets.services.conversation.access import UserFacts
from tickets.views.rows import ContactFacts
from tickets.views.thread_items import Item

MAX_RENDERED = 3000  # items of which the HTML is kept, 1 to 4 kB each

#: What is loaded with a message and does not show in its bubble, or in other words.
NOT_COMPARED = frozenset({"conversation", "ticket", "author"})
#: Fields of an item with rows, whose `repr` does not say what they hold.
WITH_ROWS = frozenset({"message", "ticket", "quoted", "scheduled"})


class _Channel(NamedTuple):
    is_deleted: bool
    is_active: bool
    receive_audio_video: bool


class Shown(NamedTuple):
    """What items show of their conversation, and of the present: the day, in the active time zone and language."""

    pk: int
    contact: ContactFacts
    channel: _Channel
    today: date
    zone: str
    language: str | None

    @classmethod
    def of(cls, conversation: Conversation) -> "Shown":
        channel = conversation.channel
        return cls(
            conversation.pk,
            ContactFacts.of(conversation.contact),
            _Channel(channel.is_deleted, channel.is_active, channel.receive_audio_video),
            timezone.localdate(),
            timezone.get_current_timezone_name(),
            translation.get_language() or "",
        )


class Seer(NamedTuple):
    """What an item shows of its reader: of most items that is nothing."""

    pk: int | None = None
    department_ids: frozenset[int] = frozenset()
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Reading:
    """A conversation as one user reads it in the active language and time zone."""

    shown: Shown
    user_id: int | None
    facts: UserFacts
    verdict: Callable[[], Verdict]  # is asked only for messages that were not sent

    def digest_of(self, item: Item, content: bytes) -> int:
        """Return a number that changes with what this reader sees of the item with this `content_of`."""
        return hash((content, self.shown, self._seer_of(item)))

    def html_of(self, item: Item, content: bytes | None = None) -> SafeString:
        """Return the item as the reader sees it."""
        return _rendered.html_of(item, (content or content_of(item), self.shown, self._seer_of(item)))

    def _seer_of(self, item: Item) -> Seer:
        if item.message is None or item.type == "event":
            return Seer()
        own = self.user_id if item.message.author_id == self.user_id else None
        if item.type == "note":
            return Seer(self.user_id, self.facts.department_ids)
        return Seer(own, verdict=self.verdict() if item.is_troubled else None)


_Key = tuple[bytes, Shown, Seer]


class _Rendered:
    """The HTML of the items that were shown last, by all that it depends on."""

    def __init__(self) -> None:
        self._html: OrderedDict[_Key, SafeString] = OrderedDict()
        self._lock = Lock()

    def html_of(self, item: Item, key: _Key) -> SafeString:
        with self._lock:
            html = self._html.get(key)
            if html is not None:
                self._html.move_to_end(key)
                return html
        html = _render(item, *key)
        with self._lock:
            self._html[key] = html
            if len(self._html) > MAX_RENDERED:
                self._html.popitem(last=False)
        return html


_rendered = _Rendered()


def _render(item: Item, _content: bytes, shown: Shown, seer: Seer) -> SafeString:
    context = {
        "item": item,
        "conversation": shown,
        "contact": shown.contact,
        "verdict": seer.verdict,
        "request": SimpleNamespace(user=seer, facts=seer),
    }
    html = get_template("tickets/_item.html").render(context).strip()
    return mark_safe(html)  # noqa: S308 - the template escaped its values


def content_of(item: Item) -> bytes:
    """Return, for comparison, everything that the templates show of an item itself."""
    values = {name: value for name, value in vars(item).items() if name not in WITH_ROWS}
    quoted = item.quoted and (item.quoted.message and _message_content(item.quoted.message))
    later = item.scheduled and _scheduled_content(item.scheduled)
    message = item.message and _message_content(item.message)
    content = repr((values, message, item.ticket and item.ticket.pk, quoted, later))
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _scheduled_content(row: ScheduledReply) -> Any:
    """Return what the template shows of a scheduled reply."""
    people = [(str(user), user is not None and user.is_active) for user in (row.author, row.taken_by)]
    return _columns(row), people, [_columns(file) for file in row.files.all()]


def _message_content(message: Message) -> Any:
    """Return the columns of a message and of the rows that were read with it."""
    related = {name: row for name, row in message._state.fields_cache.items() if name not in NOT_COMPARED}
    return (
        _columns(message),
        str(message.author),
        {name: _columns(row) for name, row in related.items() if row is not None},
        [_columns(file) for file in message.attachments.all()],
    )


def _columns(row: Model) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(row).items() if not name.startswith("_")]
