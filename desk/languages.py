"""The languages of Desk: which one a person reads, and the translation of texts that were made in English."""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import formats, translation
from django.utils.functional import Promise
from django.utils.safestring import SafeData
from django.utils.translation import trans_real

from desk.models import User

ENGLISH = "en"
ALWAYS_ENGLISH = ("/api/", "/meta/", "/webhooks/", "/healthz", "/readyz", "/metrics")
# Letters of the fixed part of a sentence with values: with fewer it would fit any text.
LEAST_LETTERS, LEAST_LETTERS_AT_START = 8, 2
BETWEEN = {
    ", ": translation.pgettext_lazy("between the items of a list", ", "),
    "; ": translation.pgettext_lazy("between the items of a list", "; "),
}
_QUOTED, _BETWEEN_QUOTED = re.compile(r"“[^“”]*”(?:, “[^“”]*”)*"), "”, “"
# Customers and Facebook write parts of such texts, and a long one could take long: sentences with values are looked for
# in this many characters and in this many sentences at once; a line of more sentences, more lines, and values deeper in
# values stay English.
MAX_CHARACTERS, MAX_JOINED, MAX_SENTENCES, MAX_LINES, MAX_DEPTH = 2000, 8, 40, 100, 5
COUNTS = frozenset({"count", "number", "n", "total"})  # values that are numbers
_VALUE = re.compile(r"%\((\w+)\)[sd]")
_WHOLE_NUMBER = re.compile(r"(%\(\w+\))d")  # what is found for it is text
_NUMBER = re.compile(r"\d{1,3}(,\d{3})+|\d+\.\d+")
_DATE = re.compile(r"(?P<day>\d{1,2} [A-Z][a-z]+)(?P<year> \d{4})?(?:(?: at|,)? (?P<time>\d\d:\d\d(?: \S+)?))?")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][”»’)])) (?=\S)")


# --- whose language ---------------------------------------------------------------------------------------------------
def chosen_by(user: object) -> str:
    """Return the language that somebody chose; "" without one, and for one that Desk does not speak any more."""
    code = getattr(user, "language", "")
    return code if code in dict(settings.LANGUAGES) else ""


def of_person(user: User | None) -> str:
    """Return the language in which somebody gets e-mail: their own choice, else that of the installation."""
    return chosen_by(user) or settings.LANGUAGE_CODE


@contextmanager
def spoken_by(user: User | None) -> Iterator[None]:
    """Make texts inside the `with` block in the language of this person."""
    with translation.override(of_person(user)):
        yield


class BrowsersLanguage:
    """Answer in a language that the browser asks for; the API and the addresses for Meta answer in English."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with translation.override(ENGLISH if _is_english(request) else translation.get_language_from_request(request)):
            return self.get_response(request)


class PersonsLanguage:
    """Answer in the language that the person who is logged in chose, if they chose one. Ends with BrowsersLanguage."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_known = settings.SESSION_COOKIE_NAME in request.COOKIES and not _is_english(request)
        if is_known and (chosen := chosen_by(request.user)):
            translation.activate(chosen)
        return self.get_response(request)


def _is_english(request: HttpRequest) -> bool:
    return request.path_info.startswith(ALWAYS_ENGLISH)


def in_english(text: object) -> str:
    """Return a lazy text, such as the label of a choice, in English: for the database, the log and the API."""
    with translation.override(ENGLISH):
        return str(text)


def joined(items: Iterable[str], between: str = ", ") -> str:
    """Return texts as a list in the active language; `between` is ", " or "; "."""
    return str(BETWEEN[between]).join(items)


def quoted(name: object) -> str:
    """Return a name in the quotation marks of the active language."""
    return translation.pgettext("a name", "“%(name)s”") % {"name": name}


# --- English texts for readers of other languages ---------------------------------------------------------------------
def translated(text: Any) -> Any:
    """Return a text of desk.sentences in the active language; safe HTML, and what is no text, stays as it is.

    The lines of a text, and several sentences in a line, are translated one by one. A text that no catalogue has stays
    English.
    """
    language = translation.get_language()
    if language in (None, ENGLISH):
        return text
    if isinstance(text, Promise):
        text = str(text)
    if not text or isinstance(text, SafeData):
        return text
    return _translated(str(text), language)


