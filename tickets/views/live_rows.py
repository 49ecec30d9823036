"""List rows and counts for open pages after a change, read and rendered once for all pages; `desk.live.sse` sends them.

If each page requested each change itself, that would cost a request per page and change. Here two hundred pages cost a
few queries and one rendering per row. Each read checks again who may see what.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone, translation

from desk import languages
from desk.live.fanout import Payload
from desk.models import User
from tickets.models import Conversation, Message
from tickets.services.conversation import access, mentions
from tickets.services.inbox import counts as inbox_counts
from tickets.services.inbox import drafts, notifications
from tickets.services.inbox.counts import MENTIONS, MINE
from tickets.services.inbox.list_pages import sort_key
from tickets.services.inbox.listing import ORDERS
from tickets.services.outgoing import scheduled_replies, undelivered
from tickets.templatetags.desk import badge
from tickets.views.base import time_zone_of
from tickets.views.rows import row_of


@dataclass(frozen=True)
class Reader:
    """The user of an open page, its time zone and language. Pages that are alike in these get the same events."""

    facts: access.UserFacts
    zone: ZoneInfo
    language: str = languages.ENGLISH

    @property
    def user_id(self) -> int:
        return self.facts.user_id or 0

    @contextmanager
    def seen(self) -> Iterator[None]:
        """Render inside the `with` block what this reader sees: in their time zone and language."""
        with timezone.override(self.zone), translation.override(self.language):
            yield


def facts_of(user: User) -> access.UserFacts:
    """Return from the database what this user may see."""
    return access.facts_for(user)


def reader_of(facts: access.UserFacts, cookies: Mapping[str, str], language: str = languages.ENGLISH) -> Reader:
    """Return the reader for a page in this language with these cookies of the user with these facts."""
    return Reader(facts, time_zone_of(cookies), language)


def visible(reader: Reader, payload: Payload) -> bool:
    """Return whether this reader may receive a live event. Makes no query."""
    return access.visible(reader.facts, payload)


def read(payloads: Collection[Payload], readers: Collection[Reader]) -> dict[Reader, list[Payload]]:
    """Return the events that update each reader's page after changes to conversations, in a constant number of queries.

    `row`: {conversation, views (names of the views it belongs to; [] when the reader may not see it), channel,
    department, labels (ids), priority, sort (number by order), html, news (as `notifications.notification_of`, or
    null)}. `counts`: {views (name: badge), unread}. A reader whose permissions changed since `reader_of` is left out:
    the stream notices the change and sends `sync`.
    """
    now = timezone.now()
    ids = {payload["conversation"] for payload in payloads}
    current = access.facts_for_users(reader.user_id for reader in readers)
    readers = [reader for reader in readers if current.get(reader.user_id) == reader.facts]
    renderer = _RowRenderer(ids, readers, now)
    counts = inbox_counts.counts_for_users({reader.facts for reader in readers}, now)
    events = {}
    for reader in readers:
        changed = {payload["conversation"] for payload in payloads if visible(reader, payload)}
        rows = renderer.rows_for(reader, changed)
        if rows and reader.user_id in counts:
            events[reader] = [*rows, _counts_event(counts[reader.user_id])]
    return events


class _RowRenderer:
    """The rows of some conversations, each rendered once for all readers who see the same."""

    def __init__(self, ids: Collection[int], readers: Collection[Reader], now: datetime) -> None:
        self._now = now
        self._conversations = inbox_counts.with_views(ids, now)
        self._drafts = drafts.texts_of({reader.user_id for reader in readers}, ids)
        self._notifications = notifications.newest_in(ids)
        self._scheduled = scheduled_replies.marks([row for row, _views in self._conversations])
        self._mentioned = mentions.of_readers(ids, {reader.user_id for reader in readers})
        self._mentions = notifications.mentions_just_now(ids) if self._mentioned else {}
        self._unsent = undelivered.undelivered_states(ids)
        self._common = {row.pk: self._common_fields(row, views) for row, views in self._conversations}
        self._html = cache(self._render)

    def rows_for(self, reader: Reader, changed: Collection[int]) -> list[Payload]:
        """Return an event for each conversation the reader sees, and for each of `changed` that they do not see."""
        seen = [(row, views) for row, views in self._conversations if access.visible(reader.facts, access.ids_of(row))]
        gone = set(changed) - {row.pk for row, _views in seen}
        return [self._row(reader, row, views) for row, views in seen] + [_removed(pk) for pk in sorted(gone)]

    def _row(self, reader: Reader, conversation: Conversation, views: frozenset[str]) -> Payload:
        is_mine = conversation.assignee_id == reader.user_id
        draft = self._drafts.get((reader.user_id, conversation.pk), "")
        message = self._notifications.get(conversation.pk)
        if message and not notifications.concerns(message, reader.facts, is_mine=is_mine):
            message = None
        mention = self._mentions.get((conversation.pk, reader.user_id))
        if mention and (message is None or message.pk < mention.pk):
            message = mention
        is_mentioned = (conversation.pk, reader.user_id) in self._mentioned
        shown = (views if is_mine else views - {MINE}) | ({MENTIONS} if is_mentioned and views else frozenset())
        return {
            **self._common[conversation.pk],
            "views": sorted(shown),
            "html": self._html(conversation, is_mine, draft, reader.zone, reader.language),
            "news": _news(reader, message) if message else None,
        }

    def _common_fields(self, conversation: Conversation, views: frozenset[str]) -> Payload:
        ticket = conversation.current_ticket
        return {
            "kind": "row",
            "conversation": conversation.pk,
            "channel": conversation.channel_id,
            "department": conversation.department_id,
            "labels": [label.pk for label in ticket.labels.all()] if ticket else [],
            "priority": ticket.priority if ticket else "",
            "sort": {order: sort_key(conversation, order, self._now) for order in ORDERS} if views else {},
        }

    def _render(self, conversation: Conversation, is_mine: bool, draft: str, zone: ZoneInfo, language: str) -> str:
        mark, scheduled = self._unsent.get(conversation.pk), self._scheduled.get(conversation.pk)
        with timezone.override(zone), translation.override(language):
            return row_of(conversation, self._now, is_mine=is_mine, draft=draft, unsent=mark, scheduled=scheduled).html


def _news(reader: Reader, message: Message) -> dict[str, Any]:
    with reader.seen():
        return notifications.notification_of(message, reader.user_id)


def _removed(conversation_id: int) -> Payload:
    return {"kind": "row", "conversation": conversation_id, "views": []}


def _counts_event(counts: inbox_counts.Counts) -> Payload:
    views = {name: badge(number) for name, number in counts.items() if name != "unread"}
    return {"kind": "counts", "views": views, "unread": counts["unread"]}
