"""A language that marks every text of the catalogues with « and »: what stands outside, nobody can translate."""

import re
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from django.conf import settings
from django.test import override_settings
from django.utils.translation import trans_real

from desk import languages
from tests.untranslated import ATTRIBUTES, NAMES

CODE = "en-xx"  # the formats are those of English
_CATALOGUE = "de"  # any that is complete
#: Languages by their own names, and names of Facebook's and Desk's API.
ZONES = zoneinfo.available_timezones()
UNTRANSLATED = {
    *dict(settings.LANGUAGES).values(),
    *("pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement", "business_management"),
    *("Human Agent", "Business Asset User Profile Access", "read, reply, manage, erase, webhooks"),
}
_WORD = re.compile(r"[A-Za-z]{2,}")


class PseudoLanguage:
    """What Django's functions ask of a translation."""

    def __init__(self) -> None:
        known: Any = trans_real.translation(_CATALOGUE)
        self._known = known
        self._catalog = known._catalog
        keys = [key for key in self._catalog.keys() if isinstance(key, str)]  # noqa: SIM118 - it is no dict
        plurals = [key[0] for key in self._catalog.keys() if isinstance(key, tuple)]  # noqa: SIM118
        self._texts = {*keys, *plurals}

    def language(self) -> str:
        return CODE

    to_language = language

    def gettext(self, text: str) -> str:
        return _marked(text) if text and text in self._texts else text

    def ngettext(self, one: str, many: str, number: int) -> str:
        text = one if number == 1 else many
        return _marked(text) if one in self._texts else text


def _marked(text: str) -> str:
    return f"«{text.partition(chr(4))[2] or text}»"  # without the context


@contextmanager
def pseudo_language() -> Iterator[None]:
    """Let people have CODE as their language inside the `with` block."""
    with override_settings(LANGUAGES=[*settings.LANGUAGES, (CODE, "English")]):  # forgets all translations
        trans_real._translations[CODE] = PseudoLanguage()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            del trans_real._translations[CODE]  # type: ignore[attr-defined]
            languages._translated.cache_clear()
            languages._patterns.cache_clear()


def left_out(html: str) -> list[str]:
    """Return the words of a page that stand outside « and »: in its texts and in attributes that are shown."""
    parser = _Texts()
    parser.feed(html)
    parser.close()
    return [text for text in parser.found if _is_left_out(text)]


def _is_left_out(text: str) -> bool:
    if text in ZONES:
        return False  # names of time zones are the same in every language
    if text.count("«") != text.count("»"):
        return False  # a field stands in the middle of the sentence
    return bool(_WORD.search(_outside(text))) and text not in UNTRANSLATED and not text.startswith("https://")


def _outside(text: str) -> str:
    """Return the text without what is marked; marks can be inside one another."""
    depth, outside = 0, ""
    for character in text:
        depth += (character == "«") - (character == "»")
        outside += character if depth == 0 else ""
    for name in sorted(NAMES, key=len, reverse=True):
        outside = re.sub(rf"\b{name}\b", "", outside)
    return outside


class _Texts(HTMLParser):
    """The texts of a page; inline elements belong to the text around them."""

    INLINE = frozenset({"a", "b", "bdi", "strong", "em", "i", "code", "kbd", "span", "small", "time", "mark", "br"})
    DATA = frozenset({"script", "style", "code", "pre", "textarea", "kbd"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._text, self._data = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and name in ATTRIBUTES]
        self._data += tag in self.DATA
        if tag not in self.INLINE:
            self._end()

    def handle_endtag(self, tag: str) -> None:
        self._data -= tag in self.DATA
        if tag not in self.INLINE:
            self._end()

    def handle_data(self, data: str) -> None:
        if not self._data:
            self._text += data

    def _end(self) -> None:
        self.found += [" ".join(self._text.split())]
        self._text = ""

    def close(self) -> None:
        super().close()
        self._end()