class _Pattern(NamedTuple):
    """A sentence with values in the catalogue: its fixed parts, how to find the values, and the sentence.

    `plurals` are the singular and the plural where the sentence is one of them, by its `count`.
    """

    pieces: tuple[str, ...]
    expression: re.Pattern[str]
    message: str
    plurals: tuple[str, str] | None = None


@lru_cache(maxsize=4096)
def _translated(text: str, language: str, depth: int = 0) -> str:
    whole = _exactly(text) or _with_values(text, language, depth)
    if whole is not None:
        return whole
    if "\n" in text:
        lines = text.split("\n")
        return "\n".join([*(_translated(line, language, depth) for line in lines[:MAX_LINES]), *lines[MAX_LINES:]])
    parts = _SENTENCE_END.split(text)
    return text if len(parts) > MAX_SENTENCES else " ".join(_sentences(parts, language, depth))


def _sentences(parts: list[str], language: str, depth: int) -> Iterator[str]:
    """Yield the sentences translated. One text of a catalogue can have several: the longest that it has is taken."""
    while parts:
        for end in range(min(len(parts), MAX_JOINED), 0, -1):
            text = " ".join(parts[:end])
            found = _exactly(text) or _with_values(text, language, depth)
            if found is not None or end == 1:
                yield found or text
                parts = parts[end:]
                break


def _exactly(text: str) -> str | None:
    found = translation.gettext(text)
    return found if found != text and "\r" not in text else None  # gettext itself changes the ends of lines


def _with_values(text: str, language: str, depth: int) -> str | None:
    if len(text) > MAX_CHARACTERS:
        return None
    for pattern in _patterns(language):
        match = _has_in_order(pattern.pieces, text) and pattern.expression.fullmatch(text)
        if match and not (_takes_a_sentence_for_a_value(match, pattern) or _takes_a_list_for_a_name(match)):
            values = {name: _value(name, value, language, depth) for name, value in match.groupdict().items()}
            return _WHOLE_NUMBER.sub(r"\1s", _in_language(pattern, match)) % {"count": "1", **values}
    return None


def _in_language(pattern: _Pattern, match: re.Match[str]) -> str:
    if pattern.plurals is None:
        return translation.gettext(pattern.message)
    digits = re.sub(r"\D", "", match.groupdict().get("count", "1"))
    return translation.ngettext(*pattern.plurals, int(digits or "0"))


def _has_in_order(pieces: tuple[str, ...], text: str) -> bool:
    """Return False where the expression would find nothing: it alone tries every place of every part."""
    if not (text.startswith(pieces[0]) and text.endswith(pieces[-1])):
        return False
    at = len(pieces[0])
    for piece in pieces[1:]:
        found = text.find(piece, at + 1)  # a value is not empty
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _takes_a_sentence_for_a_value(match: re.Match[str], pattern: _Pattern) -> bool:
    """Return whether the text ends with a sentence of its own, which this pattern sees as the end of a value."""
    values = [value for name, value in match.groupdict().items() if not name.endswith("_text")]
    if not any(map(_SENTENCE_END.search, values)):
        return False
    last = _SENTENCE_END.split(match.string)[-1]
    return not pattern.pieces[-1].endswith(last) and _exactly(last) is not None


def _takes_a_list_for_a_name(match: re.Match[str]) -> bool:
    """Return whether a quoted name of this pattern would be several: “A”, “B”."""
    return any(_BETWEEN_QUOTED in value and not value.startswith("“") for value in match.groupdict().values())


def _value(name: str, value: str, language: str, depth: int) -> str:
    if name.endswith("_text"):
        if depth == MAX_DEPTH:
            return value
        whole = _translated(value, language, depth + 1)
        if whole != value:
            return whole
        between = "; " if "; " in value else ", "
        parts = [_translated(part, language, depth + 1) for part in value.split(between)]
        return joined(parts, between)
    if _QUOTED.fullmatch(value):
        return joined(quoted(name) for name in value[1:-1].split(_BETWEEN_QUOTED))
    if _NUMBER.fullmatch(value):
        return formats.number_format(value.replace(",", ""), use_l10n=True, force_grouping="," in value)
    if written := _DATE.fullmatch(value):
        return _date(written) or value
    return value


