"""Filters of the inbox: what they read, refuse and write."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules import filters
from tickets.rules.filters import FIELDS, FilterError, moment_of, parse, parse_leniently

NOW = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
GOOD: dict[str, list[str]] = {
    "assignee": ["me", "nobody", "7", "12"],
    "department": ["1", "2"],
    "channel": ["3"],
    "status": ["open", "closed"],
    "label": ["5", "6"],
    "priority": ["low", "urgent"],
    "unread": ["yes", "no"],
    "waiting": ["yes", "no", "4h", "2d"],
    "window": ["open", "soon", "closed"],
    "snoozed": ["yes", "no"],
    "since": ["7d", "2026-03-01"],
    "until": ["30m", "2026-03-01T09:30:00Z"],
    "opened_since": ["90d"],
    "opened_until": ["2026-02-28"],
}
chosen = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.sampled_from(GOOD[name]), min_size=1, max_size=field.most) for name, field in FIELDS.items()
    },
)


def test_every_field_is_tested() -> None:
    assert set(GOOD) == set(FIELDS)


@given(chosen)
def test_what_is_written_is_read_again(raw: dict[str, list[str]]) -> None:
    """Twice the same filter, in whatever order its values were given, is written in the same way."""
    found = parse(raw)
    assert parse(found.to_json()) == parse(found.to_query()) == found
    assert parse({name: values[::-1] for name, values in reversed(raw.items())}) == found
    assert parse_leniently(found.to_query()) == found
    for name, values in found.values:
        for value in values:
            assert value not in found.without(name, value).get(name)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([*FIELDS, "", "sort", "x"]), st.text() | st.lists(st.text()) | st.none()))
def test_an_address_with_junk_keeps_what_can_be_read(raw: dict[str, Any]) -> None:
    assert parse(parse_leniently(raw).to_json()) == parse_leniently(raw)


def test_values_have_one_way_to_be_written() -> None:
    raw = {
        "since": "48h",
        "label": "007,6, 6",
        "until": "2026-03-01T10:30+01:00",
        "waiting": True,
        "priority": "urgent,low",
    }
    assert parse(raw).to_query() == {
        "label": "6,7",
        "priority": "low,urgent",
        "waiting": "yes",
        "since": "2d",
        "until": "2026-03-01T09:30:00Z",
    }


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"colour": "red"}, "There is no filter “colour”."),
        ({"status": "new"}, "Choose one of: open, closed."),
        ({"status": "open,closed"}, "Give one value."),
        ({"label": "bug"}, "Write the id of a row"),
        ({"label": "9" * 19}, "Write the id of a row"),
        ({"label": "²"}, "Write the id of a row"),
        ({"label": [str(number) for number in range(21)]}, "Give at most 20 values."),
        ({"assignee": "alice"}, "Write “me”, “nobody” or the id of a user."),
        ({"waiting": "soon"}, "Write “yes”, “no” or a length of time"),
        ({"waiting": "0h"}, "Write “yes”, “no” or a length of time"),
        ({"since": "2026-02-30"}, "Write a day such as"),
        ({"since": "3651d"}, "Write a day such as"),
        ({"since": "0001-01-01"}, "Write a day such as"),
        ({"since": "2026-03-01T09:30"}, "Write a day such as"),
        ({"since": "x" * 61}, "This value is longer than 60 characters."),
        ({"since": {"at": "7d"}}, "Give text, or a list of texts."),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(FilterError, match=words) as error:
        parse(raw)
    assert error.value.field == next(iter(raw))


def test_a_day_is_that_of_the_reader_and_belongs_to_the_time_until_it() -> None:
    """In Berlin this day has 23 hours."""
    assert moment_of("2026-03-29", NOW, BERLIN) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert moment_of("2026-03-29", NOW, BERLIN, is_end=True) == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert moment_of("7d", NOW, BERLIN, is_end=True) == NOW - timedelta(days=7)


def test_a_field_of_another_piece_is_read_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "FIELDS", dict(FIELDS))
    filters.register(filters.Field("plan", str.lower, 2))
    assert parse({"plan": "Gold,SILVER"}).to_query() == {"plan": "gold,silver"}
