"""Find what a test relies on; its absence fails the test."""

import re
from typing import TypeVar

T = TypeVar("T")


def search(pattern: str, text: str, flags: int = 0) -> re.Match[str]:
    """Return the first match of `pattern` in `text`."""
    match = re.search(pattern, text, flags)
    assert match is not None, f"{pattern!r} is not in {text[-2000:]!r}"
    return match


def present(value: T | None) -> T:
    """Return a value that must not be None."""
    assert value is not None
    return value
