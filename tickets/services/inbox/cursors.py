"""Cursors of lists: places between two rows, in the order of a time and then of the id."""

from datetime import UTC, datetime

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

Place = tuple[datetime, int]  # the time and id of a row, where the next page goes on


def after_cursor(field: str, cursor: Place, *, descending: bool, inclusive: bool = False) -> Q:
    """Return the condition "after `cursor` in the order of `field` and id"; with `inclusive` also the cursor's row."""
    moment, pk = cursor
    comparison, edge = ("lt" if descending else "gt"), ("e" if inclusive else "")
    # Redundant, but it lets the database begin at the right place of the index.
    start = Q(**{f"{field}__{comparison}e": moment})
    return start & (Q(**{f"{field}__{comparison}": moment}) | Q(**{f"pk__{comparison}{edge}": pk}))


def write_cursor(moment: datetime, pk: int) -> str:
    """Return the cursor of a row with this time and id."""
    return f"{moment.isoformat()}_{pk}"


def read_cursor(cursor: str) -> Place | None:
    """Return the time and id of a cursor; None for anything that is not one."""
    moment_text, _, pk_text = cursor.replace(" ", "+").rpartition("_")
    try:
        moment = parse_datetime(moment_text)
        moment = moment.astimezone(UTC) if moment and timezone.is_aware(moment) else None
    except (ValueError, OverflowError):  # OverflowError: it has no time in UTC
        return None
    if moment is None or not (pk_text.isascii() and pk_text.isdecimal()):
        return None
    return (moment, int(pk_text)) if len(pk_text) < 19 else None
