"""Recognize one emoji, as Messenger accepts it for a reaction. Pure."""

import unicodedata

MAX_CODE_POINTS = 10  # the longest in use: a kiss of two people with skin tones
ZWJ, VARIATION, KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_JOINERS = {ZWJ, VARIATION, KEYCAP}
_SKIN_TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
_TAGS = {chr(code) for code in range(0xE0020, 0xE0080)}  # in the flags of England, Scotland, Wales
_REGIONAL = {chr(code) for code in range(0x1F1E6, 0x1F200)}


def is_emoji(text: str) -> bool:
    """Return whether `text` is one emoji: a symbol with its modifiers, several joined symbols, a flag or a keycap."""
    if not 0 < len(text) <= MAX_CODE_POINTS:
        return False
    if text[0] in _REGIONAL:
        return len(text) == 2 and text[1] in _REGIONAL
    if text[0] in "0123456789#*":
        return text[1:] in (KEYCAP, VARIATION + KEYCAP)
    return all(_is_one_symbol(part) for part in text.split(ZWJ))


def _is_one_symbol(part: str) -> bool:
    if not part:
        return False
    rest = set(part[1:])
    is_other_symbol = unicodedata.category(part[0]) == "So"  # English only: a name of Unicode
    is_symbol = is_other_symbol or (part[0] in "‼⁉↔▶◀〰" and VARIATION in rest)
    return is_symbol and rest <= _JOINERS | _SKIN_TONES | _TAGS
