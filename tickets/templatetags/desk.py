"""Tags and filters that format times, names, sizes, links and icons."""

import json
import re
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from desk.languages import translated
from desk.text import cut, first_character
from tickets.models import Attachment, Conversation, Message, ScheduledReply, Ticket
from tickets.rules.mentions import AGENT, from_stored, pieces
from tickets.services.conversation import previews
from tickets.services.inbox.cursors import write_cursor
from tickets.services.incoming import attachments
from tickets.services.outgoing import undelivered
from tickets.services.outgoing.collision import author_in_words

register = template.Library()

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HUES = 8
AFTER_EVERY_ID = 10**18 - 1
#: A ticket number in a note; 18 digits fit into the database.
_TICKET = re.compile(r"(?<![\w&/#])#([0-9]{1,18})(?![\w])")
_URL = re.compile(r"https?://[^\s<>\"'“”]+", re.IGNORECASE)
_TRAILING = ".,;:!?)]}»’"


@register.simple_tag
@lru_cache(maxsize=256)  # a page has a hundred of them
def icon(name: str, small: bool = False) -> SafeString:
    """Return an icon of the sprite, hidden from screen readers: the button or text around it has the words."""
    size = " icon--small" if small else ""
    return format_html(  # English only: markup
        '<svg class="icon{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        size,
        static("desk/icons.svg"),
        name,
    )


