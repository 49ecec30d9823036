"""What a change looks like on open pages: read and rendered once for all of them, handed out by `desk.live.sse`.

A page that asked for each change by itself would cost a request per page and change; here two hundred pages cost a few
queries and one rendering per row. Who may see what is asked anew in each reading.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone

from desk.live.fanout import Payload
from desk.models import User
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import counts as inbox_counts
from tickets.services.inbox import drafts, notifications
from tickets.services.inbox.counts import MINE
from tickets.services.inbox.listing import ORDERS, sort_key
from tickets.services.outgoing import undelivered
from tickets.templatetags.desk import badge
from tickets.views.base import zone_of
from tickets.views.rows import Row, clock_of


@dataclass(frozen=True)
class Reader:
    """Whose page it is, and the time zone it shows: pages alike in both are handed the same."""

    facts: access.UserFacts
    zone: ZoneInfo

    @property
    def user_id(self) -> int:
        return self.facts.user_id or 0


def reader_of(user: User, cookies: Mapping[str, str]) -> Reader:
    return Reader(access.facts_for(user), zone_of(cookies))


def visible(reader: Reader, payload: Payload) -> bool:
    """May this reader be told of a live event? Asks no database."""
    return access.visible(reader.facts, payload)


def read(payloads: Collection[Payload], readers: Collection[Reader]) -> dict[Reader, list[Payload]]:
    """What these events about conversations mean for each reader's page; a constant number of queries.

    `row`: {conversation, views (names of those it stands in; [] when it is none of the reader's business), channel,
    department (ids), sort (number by order), html, news (as `news.told`, or null)}. `counts`: {views (name: badge),
    unread}. A reader who may see something else than a moment ago is left out: the stream notices and says `sync`.
    """
    now = timezone.now()
    ids = {payload["conversation"] for payload in payloads}
    current = access.facts_for_users(reader.user_id for reader in readers)
    readers = [reader for reader in readers if current.get(reader.user_id) == reader.facts]
    painter = _Painter(ids, readers, now)
    counts = inbox_counts.counts_for_users({reader.facts for reader in readers}, now)
    found = {}
    for reader in readers:
        told = {payload["conversation"] for payload in payloads if visible(reader, payload)}
        rows = painter.rows_for(reader, told)
        if rows and reader.user_id in counts:
            found[reader] = [*rows, _badges(counts[reader.user_id])]
    return found


class _Painter:
    """The rows of some conversations, each drawn once for all whose page shows the same."""

    def __init__(self, ids: Collection[int], readers: Collection[Reader], now: datetime) -> None:
        self._now = now
        self._found = inbox_counts.with_views(ids, now)
        self._drafts = drafts.texts_of({reader.user_id for reader in readers}, ids)
        self._news = notifications.newest_in(ids)
        self._unsent = undelivered.undelivered_states(ids)
        self._about = {conversation.pk: self._for_all(conversation, views) for conversation, views in self._found}
        self._html = cache(self._draw)

    def rows_for(self, reader: Reader, told: Collection[int]) -> list[Payload]:
        """What this reader sees of them, and for those of `told` that they may not see, that these left."""
        seen = [each for each in self._found if access.visible(reader.facts, access.ids_of(each[0]))]
        gone = set(told) - {conversation.pk for conversation, _views in seen}
        return [self._row(reader, *each) for each in seen] + [_removed(pk) for pk in sorted(gone)]

    def _row(self, reader: Reader, conversation: Conversation, views: frozenset[str]) -> Payload:
        is_mine = conversation.assignee_id == reader.user_id
        draft = self._drafts.get((reader.user_id, conversation.pk), "")
        is_news = is_mine or conversation.assignee_id is None
        message = self._news.get(conversation.pk) if is_news else None
        return {
            **self._about[conversation.pk],
            "views": sorted(views if is_mine else views - {MINE}),
            "html": self._html(conversation, is_mine, draft, reader.zone),
            "news": notifications.notification_of(message, reader.user_id) if message else None,
        }

    def _for_all(self, conversation: Conversation, views: frozenset[str]) -> Payload:
        return {
            "kind": "row",
            "conversation": conversation.pk,
            "channel": conversation.channel_id,
            "department": conversation.department_id,
            "sort": {order: sort_key(conversation, order, self._now) for order in ORDERS} if views else {},
        }

    def _draw(self, conversation: Conversation, is_mine: bool, draft: str, zone: ZoneInfo) -> str:
        mark = self._unsent.get(conversation.pk)
        row = Row(conversation, clock_of(conversation, self._now), draft, sort_key=0, is_mine=is_mine, unsent=mark)
        with timezone.override(zone):
            return render_to_string("tickets/_row.html", {"row": row})


def _removed(conversation_id: int) -> Payload:
    return {"kind": "row", "conversation": conversation_id, "views": []}


def _badges(counts: inbox_counts.Counts) -> Payload:
    views = {name: badge(number) for name, number in counts.items() if name != "unread"}
    return {"kind": "counts", "views": views, "unread": counts["unread"]}