def _date(written: re.Match[str]) -> str | None:
    """Return a date such as "5 May 2026 at 10:00 UTC", as English sentences have them, in the active language."""
    try:
        day = datetime.strptime(written["day"] + (written["year"] or " 2000"), "%d %B %Y")  # noqa: DTZ007 - a day
    except ValueError:
        return None
    shown = formats.date_format(day.date(), "DAY_AND_YEAR_FORMAT" if written["year"] else "DAY_FORMAT")
    if written["time"] is None:
        return shown
    clock = translation.gettext("%(day)s at %(time)s")
    return clock % {"day": shown, "time": written["time"]}


@lru_cache(maxsize=16)
def _patterns(language: str) -> tuple[_Pattern, ...]:
    """Return the sentences with values that a language has, those with the longest fixed text first."""
    catalogue: Any = trans_real.translation(language)
    messages = {key for key in catalogue._catalog.keys() if isinstance(key, str)}  # noqa: SIM118 - it is no dict
    found = [_pattern(message) for message in messages if _VALUE.search(message) and "\x04" not in message]
    for plurals in counted_texts():
        found += [
            (letters, pattern._replace(plurals=plurals))
            for letters, pattern in map(_pattern, plurals)
            if len(pattern.pieces) > 1
        ]
    usable = [(length, pattern) for length, pattern in found if length >= _least(pattern.message)]
    return tuple(pattern for _letters, pattern in sorted(usable, key=_most_fixed_text_first))


@lru_cache(maxsize=1)
def counted_texts() -> frozenset[tuple[str, str]]:
    """Return the singulars and plurals with a `%(count)s` that the catalogues of Desk have, in English.

    A catalogue that is loaded knows only the singulars. Every language has the same texts, so one file is read.
    """
    files = sorted(file for folder in settings.LOCALE_PATHS for file in Path(folder).glob("*/LC_MESSAGES/django.mo"))
    texts = {tuple(text.split("\0")) for text in _english_of(files[0].read_bytes())} if files else set()
    return frozenset(pair for pair in texts if len(pair) == 2 and "%(count)s" in pair[1] and "\x04" not in pair[0])


def _english_of(compiled: bytes) -> Iterator[str]:
    """Yield the English texts of a compiled catalogue; a singular and its plural have a zero between them."""
    order = "<" if compiled[:4] == b"\xde\x12\x04\x95" else ">"
    count, start = struct.unpack_from(f"{order}8x2I", compiled)
    for length, offset in struct.iter_unpack(f"{order}2I", compiled[start : start + 8 * count]):
        yield compiled[offset : offset + length].decode()


def _most_fixed_text_first(found: tuple[int, _Pattern]) -> tuple[int, int, str]:
    letters, pattern = found
    return -letters, -len(_VALUE.sub("", pattern.message)), pattern.message


def _least(message: str) -> int:
    if any(message.startswith(f"%({name})") for name in COUNTS):
        return LEAST_LETTERS_AT_START
    return LEAST_LETTERS if message.startswith("%(") else LEAST_LETTERS_AT_START


def _pattern(message: str) -> tuple[int, _Pattern]:
    pieces = _VALUE.split(message)
    fixed, names = [piece.replace("%%", "%") for piece in pieces[::2]], pieces[1::2]
    expression, seen = re.escape(fixed[0]), set[str]()
    for name, after in zip(names, fixed[1:], strict=True):
        some = r"[\d,.]+" if name in COUNTS else ".+?"
        expression += (f"(?P={name})" if name in seen else f"(?P<{name}>{some})") + re.escape(after)
        seen.add(name)
    letters = sum(len(re.findall(r"\w", piece)) for piece in fixed)
    return letters, _Pattern(tuple(fixed), re.compile(expression, re.DOTALL), message)
