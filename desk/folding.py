"""Fold texts so that search compares what people mean: one rule for what is indexed and what is asked. Pure.

Folding takes away width and presentation (NFKC), case (full case folding), and the marks that people leave out:

* accents of Latin, Greek and Cyrillic (é, ή, й, ё, ї) and letters like ø, ł and æ; ß is ss; Turkish ı and İ are i;
* vowel signs of Arabic and points of Hebrew; the forms of alef, yeh, kaf and teh marbuta are one letter each;
* the nukta of Indic scripts. Their vowel signs stay, they are letters.

Hangul syllables become their letters, so that an unfinished syllable matches. Katakana is hiragana; voicing stays.
"""

import re
import unicodedata
from functools import lru_cache

import regex

_CLUSTER = regex.compile(r"\X")
# Accents, Arabic vowel signs and tatweel, Hebrew points, nuktas, modifiers of emoji, and characters without a shape.
_LEFT_OUT = regex.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u08d3-\u08ff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc\U0001f3fb-\U0001f3ff"
    r"\p{Cf}\p{Variation_Selector}]+"
)
_VOICED = re.compile("[\u3041-\u3096\u309d\u309e][\u3099\u309a]")
_LETTERS = {
    **dict(zip("øłđħŧıŀþðæœ", ["o", "l", "d", "h", "t", "i", "l", "th", "d", "ae", "oe"], strict=True)),
    **dict(zip("ٱىیېےکةھہە", "اييييكهههه", strict=True)),
    **{chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)},  # katakana
    "ヽ": "ゝ",
    "ヾ": "ゞ",
}
_TABLE = str.maketrans(_LETTERS)
_SYMBOL = re.compile("[™℠№℡℻㏂㏇]|[\u3200-\u33ff]")  # their compatibility forms would join the word beside them


def fold(text: str) -> str:
    """Return the text as search compares it."""
    if text.isascii():
        return text.lower()
    return "".join(map(_fold_cluster, _CLUSTER.findall(text)))


def fold_with_positions(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the folded text, and for each of its characters the (start, end) in `text` of what it stands for."""
    folded: list[str] = []
    spans: list[tuple[int, int]] = []
    for cluster in _CLUSTER.finditer(text):
        plain = _fold_cluster(cluster.group())
        folded.append(plain)
        spans += [cluster.span()] * len(plain)
    return "".join(folded), spans


@lru_cache(maxsize=32_768)
def _fold_cluster(cluster: str) -> str:
    """Return the folded form of what people see as one character."""
    if _SYMBOL.match(cluster):
        return f" {cluster} "
    plain = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", cluster)).casefold()
    plain = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", plain)).translate(_TABLE)
    plain = _VOICED.sub(lambda pair: unicodedata.normalize("NFC", pair.group()), plain)
    return "".join(map(_digit, plain))


def _digit(char: str) -> str:
    value = None if char.isascii() else unicodedata.decimal(char, None)
    return char if value is None else str(value)
