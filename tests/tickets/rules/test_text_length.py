"""Texts that are too long for Facebook, and their halves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.text_length import halves, length_refusal


@pytest.mark.parametrize(
    ("text", "code", "subcode", "says"),
    [
        ("😀" * 1600, 100, None, "3,200 as UTF-16"),
        ("荷" * 1600, 100, None, "4,800 bytes"),
        ("a" * 1600, 100, None, None),
        ("😀" * 1600, 100, 2018109, None),
        ("😀" * 1600, 200, None, None),
        ("Hello", 100, None, None),
    ],
)
def test_the_reason_names_the_length_only_when_it_can_be_that(
    text: str, code: int, subcode: int | None, says: str | None
) -> None:
    reason = length_refusal(text, code, subcode)
    assert (reason is None) == (says is None)
    assert (says or "") in (reason or "")


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("One two.\n\nThree four.", "One two.", "Three four."),
        ("One two. Three four.", "One two.", "Three four."),
        ("one two three four", "one two", "three four"),
        ("👨\u200d👩\u200d👧" * 4, "👨\u200d👩\u200d👧" * 2, "👨\u200d👩\u200d👧" * 2),
        ("👨\u200d👩\u200d👧" * 3, "👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧" * 2),
        ("一二三。四五六。", "一二三。", "四五六。"),
    ],
)
def test_a_text_is_divided_near_its_middle_where_people_would(text: str, first: str, second: str) -> None:
    assert halves(text) == (first, second)


@given(st.text(min_size=4, max_size=200).map(str.strip).filter(lambda text: len(text) > 3))
def test_nothing_but_blanks_between_the_halves_is_lost(text: str) -> None:
    first, second = halves(text)
    assert first
    assert second
    assert "".join((first + second).split()) == "".join(text.split())
