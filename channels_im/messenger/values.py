"""Read the values of Meta's JSON leniently: the `as_…` functions accept any value and never raise. Pure.

Meta's own samples contain numbers as ids, timestamps as strings and in seconds, and `payload: null`.
"""

import hashlib
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from desk.text import is_blank

MAX_DEPTH = 64
MAX_ID_CHARS = 255
# Ids of people, Pages and apps; the database columns have this width.
MAX_ACCOUNT_ID_CHARS = 64
MAX_URL_CHARS = 8192
MAX_INT_DIGITS = 1000
MAX_CODE = 2**31 - 1
MAX_DURATION_S = 10 * 366 * 86_400
# 2004-01-01 and 2100-01-01: a time outside of these is wrong.
EARLIEST_MS = 1_072_915_200_000
LATEST_MS = 4_102_444_800_000
# A smaller timestamp is in seconds, a larger one in milliseconds.
MIN_MILLISECONDS = 10**12

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
_DIGITS = re.compile(r"\d{1,20}")
_MANY_DIGITS = re.compile(r"\d{21,}", re.ASCII)


class TooDeepError(ValueError):
    """JSON nested deeper than MAX_DEPTH."""


def clean_text(text: str) -> str:
    """Return `text` as both databases can store it: without NUL, lone surrogates replaced by U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text.replace("\0", ""))


def clean_tree(value: Any, depth: int = 0, *, prune: bool = False) -> Any:
    """Return parsed JSON with every string and key cleaned.

    Beyond MAX_DEPTH levels it raises TooDeepError, or with `prune` puts None in the place of what is deeper.
    """
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= MAX_DEPTH:
        if prune:
            return None
        raise TooDeepError
    if isinstance(value, list):
        return [clean_tree(item, depth + 1, prune=prune) for item in value]
    return {clean_text(key): clean_tree(item, depth + 1, prune=prune) for key, item in value.items()}


def load_json(content: str | bytes, *, prune: bool = False) -> Any:
    """Return parsed JSON, cleaned by `clean_tree`, in which one strange value does not spoil the rest.

    A whole number of more than MAX_INT_DIGITS digits becomes its text (Python refuses to read very long ones), NaN,
    Infinity and a fraction beyond the range of a float become None. Raises ValueError for what is not JSON,
    TooDeepError or RecursionError for what is nested too deeply. With `prune` what is deeper than MAX_DEPTH levels
    becomes None instead, however deep it is.
    """
    if isinstance(content, bytes):
        content = content.decode("utf-8-sig", "replace")
    try:
        data = _read_json(content)
    except RecursionError:
        if not prune:
            raise
        data = _read_json(without_deep_values(content))
    return clean_tree(data, prune=prune)


def without_deep_values(text: str) -> str:
    """Return JSON text with null in the place of every value deeper than MAX_DEPTH levels. Linear in its length.

    Raises TooDeepError when it is deeper than that and its brackets do not match.
    """
    pieces: list[str] = []
    depth = kept_to = cut_from = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth == MAX_DEPTH + 1:
                    cut_from = token.start()
            case "]" | "}":
                if depth == MAX_DEPTH + 1:
                    pieces += text[kept_to:cut_from], "null"
                    kept_to = token.end()
                depth -= 1
    if depth > MAX_DEPTH:
        raise TooDeepError
    return "".join([*pieces, text[kept_to:]])


def _read_json(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _name: None, parse_float=_finite_float, parse_int=_short_int)


def _finite_float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _short_int(text: str) -> int | str:
    return int(text) if len(text) <= MAX_INT_DIGITS else text


def as_dict(value: Any) -> dict[str, Any]:
    """Return `value` when it is an object, else an empty dict."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` when it is an array, a list with `value` when it is an object, else an empty list."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def as_text(value: Any) -> str | None:
    """Return a non-empty string as it is, a number as its digits, else None."""
    if isinstance(value, str):
        return value or None
    if _is_number(value):
        return as_id(value) or (str(value) if isinstance(value, float) else None)
    return None


def as_visible(value: Any) -> str | None:
    """Return what `as_text` returns, but None for a text of which a person would see nothing."""
    text = as_text(value)
    return None if text is None or is_blank(text) else text


def as_id(value: Any, max_chars: int = MAX_ID_CHARS) -> str | None:
    """Return an id as a string of at most `max_chars` characters, a longer one as its digest, else None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**100:
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    value = value.strip()
    return value if len(value) <= max_chars else "sha256:" + hashlib.sha256(value.encode()).hexdigest()[:48]


def as_account_id(value: Any) -> str | None:
    """Return the id of a person, a Page or an app as a string of at most 64 characters, else None."""
    return as_id(value, MAX_ACCOUNT_ID_CHARS)


def as_bool(value: Any) -> bool:
    """Return True for true, 1 and "true", else False."""
    return value is True or value == 1 or (isinstance(value, str) and value.lower() == "true")


def as_int(value: Any) -> int | None:
    """Return a whole number of at most 20 digits, also from a string, else None."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    if _is_number(value) and abs(value) < 10**20:
        return int(value)
    return None


def as_code(value: Any) -> int | None:
    """Return an error code that a column for whole numbers of 32 bits can hold, else None."""
    number = as_int(value)
    return number if number is not None and abs(number) <= MAX_CODE else None


def as_duration_s(value: Any) -> int | None:
    """Return a number of seconds of at most ten years, else None."""
    number = as_int(value)
    return number if number is not None and abs(number) <= MAX_DURATION_S else None


def as_timestamp_ms(value: Any) -> int | None:
    """Return a time in milliseconds since 1970, converted when it is in seconds; None when absent or out of range."""
    number = as_int(value)
    if number is None:
        return None
    ms = number * 1000 if number < MIN_MILLISECONDS else number
    return ms if EARLIEST_MS <= ms < LATEST_MS else None


def as_watermark_ms(value: Any) -> int | None:
    """Return a watermark in milliseconds since 1970, one in the far future as the latest time there is; else None."""
    if isinstance(value, str) and _MANY_DIGITS.fullmatch(value.strip()):
        return LATEST_MS - 1
    number = int(value) if _is_number(value) else as_int(value)
    if number is None:
        return None
    ms = number * 1000 if number < MIN_MILLISECONDS else number
    return min(ms, LATEST_MS - 1) if ms >= EARLIEST_MS else None


def as_moment(value: Any) -> datetime | None:
    """Return the UTC time of a number of seconds since 1970, or None when it is absent, 0 or out of range."""
    seconds = as_int(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds and 0 < seconds < LATEST_MS // 1000 else None


def as_web_url(value: Any) -> str | None:
    """Return an http or https URL without whitespace, else None (so a `javascript:` link is never passed on)."""
    if not isinstance(value, str) or len(value) > MAX_URL_CHARS:
        return None
    value = value.strip()
    is_web = value.lower().startswith(("https://", "http://"))
    return value if is_web and not re.search(r"[\s\x00-\x1f\x7f]", value) else None


def digest(value: Any) -> str:
    """Return 40 hex digits that identify the content of a JSON value, regardless of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
