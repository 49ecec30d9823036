"""What a custom field takes, and that every value it takes comes back the same."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.custom_fields import (
    DECIMALS,
    FIRST_DAY,
    LAST_DAY,
    LOOKUP_LIMIT,
    TEXT_LIMIT,
    Definition,
    Kind,
    UnfitError,
    folded,
    for_api,
    is_key,
    key_from,
    lookup_of,
    stored_value,
)

CHOICES = {"a1": "Gold", "b2": "Silver", "c3": "Größe L"}
FIELDS = {kind: Definition("Field", kind, choices=CHOICES) for kind in Kind}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(), st.lists, max_leaves=3
)


@given(st.sampled_from(Kind), json_values | st.text(alphabet="0123456789+-.eE") | st.dates().map(str))
def test_a_value_is_refused_with_a_sentence_or_comes_back_the_same(kind: Kind, value: object) -> None:
    field = FIELDS[kind]
    try:
        stored = stored_value(field, value)
    except UnfitError as error:
        is_said = "“Field”" in str(error)
    else:
        is_said = _comes_back(field, stored)
    assert is_said


def _comes_back(field: Definition, stored: str) -> bool:
    assert len(stored) <= TEXT_LIMIT
    assert "\0" not in stored
    assert len(lookup_of(stored)) <= LOOKUP_LIMIT
    if not stored:
        return True
    shown = json.loads(json.dumps(for_api(field, stored), allow_nan=False))
    return stored_value(field, shown) == stored == stored_value(field, stored)


@given(st.decimals(min_value=-(10**8), max_value=10**8, places=DECIMALS))
def test_equal_numbers_are_stored_alike_however_they_are_written(number: Decimal) -> None:
    field = FIELDS[Kind.NUMBER]
    forms = {stored_value(field, text) for text in (f"{number:f}", f"{number:.15f}", str(number), f" {number:E} ")}
    assert len(forms) == 1
    assert Decimal(forms.pop()) == number


@given(st.dates())
def test_days_that_people_mean_are_taken(day: date) -> None:
    is_taken = FIRST_DAY <= day <= LAST_DAY
    try:
        assert (stored_value(FIELDS[Kind.DATE], day.isoformat()) == day.isoformat()) is is_taken
    except UnfitError:
        assert not is_taken


@given(st.text(), st.text())
def test_two_texts_are_found_together_only_when_they_are_the_same_without_case(one: str, other: str) -> None:
    assert (lookup_of(one) == lookup_of(other)) == (folded(one) == folded(other))
    assert (lookup_of("x" * 200 + one) == lookup_of("x" * 200 + other)) == (folded("x" + one) == folded("x" + other))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.NUMBER, "1e999"),
        (Kind.NUMBER, "NaN"),
        (Kind.NUMBER, float("inf")),
        (Kind.NUMBER, 10**400),
        (Kind.NUMBER, "1e-999"),
        (Kind.NUMBER, "1.0000000000000000000000000000000001"),
        (Kind.NUMBER, "١٢"),
        (Kind.NUMBER, True),
        (Kind.DATE, "0001-01-01"),
        (Kind.DATE, "2026-02-30"),
        (Kind.DATE, "20260301"),
        (Kind.TEXT, "x" * 10_000),
        (Kind.TEXT, {"a": 1}),
        (Kind.CHOICE, "Bronze"),
        (Kind.YES_NO, "perhaps"),
    ],
)
def test_what_is_refused(kind: Kind, value: object) -> None:
    with pytest.raises(UnfitError):
        stored_value(FIELDS[kind], value)


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        (Kind.TEXT, " a\0b\u202ec\r\n d ", "abc d"),
        (Kind.TEXT, "\u200b\u2060", ""),
        (Kind.TEXT, "x" * 500, "x" * 500),
        (Kind.NUMBER, "-0.0", "0"),
        (Kind.NUMBER, "1E3", "1000"),
        (Kind.NUMBER, "007.50", "7.5"),
        (Kind.CHOICE, "grösse l", "c3"),
        (Kind.CHOICE, "gold ", "a1"),
        (Kind.YES_NO, "TRUE", "yes"),
        (Kind.YES_NO, False, "no"),
    ],
)
def test_what_is_stored(kind: Kind, value: object, stored: str) -> None:
    assert stored_value(FIELDS[kind], value) == stored


def test_the_range_of_a_number() -> None:
    field = Definition("Seats", Kind.NUMBER, Decimal(1), Decimal("12.5"))
    assert stored_value(field, "12.50") == "12.5"
    with pytest.raises(UnfitError, match=r"at least 1\."):
        stored_value(field, 0)
    with pytest.raises(UnfitError, match=r"at most 12\.5\."):
        stored_value(field, 13)


@given(st.text())
def test_a_suggested_key_is_a_key(name: str) -> None:
    key = key_from(name)
    assert key == "" or is_key(key)
    assert key_from("Customer no.") == "customer_no"
