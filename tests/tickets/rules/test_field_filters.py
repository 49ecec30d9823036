"""Custom fields in filters: their names, and values with whatever signs in addresses and in JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules import field_filters
from tickets.rules.filters import FilterError, parse, parse_leniently

texts = st.text(min_size=1, max_size=60) | st.text(r"\,", min_size=1, max_size=6)
NAMES = ["field_plan", "field_plan.has", "field_seats.from", "field_seats.to", "field_plan.set", "field_a_b"]


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(NAMES), st.lists(texts, max_size=4)))
def test_what_an_address_says_about_fields_is_kept_and_written_in_one_way(raw: dict[str, Any]) -> None:
    found = parse_leniently(raw)
    assert parse_leniently(found.to_query()) == parse_leniently(found.to_json()) == found
    assert {name for name, values in raw.items() if any(map(field_filters.tidy, values))} == set(found.to_json())


@given(st.lists(texts.map(field_filters.tidy).filter(bool), min_size=1, max_size=5))
def test_commas_and_backslashes_are_part_of_a_value(values: list[str]) -> None:
    assert set(parse(parse({"field_plan": values}).to_query()).get("field_plan")) == set(values)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"field_": "x"}, "There is no filter “field_”."),
        ({"field_plan.": "x"}, "There is no filter “field_plan.”."),
        ({"field_Plan": "x"}, "There is no filter “field_Plan”."),
        ({"field_plan.like": "x"}, "There is no filter “field_plan.like”."),
        ({"field_seats.from": "many"}, "Write a number such as 12.5"),
        ({"field_seats.from": "2026-02-30"}, "Write a number such as 12.5"),
        ({"field_seats.from": ["1", "2"]}, "Give one value."),
        ({"field_plan.set": "maybe"}, "Write “yes” or “no”."),
        ({"field_plan.has": "x" * 101}, "This value is longer than 100 characters."),
        ({"field_plan": "x" * 501}, "This value is longer than 500 characters."),
        ({f"field_k{number}": "x" for number in range(21)}, "Filter by at most 20 fields at once."),
        ({"field_plan": {"id": 1}}, "Give text, or a list of texts."),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(FilterError, match=words):
        parse(raw)


def test_values_have_one_way_to_be_written() -> None:
    raw = {"field_b.to": 5.50, "field_a": "x,  y \u202e z,x", "field_c.set": True, "label": "7", "field_b.from": "+1e1"}
    assert parse(raw).to_query() == {
        "label": "7",
        "field_a": "x,y z",
        "field_b.from": "10",
        "field_b.to": "5.5",
        "field_c.set": "yes",
    }


def test_a_value_that_is_too_long_stays_too_long() -> None:
    kept = parse_leniently({"field_a.has": "x" * 9000}).get("field_a.has")
    assert kept == ("x" * 101,)
    assert len(parse_leniently({f"field_k{number}": "x" for number in range(900)}).values) == field_filters.MOST_KEPT
