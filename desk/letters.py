"""What an e-mail says, and its two forms: HTML and plain text, both from the one layout in templates/mail/.

Names of people and Pages come from outside: each part becomes one line that does not turn the direction of its
surroundings, the template escapes it, and a link always begins with DESK_PUBLIC_URL.
"""

import re
import textwrap
from dataclasses import dataclass
from datetime import datetime
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language

from desk import text
from desk.languages import ENGLISH, translated
from desk.sentences import sentence

#: Columns of the plain text, as mail programs show it without wrapping.
WIDTH = 72
MAX_SUBJECT = 150
MAX_LINE = 1000
#: No answering machine replies to it (RFC 3834).
AUTOMATIC = {"Auto-Submitted": "auto-generated"}


@dataclass(frozen=True)
class Entry:
    """One of the things that a letter lists: a title and lines about it."""

    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Letter:
    """The content of an e-mail. `action` is its only button, which leads to `path` of DESK_PUBLIC_URL.

    `why` says who gets it and why. `facts` are labels with values, such as the time of a change. `title` is the heading
    of the message, by default the subject.
    """

    subject: str
    paragraphs: tuple[str, ...]
    action: str
    path: str
    why: str
    entries: tuple[Entry, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    closing: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Rendered:
    """A letter as it is sent: one line, plain text, HTML."""

    subject: str
    text: str
    html: str


def installation_name() -> str:
    """Return what this installation calls itself in e-mail: the name in DESK_FROM_EMAIL, or Desk."""
    return text.shown_name(parseaddr(settings.DEFAULT_FROM_EMAIL)[0], 60) or "Desk"  # English only: a name


def sender() -> str:
    """Return the sender: the address in DESK_FROM_EMAIL with the name of the installation."""
    return formataddr((installation_name(), parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))


def to_administrators() -> str:
    """Return the line at the foot of what administrators get."""
    return sentence("You get this message because you are an administrator of %(name)s.", name=installation_name())


def moment(at: datetime) -> str:
    """Return a date and time for a sentence, in the time zone of the installation."""
    local = timezone.localtime(at)
    return f"{local:%-d %B %Y at %H:%M} {local.tzname() or ''}".strip()


def shown_moment(at: datetime) -> str:
    """Return a date and time in the active language, in the time zone of the installation: not for a sentence."""
    local = timezone.localtime(at)
    if get_language() in (None, ENGLISH):
        return moment(at)
    return f"{date_format(local, 'DAY_AND_YEAR_FORMAT')}, {date_format(local, 'TIME_FORMAT')} {local.tzname() or ''}"


def day(at: datetime) -> str:
    """Return a date for a sentence, in the time zone of the installation."""
    return f"{timezone.localtime(at):%-d %B %Y}"


def render(letter: Letter) -> Rendered:
    """Return the letter in both forms, in the active language; its values are shown as they are."""
    subject = text.one_line(translated(letter.subject), MAX_SUBJECT)
    name = installation_name()
    url = settings.PUBLIC_URL + letter.path.removeprefix(settings.PUBLIC_URL)
    common = {"subject": subject, "name": name, "action": _line(translated(letter.action)), "url": url}
    title = _line(translated(letter.title) or subject)
    facts = [(_line(translated(label)), _line(value)) for label, value in letter.facts]
    entries = [Entry(_line(translated(entry.title)), _lines(entry.lines)) for entry in letter.entries]
    paragraphs, closing = _lines(letter.paragraphs), _lines(letter.closing)
    why = _line(translated(letter.why))
    html = {
        "title": title,
        "mark": text.first_character(name).upper(),
        "paragraphs": paragraphs,
        "entries": entries,
        "facts": facts,
        "closing": closing,
        "why": why,
    }
    plain: dict[str, Any] = {
        "title": _wrapped(title),
        "paragraphs": map(_wrapped, paragraphs),
        "entries": ["\n".join([_wrapped(f"- {each.title}", "  "), *_indented(each.lines)]) for each in entries],
        "facts": [_wrapped(f"{label}: {value}", "  ") for label, value in facts],
        "closing": map(_wrapped, closing),
        "why": _wrapped(why),
    }
    body = render_to_string("mail/base.txt", common | plain)
    return Rendered(
        subject,
        re.sub(r"\n{3,}", "\n\n", body).strip() + "\n",
        render_to_string("mail/base.html", common | html).strip() + "\n",
    )


def message(rendered: Rendered, to: list[str], headers: dict[str, str] | None = None) -> EmailMultiAlternatives:
    """Return the e-mail with both parts, from the installation to `to`."""
    mail = EmailMultiAlternatives(
        rendered.subject, rendered.text, from_email=sender(), to=to, headers={**AUTOMATIC, **(headers or {})}
    )
    if rendered.html:
        mail.attach_alternative(rendered.html, "text/html")
    return mail


def _line(words: str) -> str:
    return text.one_line(words, MAX_LINE)


def _lines(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_line(translated(each)) for each in texts)


def _wrapped(words: str, next_indent: str = "", first_indent: str = "") -> str:
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=first_indent,
        subsequent_indent=next_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _indented(lines: tuple[str, ...]) -> list[str]:
    return [_wrapped(line, "  ", "  ") for line in lines]
