"""What somebody looks for: typed words cut into terms, and the places of a text where the terms stand.

The full-text indexes of both databases (tickets/migrations/0002_search.py) cut texts as `words_of` does: letters,
digits and marks make a word, case and accents do not count.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MOST_TERMS = 8
LEAD = 14  # characters before what was found: a narrow list shows no more
SHORTEST_PREFIX = 2  # characters: a single letter begins half of all words
ACCENTS = re.compile("[\u0300-\u036f]+")
# Scripts that put no spaces between words: a word of theirs is looked for inside the text.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ELLIPSIS = "…"


@dataclass(frozen=True)
class Term:
    """One thing to be found: a word by the index, its beginning when `is_prefix`; anything else as part of the text."""

    text: str
    is_word: bool = True
    is_prefix: bool = False


Pieces = list[tuple[str, bool]]  # a text in order; True: this piece was looked for


def terms_of(typed: str) -> tuple[Term, ...]:
    """Cut what was typed into at most MOST_TERMS terms, all of them to be found; quotes and operators mean nothing.

    The last word may be unfinished. Signs alone are looked for as they are only when nothing else was typed.
    """
    terms: list[Term] = []
    for chunk in typed.split():
        words = words_of(chunk)
        if _UNSPACED.search(chunk):
            terms.append(Term(chunk, is_word=False))
        elif words:
            terms += [Term(word) for word in words]
        elif any(unicodedata.category(char) == "So" for char in chunk):  # an emoji
            terms.append(Term(chunk, is_word=False))
    if not terms and typed.strip():
        return (Term(typed.strip(), is_word=False),)
    terms = list(dict.fromkeys(terms))[:MOST_TERMS]
    if terms and terms[-1].is_word and len(terms[-1].text) >= SHORTEST_PREFIX and not typed.startswith("#"):
        terms[-1] = Term(terms[-1].text, is_prefix=True)
    return tuple(terms)


def ticket_number(typed: str) -> int | None:
    """The ticket number that was typed, as 12 or #12, or None."""
    number = typed.strip().removeprefix("#")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def folded(text: str) -> str:
    """The text without case and accents, as the indexes compare it."""
    return ACCENTS.sub("", unicodedata.normalize("NFD", text)).lower()


def words_of(text: str) -> list[str]:
    """The words of a text, folded."""
    line = folded(text)
    return [line[start:end] for start, end in _word_spans(line)]


def holds(text: str, term: Term) -> bool:
    """Does `text` hold this term?"""
    if not term.is_word:
        return term.text in text
    return any(word.startswith(term.text) if term.is_prefix else word == term.text for word in words_of(text))


def marked(text: str, terms: Iterable[Term], width: int = 0) -> Pieces:
    """The text as pieces, with those that were looked for marked; with `width` about so many characters of it."""
    line = " ".join(text.split())
    spans = _joined(_found_spans(line, list(terms)))
    start, end = _window(line, spans[0][0] if spans else 0, width) if width else (0, len(line))
    inside = [(max(start, left), min(end, right)) for left, right in spans if left < end and right > start]
    edges = [start, *(edge for span in inside for edge in span), end]
    pieces = [(line[left:right], index % 2 == 1) for index, (left, right) in enumerate(pairwise(edges)) if left < right]
    if start > 0:
        pieces.insert(0, (_ELLIPSIS, False))
    if end < len(line):
        pieces.append((_ELLIPSIS, False))
    return pieces


def _window(line: str, hit: int, width: int) -> tuple[int, int]:
    """Where to begin and end so that `hit` is seen with a little before it; begins with a whole word."""
    start = 0
    if hit > LEAD + 6:
        start = hit - LEAD
        space = line.find(" ", start, hit)
        start = space + 1 if space >= 0 else start
    return start, min(len(line), start + width)


def _found_spans(line: str, terms: list[Term]) -> list[tuple[int, int]]:
    """Where the terms stand in `line`, in its own characters."""
    letters, places = _folded_with_places(line)
    found: list[tuple[int, int]] = []
    words = [term for term in terms if term.is_word]
    for start, end in _word_spans(letters) if words else ():
        word = letters[start:end]
        lengths = [len(t.text) for t in words if (word.startswith(t.text) if t.is_prefix else word == t.text)]
        if lengths:
            found.append((places[start], places[start + max(lengths)]))
    for term in terms:
        if not term.is_word:
            found += [(hit.start(), hit.end()) for hit in re.finditer(re.escape(term.text), line)]
    return sorted(found)


def _folded_with_places(line: str) -> tuple[str, list[int]]:
    """The folded line, and for each of its characters (and its end) where that one stands in `line`."""
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(line):
        plain = folded(char)
        letters.append(plain)
        places += [place] * len(plain)
    return "".join(letters), [*places, len(line)]


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same places without overlaps, in order."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _word_spans(letters: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for place, char in enumerate(letters):
        if _is_part_of_word(char):
            start = place if start is None else start
        elif start is not None:
            spans.append((start, place))
            start = None
    return spans if start is None else [*spans, (start, len(letters))]


@lru_cache(maxsize=4096)
def _is_part_of_word(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LNM" or category == "Co"
