"""Cut text, and clean names, as people read them. Pure.

A limit counts Unicode code points. A cut falls between grapheme clusters, what a person sees as one character: a family
emoji, a flag, a letter with its marks. Only a cluster that is longer than the limit is cut itself.
"""

import re

import regex

_CLUSTER = regex.compile(r"\X")
# Embeddings, overrides and isolates: they change the direction of what stands after them.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# U+2800 is the Braille cell without dots; the fillers of Hangul are among the ignorable code points.
_INVISIBLE = regex.compile(r"[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]*")
ELLIPSIS = "…"


def head(text: str, limit: int) -> str:
    """Return the beginning of `text`, at most `limit` characters."""
    if len(text) <= limit:
        return text
    end = 0
    # Whether a cluster ends at `limit` depends on the one character after it.
    for cluster in _CLUSTER.finditer(text, 0, limit + 1):
        if cluster.end() > limit:
            break
        end = cluster.end()
    return text[: end or limit]


def tail(text: str, limit: int) -> str:
    """Return the end of `text`, at most `limit` characters."""
    if len(text) <= limit:
        return text
    starts = [cluster.start() for cluster in _CLUSTER.finditer(text)]
    return text[next((start for start in starts if start >= len(text) - limit), len(text) - limit) :]


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and an ellipsis, at most `limit` characters."""
    return text if len(text) <= limit else head(text, limit - 1) + ELLIPSIS


def one_line(text: str, limit: int) -> str:
    """Return `text` as one line of at most `limit` characters that does not turn the direction of its surroundings."""
    return cut(" ".join(without_directions(text[: limit * 4]).split()), limit)


def first_character(text: str) -> str:
    """Return the first grapheme cluster."""
    found = _CLUSTER.match(text)
    return found.group() if found else ""


def without_directions(text: str) -> str:
    """Return `text` without the characters that turn the direction of what stands after them."""
    return _DIRECTIONS.sub("", text)


def is_blank(text: str) -> bool:
    """Return whether nothing of `text` can be seen: spaces, marks without a letter, characters without a shape."""
    return _INVISIBLE.fullmatch(text) is not None


def shown_name(name: str, limit: int) -> str:
    """Return the name of a person or a thing as one line of at most `limit` characters; "" when none of it is visible.

    Characters that turn the direction are left out: the name stands in titles, sentences and lists.
    """
    return "" if is_blank(name) else one_line(name, limit)
