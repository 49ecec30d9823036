import json
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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9" * 5000, "9" * 5000),
        ("-" + "9" * 99, -int("9" * 99)),
        ("1e400", None),
        ("NaN", None),
        ("-Infinity", None),
        (r'"\ud800 a\u0000b"', "\ufffd ab"),
    ],
)
def test_json_is_read_whatever_its_values_are(text: str, value: object) -> None:
    assert values.load_json(f"[{text}, 1]") == [value, 1]
    assert values.load_json(f"[{text}, 1]".encode()) == [value, 1]


def test_what_is_nested_too_deeply_is_refused_or_left_out() -> None:
    text = "[" * 70 + "]" * 70
    with pytest.raises(values.TooDeepError):
        values.load_json(text)
    assert values.load_json(f'[{text}, "beside"]', prune=True)[1] == "beside"


@pytest.mark.parametrize("inside", ["", "1", '"]}"', r'"\"[[", {"a": "["}'])
@pytest.mark.parametrize("depth", [61, 63, 64, 70, 5_000, 200_000])
def test_only_the_value_that_is_too_deep_is_left_out(depth: int, inside: str) -> None:
    text = f'{{"before": "[{{", "deep": {"[" * depth}{inside}{"]" * depth}, "after": [{{"x": "}}"}}]}}'
    read = values.load_json(text, prune=True)
    assert (read["before"], read["after"]) == ("[{", [{"x": "}"}])
    levels, deep = 0, read["deep"]
    while isinstance(deep, list) and deep:
        levels, deep = levels + 1, deep[0]
    assert levels <= values.MAX_DEPTH
    if depth < values.MAX_DEPTH - 2:
        assert read == json.loads(text)


FAR_AHEAD: list[object] = [values.LATEST_MS, 10**15, 10**40, 253_402_300_799, 1e300, "9" * 18, "9" * 30, "9" * 5000]


@pytest.mark.parametrize("given", FAR_AHEAD)
def test_a_watermark_of_any_year_ahead_is_one(given: object) -> None:
    assert values.as_watermark_ms(given) == values.LATEST_MS - 1


@pytest.mark.parametrize("given", [None, "", "soon", -1, 0, 5, True, [], float("nan")])
def test_what_is_no_time_is_no_watermark(given: object) -> None:
    assert values.as_watermark_ms(given) is None
    assert values.as_watermark_ms("1790000000") == values.as_watermark_ms(1_790_000_000_000) == 1_790_000_000_000


@pytest.mark.parametrize(("given", "code"), [(190, 190), ("190", 190), (2**31, None), (-(2**31), None), ("x", None)])
def test_a_code_fits_into_its_column(given: object, code: int | None) -> None:
    assert values.as_code(given) == code


@pytest.mark.parametrize(("given", "seconds"), [(5_184_000, 5_184_000), ("60", 60), (10**19, None), (None, None)])
def test_a_duration_can_be_added_to_a_time(given: object, seconds: int | None) -> None:
    assert values.as_duration_s(given) == seconds
