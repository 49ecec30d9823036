"""Split texts and search queries into the same terms, and say whether a text contains a term. Pure.

A folded text (desk.folding) is a row of runs. A *word* is letters and digits of a script that divides its words by
spaces; a query may leave it unfinished. Of everything else, scripts without spaces and signs, any part is found: the
index has a piece of PIECE characters at each place, and a longer part is looked up by all of its pieces.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from desk.folding import fold

MAX_TERMS = 8
MAX_WORD_CHARS = 100  # longer words are indexed and asked by their beginning
MAX_TEXT_CHARS = 20_000  # of a text are indexed: the limit of a note
MIN_PREFIX_CHARS = 2  # too many words begin with any single letter
PIECE = 3
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_RUN = regex.compile(
    rf"(?P<part>[{UNSPACED}]+)|(?P<word>[[\p{{L}}\p{{N}}\p{{M}}\p{{Co}}]--[{UNSPACED}]]+)|(?P<sign>[^\s\p{{Z}}\p{{C}}])",
    regex.VERSION1,
)
# The index of SQLite takes signs of ASCII for spaces: there they are in full width, which no folded text contains.
_STORED = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if not chr(code).isalnum()}
_LONE_MARKS = frozenset(".,;:!?'\"()[]/-_@…·•–—“”‘’„«»¿¡。、「」・،؟؛।")
_COMMON_SIGN = regex.compile(r"[.,;:!?'\"()\[\]{}/\\<>|*^_`~@&+=#-]|\p{P}")


@dataclass(frozen=True)
class Term:
    """One term of a query: a word, the beginning of one (with `is_prefix`), or any part of a run (not `is_word`)."""

    text: str
    is_word: bool = True
    is_prefix: bool = False

    def pieces(self) -> list[tuple[str, bool]]:
        """Return the terms of the index that stand for this one, all of them; True: any that begins so."""
        text = self.text.translate(_STORED)
        if self.is_word:
            return [(text, self.is_prefix)]
        if len(text) < PIECE:
            return [(text, True)]
        return [(text[at : at + PIECE], False) for at in range(len(text) - PIECE + 1)]


@dataclass(frozen=True)
class Run:
    """A run of a folded text, with its place there."""

    text: str
    start: int
    is_word: bool


def runs_of(folded: str) -> Iterator[Run]:
    """Yield the runs of a folded text; neighbouring signs are one run."""
    signs, start = "", 0
    for found in _RUN.finditer(folded):
        if found.lastgroup == "sign":
            if signs and start + len(signs) == found.start():
                signs += found.group()
                continue
            if signs:
                yield Run(signs, start, is_word=False)
            signs, start = found.group(), found.start()
            continue
        if signs:
            yield Run(signs, start, is_word=False)
            signs = ""
        yield Run(found.group(), found.start(), is_word=found.lastgroup == "word")
    if signs:
        yield Run(signs, start, is_word=False)


def index_terms(*texts: str) -> list[str]:
    """Return the terms under which the index has these texts, each once."""
    terms: dict[str, None] = {}
    for text in texts:
        for run in runs_of(fold(text[:MAX_TEXT_CHARS])):
            if run.is_word:
                terms[run.text[:MAX_WORD_CHARS]] = None
            elif not _is_lone_mark(run.text):
                terms |= dict.fromkeys(run.text[at : at + PIECE] for at in range(len(run.text)))
    return [term.translate(_STORED) for term in terms]


def phone_terms(phone: str) -> list[str]:
    """Return the terms under which the index has a phone number: its digits from each place on, from four on."""
    digits = _digits(phone)
    return [digits[at:] for at in range(len(digits) - 3)]


def phone_term(query: str) -> Term | None:
    """Return the term for a query that is a part of a phone number, however it is grouped; else None."""
    line = fold(query)
    digits = _digits(line).lstrip("0")
    is_number = len(digits) >= 4 and all(char.isdecimal() or char in " +-./()" for char in line)
    return Term(digits, is_prefix=True) if is_number else None


def terms_of(query: str) -> tuple[Term, ...]:
    """Split a query into at most MAX_TERMS terms, all of which must match. Quotes and operators have no meaning.

    Every word may be unfinished. Signs count when they are no punctuation, or when there is nothing else.
    """
    is_number = query.strip().startswith("#")
    terms: list[Term] = []
    signs: list[Term] = []
    for run in runs_of(fold(query)):
        if run.is_word:
            word = run.text[:MAX_WORD_CHARS]
            terms.append(Term(word, is_prefix=len(word) >= MIN_PREFIX_CHARS and not is_number))
        elif not all(map(_is_common_sign, run.text)):
            terms.append(Term(run.text, is_word=False))
        else:
            signs.append(Term(run.text, is_word=False))
    return tuple(dict.fromkeys(terms or signs))[:MAX_TERMS]


def contained(texts: Iterable[str], terms: Iterable[Term]) -> set[Term]:
    """Return those of the terms that one of the texts contains."""
    runs = [run for text in texts if text for run in runs_of(fold(text))]
    return {term for term in terms if any(_is_in(run, term) for run in runs)}


def _is_in(run: Run, term: Term) -> bool:
    if run.is_word != term.is_word:
        return False
    if not term.is_word:
        return term.text in run.text
    return run.text.startswith(term.text) if term.is_prefix else run.text == term.text


def matches(query: str, *texts: str) -> bool:
    """Return whether every term of the query is in one of these texts; for short lists that are read whole."""
    terms = terms_of(query)
    return len(contained(texts, terms)) == len(terms)


def _digits(text: str) -> str:
    return "".join(char for char in fold(text) if char.isdecimal())


def _is_lone_mark(signs: str) -> bool:
    """Return whether this is a sign of punctuation between words, which nobody looks for."""
    return len(signs) == 1 and signs in _LONE_MARKS


@lru_cache(maxsize=4096)
def _is_common_sign(char: str) -> bool:
    return unicodedata.category(char)[0] == "P" or _COMMON_SIGN.fullmatch(char) is not None
