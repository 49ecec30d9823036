"""A German of a few texts, for tests of what is translated and what stays English."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.utils.translation import trans_real

from desk import languages

CONTEXT = "\x04"


class FewTexts:
    """What Django's functions ask of a translation. A text with a context is "context\\x04text"."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._catalog = dict(texts)

    def language(self) -> str:
        return "de"

    to_language = language

    def gettext(self, text: str) -> str:
        return self._catalog.get(text, text)

    def ngettext(self, one: str, many: str, number: int) -> str:
        return self.gettext(one if number == 1 else many)


@contextmanager
def german(texts: Mapping[str, str]) -> Iterator[None]:
    """Let the catalogue of German have these texts alone inside the `with` block."""
    translations = trans_real._translations  # type: ignore[attr-defined]
    before = translations.get("de")
    translations["de"] = FewTexts(texts)
    _forget()
    try:
        yield
    finally:
        if before is None:
            del translations["de"]
        else:
            translations["de"] = before
        _forget()


def _forget() -> None:
    languages._translated.cache_clear()
    languages._patterns.cache_clear()
