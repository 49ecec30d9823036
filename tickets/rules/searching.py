"""Split a search query into terms, and find and highlight the terms in a text. Pure.

The full-text indexes of both databases (tickets/migrations/0002_search.py) split texts as `words_of` does: letters,
digits and combining marks make a word; case and accents do not count.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MAX_TERMS = 8
LEAD_CHARS = 14  # characters shown before the first match: a narrow list shows no more
MIN_PREFIX_CHARS = 2  # too many words begin with any single letter
ACCENTS = re.compile("[\u0300-\u036f]+")
# Scripts without spaces between words: such a term is searched for as part of the text.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ELLIPSIS = "…"


@dataclass(frozen=True)
class Term:
    """One term of a query: a word (or the beginning of one, with `is_prefix`), or else any part of the text."""

    text: str
    is_word: bool = True
    is_prefix: bool = False


Pieces = list[tuple[str, bool]]  # a text in order; True: this piece is a match


def terms_of(query: str) -> tuple[Term, ...]:
    """Split a query into at most MAX_TERMS terms, all of which must match. Quotes and operators have no meaning.

    The last word may be the beginning of a word. Punctuation alone is searched for only when there is nothing else.
    """
    terms: list[Term] = []
    for chunk in query.split():
        words = words_of(chunk)
        if _UNSPACED.search(chunk):
            terms.append(Term(chunk, is_word=False))
        elif words:
            terms += [Term(word) for word in words]
        elif any(unicodedata.category(char) == "So" for char in chunk):  # an emoji
            terms.append(Term(chunk, is_word=False))
    if not terms and query.strip():
        return (Term(query.strip(), is_word=False),)
    terms = list(dict.fromkeys(terms))[:MAX_TERMS]
    if terms and terms[-1].is_word and len(terms[-1].text) >= MIN_PREFIX_CHARS and not query.startswith("#"):
        terms[-1] = Term(terms[-1].text, is_prefix=True)
    return tuple(terms)


def ticket_number(query: str) -> int | None:
    """Return the ticket number in a query such as 12 or #12, or None."""
    number = query.strip().removeprefix("#")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def fold(text: str) -> str:
    """Return the text in lower case and without accents, as the indexes compare it."""
    return ACCENTS.sub("", unicodedata.normalize("NFD", text)).lower()


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded."""
    line = fold(text)
    return [line[start:end] for start, end in _word_spans(line)]


def contains(text: str, term: Term) -> bool:
    """Return whether `text` contains this term."""
    if not term.is_word:
        return term.text in text
    return any(word.startswith(term.text) if term.is_prefix else word == term.text for word in words_of(text))


def highlight(text: str, terms: Iterable[Term], width: int = 0) -> Pieces:
    """Return the text as pieces that say whether they match; with `width`, about so many characters of it."""
    line = " ".join(text.split())
    spans = _merge_spans(_match_spans(line, list(terms)))
    start, end = _excerpt_bounds(line, spans[0][0] if spans else 0, width) if width else (0, len(line))
    inside = [(max(start, left), min(end, right)) for left, right in spans if left < end and right > start]
    edges = [start, *(edge for span in inside for edge in span), end]
    pieces = [(line[left:right], index % 2 == 1) for index, (left, right) in enumerate(pairwise(edges)) if left < right]
    if start > 0:
        pieces.insert(0, (_ELLIPSIS, False))
    if end < len(line):
        pieces.append((_ELLIPSIS, False))
    return pieces


def _excerpt_bounds(line: str, hit: int, width: int) -> tuple[int, int]:
    """Return where an excerpt starts and ends that shows `hit` and a little before it; it starts with a whole word."""
    start = 0
    if hit > LEAD_CHARS + 6:
        start = hit - LEAD_CHARS
        space = line.find(" ", start, hit)
        start = space + 1 if space >= 0 else start
    return start, min(len(line), start + width)


def _match_spans(line: str, terms: list[Term]) -> list[tuple[int, int]]:
    """Return the (start, end) of every match of the terms, as positions in `line`."""
    folded, positions = _fold_with_positions(line)
    spans: list[tuple[int, int]] = []
    words = [term for term in terms if term.is_word]
    for start, end in _word_spans(folded) if words else ():
        word = folded[start:end]
        lengths = [len(t.text) for t in words if (word.startswith(t.text) if t.is_prefix else word == t.text)]
        if lengths:
            spans.append((positions[start], positions[start + max(lengths)]))
    for term in terms:
        if not term.is_word:
            spans += [(hit.start(), hit.end()) for hit in re.finditer(re.escape(term.text), line)]
    return sorted(spans)


def _fold_with_positions(line: str) -> tuple[str, list[int]]:
    """Return the folded line, and for each of its characters (and its end) the position in `line`."""
    folded: list[str] = []
    positions: list[int] = []
    for position, char in enumerate(line):
        plain = fold(char)
        folded.append(plain)
        positions += [position] * len(plain)
    return "".join(folded), [*positions, len(line)]


def _merge_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted spans with the overlapping ones merged."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _word_spans(folded: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for position, char in enumerate(folded):
        if _is_part_of_word(char):
            start = position if start is None else start
        elif start is not None:
            spans.append((start, position))
            start = None
    return spans if start is None else [*spans, (start, len(folded))]


@lru_cache(maxsize=4096)
def _is_part_of_word(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in "LNM" or category == "Co"