@register.filter
def ago(moment: datetime | None) -> str:
    """Return how long ago this was: now, 5 min, 3 h, then the day. static/desk/js/clock.js updates the first three."""
    if moment is None:
        return ""
    gone = timezone.now() - moment
    if gone < MINUTE:
        return gettext("now")
    if gone < HOUR:
        return gettext("%(count)s min") % {"count": gone // MINUTE}
    if gone < DAY:
        return gettext("%(count)s h") % {"count": gone // HOUR}
    return day_name(moment, short=True)


@register.filter
def day(moment: datetime) -> str:
    """Return the day in words: Today, Yesterday, Tuesday, 4 March, 4 March 2025."""
    return day_name(moment, short=False)


@register.filter
def day_within(moment: datetime) -> str:
    """Return the day for the middle of a sentence: today, yesterday, Tuesday, 4 March."""
    days = _days_since(moment)
    if days == 0:
        return gettext("today")
    return gettext("yesterday") if days == 1 else day_name(moment, short=False)


def day_name(moment: datetime, *, short: bool) -> str:
    """Return the day in words; `short` cuts the names of days and months."""
    days = _days_since(moment)
    if days == 0:
        return gettext("Today")
    if days == 1:
        return gettext("Yesterday")
    local = timezone.localtime(moment)
    if 1 < days < 7:
        return date_format(local, "D" if short else "l")
    is_this_year = local.year == timezone.localtime().year
    if short:
        return date_format(local, "SHORT_DAY_FORMAT" if is_this_year else "SHORT_DAY_AND_YEAR_FORMAT")
    return date_format(local, "DAY_FORMAT" if is_this_year else "DAY_AND_YEAR_FORMAT")


def _days_since(moment: datetime) -> int:
    return (timezone.localdate() - timezone.localdate(moment)).days


@register.filter
def clock(moment: datetime) -> str:
    """Return the time of day: 09:41."""
    return date_format(timezone.localtime(moment), "TIME_FORMAT")


@register.filter
def full_time(moment: datetime | None) -> str:
    """Return day and time in full: Wednesday 4 March 2026, 09:41."""
    return date_format(timezone.localtime(moment), "FULL_DATETIME_FORMAT") if moment else ""


@register.filter
def planned_time(moment: datetime) -> str:
    """Return a time of the next days as people name it: today, 18:00; Tuesday, 09:00; others in full."""
    days = -_days_since(moment)
    if not 0 <= days < 7:
        return full_time(moment)
    local = timezone.localtime(moment)
    name = gettext("today") if days == 0 else gettext("tomorrow") if days == 1 else date_format(local, "l")
    return gettext("%(day)s, %(time)s") % {"day": name, "time": clock(moment)}


@register.filter
def exact_time(moment: datetime | None) -> str:
    """Return the time for records: 2026-03-04 09:41:07 +01:00."""
    text = timezone.localtime(moment).isoformat(" ", "seconds") if moment else ""
    return f"{text[:19]} {text[19:]}".strip()


@register.filter
def long_day(moment: datetime) -> str:
    """Return the day in full, for pages that are read later: Wednesday 4 March 2026."""
    return date_format(timezone.localtime(moment), "FULL_DATE_FORMAT")


@register.filter
def iso(moment: datetime | None) -> str:
    """Return the time for <time datetime>: ISO 8601 with the offset."""
    return moment.isoformat(timespec="seconds") if moment else ""


@register.filter
def duration(length: timedelta | None) -> str:
    """Return a length of time in at most two units: 2 d 3 h, 5 h 12 m, 9 m, 40 s."""
    if length is None:
        return ""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return gettext("%(count)s s") % {"count": seconds}
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 60:
        return gettext("%(count)s m") % {"count": minutes}
    if hours < 24:
        if rest := minutes % 60:
            return gettext("%(hours)s h %(minutes)s m") % {"hours": hours, "minutes": rest}
        return gettext("%(count)s h") % {"count": hours}
    if rest := hours % 24:
        return gettext("%(days)s d %(hours)s h") % {"days": days, "hours": rest}
    return gettext("%(count)s d") % {"count": days}


@register.filter
def initials(name: Any) -> str:
    """Return one or two letters to show for a person without a picture."""
    words = [word for word in str(name).split() if word[0].isalnum()]
    letters = [first_character(word) for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"


@register.filter
def shorten(text: Any, limit: int) -> str:
    """Return the text, or its beginning and an ellipsis, at most `limit` characters; whole characters are cut off."""
    return cut(str(text), limit)


@register.filter
def end_of(ticket: Ticket) -> str:
    """Return the cursor just after a ticket's last message, for browsers without scripts."""
    return write_cursor(ticket.last_message_at, AFTER_EVERY_ID)


@register.filter
def may_be_two(message: Message) -> bool:
    """Return whether Facebook probably refused this reply for its length, so that it can be sent as two messages."""
    return undelivered.may_be_two(message)


@register.filter
def may_try_again(attachment: Attachment, conversation: Conversation) -> bool:
    """Return whether this file of the conversation can be fetched again."""
    return attachments.may_retry(attachment, conversation.channel)


@register.simple_tag
def box(width: int | None, height: int | None, max_width: int, max_height: int) -> dict[str, int]:
    """Return the pixels at which to show an image: its own size, or smaller to fit; 4:3 when its size is unknown."""
    if not width or not height:
        return {"width": max_width, "height": max_width * 3 // 4}
    scale = min(1, max_width / width, max_height / height)
    return {"width": max(24, round(width * scale)), "height": max(24, round(height * scale))}


@register.filter
def hue(key: Any) -> int:
    """Return a colour number (0 to 7), always the same for the same key."""
    return zlib.crc32(str(key).encode("utf-8", "replace")) % HUES


@register.filter
def badge(number: int | None) -> str:
    """Return a count for a badge: "" for zero, 99+ from 100 on."""
    if not number:
        return ""
    return "99+" if number > 99 else str(number)


@register.filter
def linkify(text: str, plain: Callable[[str], SafeString] = escape) -> SafeString:
    """Escape the text and make its http(s) addresses links, which send no referrer. `plain` escapes what is between."""
    parts, end = [], 0
    for match in _URL.finditer(text):
        address = match.group().rstrip(_TRAILING)
        parts.append(plain(text[end : match.start()]))
        parts.append(  # English only: markup
            format_html('<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>', address, address)
        )
        end = match.start() + len(address)
    parts.append(plain(text[end:]))
    return mark_safe("".join(parts))  # noqa: S308 - every part was escaped above


@register.filter
def linkify_note(text: str) -> SafeString:
    """Do what `linkify` does, and make ticket numbers such as #12 links to the pages of the tickets."""
    return linkify(text, _with_tickets)


def _with_tickets(text: str) -> SafeString:
    """Escape the text and make its ticket numbers links."""
    parts, end = [], 0
    for match in _TICKET.finditer(text):
        parts.append(escape(text[end : match.start()]))
        parts.append(  # English only: markup
            format_html('<a href="{}">{}</a>', reverse("ticket", args=[int(match[1])]), match.group())
        )
        end = match.end()
    parts.append(escape(text[end:]))
    return mark_safe("".join(parts))  # noqa: S308 - every part was escaped above


@register.simple_tag
def note_text(item: Any, request: Any) -> SafeString:
    """Return the text of a note with links and mentions, each by the present name of whom it mentions.

    Those of the reader, by name or with their department, are marked.
    """
    facts = getattr(request, "facts", None)
    departments: frozenset[int] = facts.department_ids if facts else frozenset()
    parts = []
    for piece, span in pieces(item.message.text, from_stored(item.message.mentions)):
        if span is None:
            parts.append(linkify_note(piece))
            continue
        target = span.target
        is_own = target.pk == request.user.pk if target.kind == AGENT else target.pk in departments
        name = item.mentioned.get(target, span.name)
        style = "mention mention--own" if is_own else "mention"  # English only: names of styles
        parts.append(format_html('<bdi class="{}">@{}</bdi>', style, name))  # English only: markup
    return mark_safe("".join(parts))  # noqa: S308 - every part was escaped above


@register.filter
def answered_by(message: Message, reader: Any) -> str:
    """Return who wrote this reply, or "" when it was the reader."""
    own = message.author_id is not None and message.author_id == getattr(reader, "pk", None)
    return "" if own else who_answered(message)


def who_answered(message: Message) -> str:
    """Return who answered the customer with this message, as `author_in_words`, in the language of the reader."""
    words = author_in_words(message)
    return words if message.author_id else translated(words)


@register.filter
def web_url(address: Any) -> str:
    """Return the address when it is http or https, else "": javascript: and data: never become a link."""
    text = address if isinstance(address, str) else ""
    return text if _URL.fullmatch(text) else ""


@register.filter
def preview_text(text: str) -> str:
    """Return the preview of a message in the language of the reader: what was typed stays as it is."""
    return previews.in_language(text)


@register.filter
def original_link(attachment: Attachment) -> str:
    """Return the address of a file that Desk did not fetch because it is not on a host of Facebook's, else ""."""
    return web_url(attachment.source_url) if attachments.is_elsewhere(attachment) else ""


@register.filter
def scheduled_facts(row: ScheduledReply) -> str:
    """Return what the composer needs to take a reply back, as JSON.

    {id, mid (of the quoted message), files: [{id, name, size (bytes), type, url}]}
    """
    files: list[dict[str, Any]] = [
        {
            "id": file.pk,
            "name": file.name,
            "size": file.size,
            "type": file.content_type,
            "url": reverse("scheduled_file", args=[row.conversation_id, file.pk]),
        }
        for file in row.files.all()
    ]
    return json.dumps({"id": row.pk, "mid": row.reply_to_mid, "files": files})
