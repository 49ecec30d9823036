"""Mentions in a text: where they are, and that no text is lost or doubled around them."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules import mentions
from tickets.rules.mentions import AGENT, DEPARTMENT, Span, Target, find, from_stored, parse_key, pieces, to_stored

ANA, ANA_MARIA, SALES = Target(AGENT, 1), Target(AGENT, 2), Target(DEPARTMENT, 1)
NAMES = [(ANA, "Ana"), (ANA_MARIA, "Ana María"), (SALES, "Sales & Co.")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@Ana, look", [(ANA, 0)]),
        ("look (@Ana)", [(ANA, 6)]),
        ("@Ana María and @Ana", [(ANA_MARIA, 0), (ANA, 15)]),
        ("@Ana\n@Sales & Co.!", [(ANA, 0), (SALES, 5)]),
        ("请@Ana看", [(ANA, 1)]),
        ("@Anabel", []),
        ("@Ana_2", []),
        ("ana@Ana", []),
        ("bob.@Ana", []),
        ("https://x.example/@Ana", []),
        ("Ana", []),
        ("@ana", []),
        ("@@Ana", []),
        ("@", []),
    ],
)
def test_a_mention_is_a_name_after_the_mark(text: str, found: list[tuple[Target, int]]) -> None:
    assert [(span.target, span.start) for span in find(text, NAMES)] == found


@given(text=st.lists(st.sampled_from(["@", "Ana", " María", "Sales & Co.", " ", "\n", "x", "看", "👍🏽"])).map("".join))
def test_the_pieces_are_the_text_and_each_mention_stands_where_its_span_says(text: str) -> None:
    spans = find(text, NAMES)
    for span in spans:
        assert text[span.start : span.start + span.length] == f"@{span.name}"
    assert all(one.start + one.length <= other.start for one, other in itertools.pairwise(spans))
    parts = pieces(text, spans)
    assert "".join(piece for piece, _span in parts) == text
    assert [span for _piece, span in parts if span] == spans
    assert from_stored(to_stored(spans)) == spans


@given(text=st.text(), starts=st.lists(st.integers(-5, 50)), name=st.text(max_size=5))
def test_spans_that_do_not_fit_the_text_change_nothing_of_it(text: str, starts: list[int], name: str) -> None:
    spans = [Span(ANA, name, start) for start in starts]
    assert "".join(piece for piece, _span in pieces(text, spans)) == text


_plain = st.none() | st.booleans() | st.integers() | st.text()
_json = st.recursive(_plain, lambda one: st.lists(one) | st.dictionaries(st.text(), one))


@pytest.mark.slow
@given(rows=_json | st.lists(st.fixed_dictionaries({name: _json for name in ("kind", "id", "name", "start")})))
def test_what_is_no_mention_in_the_database_breaks_no_page(rows: Any) -> None:
    assert "".join(piece for piece, _span in pieces("A note", from_stored(rows))) == "A note"


@pytest.mark.parametrize(
    "key", ["", "agent", "agent-", "agent--1", "agent-1 ", "user-1", "agent-" + "9" * 30, "agent-١"]
)
def test_what_is_no_key_names_nobody(key: str) -> None:
    assert parse_key(key) is None
    assert parse_key(ANA.key) == ANA
    assert mentions.parse_key(SALES.key) == SALES
