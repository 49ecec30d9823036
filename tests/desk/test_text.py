"""Texts cut between the characters that people see, and names of which something can be seen."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from desk.text import cut, first_character, head, is_blank, one_line, shown_name, tail

FAMILY = "👨\u200d👩\u200d👧\u200d👦"  # seven code points
GERMANY, FRANCE = "🇩🇪", "🇫🇷"
CHARACTERS = [
    FAMILY,
    GERMANY,
    FRANCE,
    "👍🏽",
    "1\ufe0f\u20e3",
    "e\u0301",
    "하",
    "\u1112\u1161\u11ab",
    "नि",
    "a",
    " ",
    "荷",
]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("parcel", 6, "parcel"),
        ("parcels", 6, "parce…"),
        (FAMILY * 2, 14, FAMILY * 2),
        (FAMILY * 2, 13, f"{FAMILY}…"),
        (GERMANY + FRANCE, 4, GERMANY + FRANCE),
        (GERMANY + FRANCE + "!", 4, f"{GERMANY}…"),
        ("ab👍🏽!", 4, "ab…"),
        ("abe\u0301!!", 4, "ab…"),
        (FAMILY + "!", 5, "👨\u200d👩\u200d…"),  # longer than the limit alone: it has to be cut
    ],
)
def test_a_cut_falls_between_characters(text: str, limit: int, expected: str) -> None:
    assert cut(text, limit) == expected


@given(st.lists(st.sampled_from(CHARACTERS), max_size=30), st.integers(min_value=8, max_value=40))
def test_no_character_is_cut_and_as_much_as_fits_is_kept(characters: list[str], limit: int) -> None:
    text = "".join(characters)
    clusters = regex.findall(r"\X", text)
    for kept, ends in ((head(text, limit), clusters), (tail(text, limit), clusters[::-1])):
        number = len(regex.findall(r"\X", kept))
        assert sorted(regex.findall(r"\X", kept)) == sorted(ends[:number])
        assert len(kept) <= limit
        assert number == len(ends) or len(kept) + len(ends[number]) > limit


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\n",
        "\u200b",
        "\u3164",
        "\u115f\uffa0",
        "\u2800",
        "\u0301",
        "\ufe0f",
        "\u2060\u00ad",
        "\U000e0041",
        "\u202e",
    ],
)
def test_what_nobody_can_see_is_blank(text: str) -> None:
    assert is_blank(text)
    assert shown_name(text, 200) == ""


@pytest.mark.parametrize("text", ["a", "\ue000", "👍", "1\ufe0f\u20e3", "e\u0301", "하", ".", "\u200ba"])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    assert not is_blank(text)


def test_a_name_turns_no_direction_and_keeps_the_marks_of_its_own() -> None:
    assert shown_name("Ann\u202egpj.\u2066exe\n", 200) == "Anngpj.exe"
    assert shown_name("\u202eمريم\u202c \u200eInes", 200) == "مريم \u200eInes"
    assert one_line("a \u202e\n b", 10) == "a b"


def test_an_initial_is_a_whole_character() -> None:
    assert first_character(f"{FAMILY}x") == FAMILY
    assert first_character("") == ""
