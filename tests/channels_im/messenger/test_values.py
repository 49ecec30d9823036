from typing import Any

import pytest

from channels_im.messenger import values


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("x", "x"),
        ("", None),
        (5, "5"),
        (5.0, "5"),
        (12.5, "12.5"),
        (True, None),
        (None, None),
        ([], None),
        (10**400, None),
    ],
)
def test_text_is_a_string_or_a_number(given: Any, text: str | None) -> None:
    assert values.as_text(given) == text


@pytest.mark.parametrize(
    ("given", "identifier"),
    [(" 7 ", "7"), (7, "7"), (7.0, "7"), (7.5, None), ("  ", None), (True, None), ({}, None), (-(10**400), None)],
)
def test_ids_are_strings_without_blanks(given: Any, identifier: str | None) -> None:
    assert values.as_id(given) == identifier


def test_two_long_ids_stay_different() -> None:
    assert values.as_id("a" * 300 + "1") != values.as_id("a" * 300 + "2")


@pytest.mark.parametrize(
    ("given", "number"),
    [("12", 12), (12.9, 12), ("-1", None), ("1e5", None), ("1" * 30, None), (10**400, None), (True, None)],
)
def test_numbers_are_whole_and_of_a_sane_size(given: Any, number: int | None) -> None:
    assert values.as_int(given) == number


@pytest.mark.parametrize(
    ("given", "truth"), [(True, True), (1, True), ("true", True), ("false", False), (0, False), ([], False)]
)
def test_truth_has_three_spellings(given: Any, truth: bool) -> None:
    assert values.as_bool(given) is truth


def test_keys_are_cleaned_too() -> None:
    assert values.clean_tree({"a\0": ["b\ud83d"]}) == {"a": ["b\ufffd"]}
