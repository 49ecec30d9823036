"""Mark what was searched for in a text, and read ticket numbers. Pure. What a term is, desk.searching says."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from desk.folding import fold, fold_with_positions
from desk.searching import Run, Term, runs_of
from desk.text import ELLIPSIS, head

LEAD_CHARS = 14  # characters shown before the first match: a narrow list shows no more

Pieces = list[tuple[str, bool]]  # a text in order; True: this piece is a match


def ticket_number(query: str) -> int | None:
    """Return the ticket number in a query such as 12 or #12, or None."""
    number = fold(query.strip()).removeprefix("#")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def highlight(text: str, terms: Iterable[Term], width: int = 0) -> Pieces:
    """Return the text as pieces that say whether they match; with `width`, about so many characters of it."""
    line = " ".join(text.split())
    spans = _merge_spans(sorted(_match_spans(line, list(terms))))
    start, end = _excerpt_bounds(line, spans[0][0] if spans else 0, width) if width else (0, len(line))
    inside = [(max(start, left), min(end, right)) for left, right in spans if left < end and right > start]
    edges = [start, *(edge for span in inside for edge in span), end]
    pieces = [(line[left:right], index % 2 == 1) for index, (left, right) in enumerate(pairwise(edges)) if left < right]
    if start > 0:
        pieces.insert(0, (ELLIPSIS, False))
    if end < len(line):
        pieces.append((ELLIPSIS, False))
    return pieces


def digit_spans(phone: str, term: Term) -> Pieces:
    """Return a phone number as pieces; the digits of the term are marked, with what stands between them."""
    places = [(place, char) for place, char in enumerate(fold(phone)) if char.isdecimal()]
    at = "".join(char for _place, char in places).find(term.text)
    if at < 0 or len(fold(phone)) != len(phone):
        return [(phone, False)]
    start, end = places[at][0], places[at + len(term.text) - 1][0] + 1
    return [piece for piece in ((phone[:start], False), (phone[start:end], True), (phone[end:], False)) if piece[0]]


def _excerpt_bounds(line: str, hit: int, width: int) -> tuple[int, int]:
    """Return where an excerpt starts and ends that shows `hit` and a little before it; it starts with a whole word."""
    start = 0
    if hit > LEAD_CHARS + 6:
        start = hit - LEAD_CHARS
        space = line.find(" ", start, hit)
        start = space + 1 if space >= 0 else len(head(line, start)) if hit < 1000 else start
    return start, start + len(head(line[start:], width))


def _match_spans(line: str, terms: list[Term]) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of every match of the terms, as positions in `line`."""
    folded, spans = fold_with_positions(line)
    for run in runs_of(folded):
        for start, end in _matches(run, terms):
            if end > start:
                yield spans[run.start + start][0], spans[run.start + end - 1][1]


def _matches(run: Run, terms: list[Term]) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of the matches in a run, as positions in it."""
    for term in terms:
        if term.is_word != run.is_word:
            continue
        if not term.is_word:
            at = run.text.find(term.text)
            while at >= 0:
                yield at, at + len(term.text)
                at = run.text.find(term.text, at + 1)
        elif run.text == term.text or (term.is_prefix and run.text.startswith(term.text)):
            yield 0, len(term.text)


def _merge_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted spans with the overlapping ones merged."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
