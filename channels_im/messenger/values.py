"""Lenient readers for what stands in Meta's JSON: each takes any value and never raises. Pure.

Meta's own samples hold numbers as ids, timestamps as strings and in seconds, and `payload: null`.
"""

import hashlib
import json
import math
import re
from typing import Any

MAX_DEPTH = 64
MAX_ID_CHARS = 255
# Ids of people and Pages; the database columns are that wide.
MAX_ACCOUNT_ID_CHARS = 64
MAX_URL_CHARS = 8192
# 2004-01-01 and 2100-01-01: outside of these a time is a mistake.
EARLIEST_MS = 1_072_915_200_000
LATEST_MS = 4_102_444_800_000
# Below this a number of Meta's is in seconds, above in milliseconds.
SECONDS_BELOW = 10**12

_HALF_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DIGITS = re.compile(r"\d{1,20}")


class TooDeepError(ValueError):
    """JSON nested deeper than MAX_DEPTH."""


def clean_text(text: str) -> str:
    """Return `text` as both databases can store it: no NUL, half surrogates as U+FFFD."""
    return _HALF_SURROGATE.sub("\ufffd", text.replace("\0", ""))


def clean_tree(value: Any, depth: int = 0) -> Any:
    """Return parsed JSON with every string cleaned, keys too. Raises TooDeepError."""
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= MAX_DEPTH:
        raise TooDeepError
    if isinstance(value, list):
        return [clean_tree(item, depth + 1) for item in value]
    return {clean_text(key): clean_tree(item, depth + 1) for key, item in value.items()}


def as_dict(value: Any) -> dict[str, Any]:
    """Return `value` when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` when it is an array, a lone object as an array of one, else an empty one."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def as_text(value: Any) -> str | None:
    """Return a string that is not empty, a number as its digits, else None."""
    if isinstance(value, str):
        return value or None
    if _is_number(value):
        return as_id(value) or (str(value) if isinstance(value, float) else None)
    return None


def as_id(value: Any, max_chars: int = MAX_ID_CHARS) -> str | None:
    """Return an id as a string of at most `max_chars`; longer ones become their digest, junk becomes None."""
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


def as_timestamp_ms(value: Any) -> int | None:
    """Return a time in milliseconds since 1970; seconds are multiplied, absurd or absent ones become None."""
    number = as_int(value)
    if number is None:
        return None
    ms = number * 1000 if number < SECONDS_BELOW else number
    return ms if EARLIEST_MS <= ms < LATEST_MS else None


def as_web_url(value: Any) -> str | None:
    """Return an http or https address without blanks, else None (a `javascript:` link is never handed on)."""
    if not isinstance(value, str) or len(value) > MAX_URL_CHARS:
        return None
    value = value.strip()
    is_web = value.lower().startswith(("https://", "http://"))
    return value if is_web and not re.search(r"[\s\x00-\x1f\x7f]", value) else None


def digest(value: Any) -> str:
    """Return 40 hex digits that stand for the content of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
