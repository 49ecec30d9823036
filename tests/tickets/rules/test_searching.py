"""Typed words cut into terms, and their places in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.searching import MOST_TERMS, Term, holds, marked, terms_of, ticket_number, words_of


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", []),
        ("   ", []),
        ("Parcel", ["parcel*"]),
        ("Große Füße", ["große", "fuße*"]),
        ("a b", ["a", "b"]),
        ('"order" OR *', ["order", "or*"]),
        ("col:on -minus NEAR(x)", ["col", "on", "minus", "near", "x"]),
        ("o'brien@example.org", ["o", "brien", "example", "org*"]),
        ("same same", ["same*"]),
        ("#12", ["12"]),
        ("12", ["12*"]),
        ("🎉 party", ["~🎉", "party*"]),
        ("荷物 parcel", ["~荷物", "parcel*"]),
        ("%", ["~%"]),
        (":-)", ["~:-)"]),
        (" ".join("abcdefghijklmn"), list("abcdefgh")),
    ],
)
def test_what_was_typed_becomes_terms(typed: str, expected: list[str]) -> None:
    shown = [f"{'' if t.is_word else '~'}{t.text}{'*' if t.is_prefix else ''}" for t in terms_of(typed)]
    assert shown == expected


@pytest.mark.parametrize(
    ("typed", "number"), [("12", 12), ("#12", 12), (" #12 ", 12), ("##12", None), ("²", None), ("9" * 19, None)]
)
def test_a_ticket_number_stands_alone(typed: str, number: int | None) -> None:
    assert ticket_number(typed) == number


def shown(text: str, typed: str, width: int = 0) -> str:
    return "".join(f"[{piece}]" if is_found else piece for piece, is_found in marked(text, terms_of(typed), width))


@pytest.mark.parametrize(
    ("text", "typed", "expected"),
    [
        ("Where is my parcel?", "parc", "Where is my [parc]el?"),
        ("Große Füße", "fusse", "Große Füße"),
        ("Große Füße", "FUß", "Große [Füß]e"),
        ("cafe\u0301 au lait", "café au", "[cafe\u0301] [au] lait"),
        ("荷物はどこ", "荷物", "[荷物]はどこ"),
        ("<b>bold</b>", "b", "<[b]>bold</[b]>"),
        ("line\nbreak  and  blanks", "blanks", "line break and [blanks]"),
        ("aaa aab", "aaa aa", "[aaa] [aa]b"),
    ],
)
def test_what_was_looked_for_is_marked(text: str, typed: str, expected: str) -> None:
    assert shown(text, typed) == expected


def test_a_long_text_is_shown_from_a_little_before_the_hit() -> None:
    text = f"{'before ' * 50}needle{' after' * 50}"
    assert shown(text, "needle", 26) == "…before [needle] after after …"


@given(st.text(max_size=80), st.text(max_size=30), st.integers(min_value=0, max_value=40))
def test_marking_never_changes_the_words_of_a_text(text: str, typed: str, width: int) -> None:
    pieces = marked(text, terms_of(typed), width)
    joined = "".join(piece for piece, _is_found in pieces)
    line = " ".join(text.split())
    assert joined == line if not width else joined.strip("…") in line
    assert len(terms_of(typed)) <= MOST_TERMS


@given(st.text(max_size=40))
def test_a_text_holds_each_of_its_own_words(text: str) -> None:
    assert all(holds(text, Term(word)) for word in words_of(text))
