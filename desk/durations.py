"""Lengths of time as administrators write them in settings: `30m`, `12h`, `14d`. Pure."""

import re

SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")


def parse_setting(name: str, text: str) -> int:
    """Return the length of time in seconds. Raise ValueError with a sentence that names the setting."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{name} is {text!r}. Write a number of minutes, hours or days, such as 30m, 12h or 14d.")
    return int(match[1]) * SECONDS[match[2]]
