"""Search queries split into terms, and the places of the terms in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.folding import fold, fold_with_positions
from desk.searching import MAX_TERMS, contained, index_terms, phone_term, phone_terms, terms_of
from tickets.rules.searching import digit_spans, highlight, ticket_number


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", []),
        ("   ", []),
        ("Parcel", ["parcel*"]),
        ("Große Füße", ["grosse*", "fusse*"]),
        ("a b", ["a", "b"]),
        ('"order" OR *', ["order*", "or*"]),
        ("col:on -minus NEAR(x)", ["col*", "on*", "minus*", "near*", "x"]),
        ("o'brien@example.org", ["o", "brien*", "example*", "org*"]),
        ("same Same", ["same*"]),
        ("#12", ["12"]),
        ("12", ["12*"]),
        ("🎉 party", ["~🎉", "party*"]),
        ("荷物 parcel", ["~荷物", "parcel*"]),
        ("iPhone充電器", ["iphone*", "~充電器"]),
        ("%", ["~%"]),
        (":-)", ["~:-)"]),
        ("100 %", ["100*"]),
        (" ".join("abcdefghijklmn"), list("abcdefgh")),
    ],
)
def test_what_was_typed_becomes_terms(typed: str, expected: list[str]) -> None:
    shown = [f"{'' if t.is_word else '~'}{t.text}{'*' if t.is_prefix else ''}" for t in terms_of(typed)]
    assert shown == expected


@pytest.mark.parametrize(
    ("typed", "number"), [("12", 12), ("#12", 12), (" #12 ", 12), ("＃１２", 12), ("##12", None), ("9" * 19, None)]
)
def test_a_ticket_number_stands_alone(typed: str, number: int | None) -> None:
    assert ticket_number(typed) == number


@pytest.mark.parametrize(
    ("texts", "folded"),
    [
        (["é", "e\u0301", "É", "E\u0301", "Ｅ\u0301"], "e"),
        (["Straße", "STRASSE", "STRA\u1e9eE"], "strasse"),
        (["ışık", "IŞIK", "İşik", "i\u0307şik"], "isik"),
        (["Øster Łódź", "oster lodz"], "oster lodz"),
        (["ﬁne", "FINE"], "fine"),
        (["Ёлка", "елка", "Е\u0308ЛКА"], "елка"),
        (["мой", "мои\u0306", "МОИ"], "мои"),
        (["Καλημέρα", "ΚΑΛΗΜΕΡΑ", "καλημερα"], "καλημερα"),
        (["ὁδός", "ΟΔΟΣ"], "οδοσ"),
        (["أَيْنَ", "اين", "آين", "ٱين"], "اين"),
        (["على", "علی", "علي"], "علي"),
        (["می\u200cخواهم", "ميخواهم"], "ميخواهم"),
        (["שָׁלוֹם", "שלום"], "שלום"),
        (["한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"], "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        (["バッテリー", "ﾊﾞｯﾃﾘｰ", "ばってりー", "ハ\u3099ッテリー"], "ばってりー"),
        (["ＡＢＣ１２３", "abc123", "ABC١٢٣"], "abc123"),
        (["फ़ोन", "फ\u093cोन", "फोन"], "फोन"),
        (["❤\ufe0f", "❤"], "❤"),
        (["👍🏽", "👍"], "👍"),
    ],
)
def test_what_people_write_in_several_ways_is_one_text(texts: list[str], folded: str) -> None:
    assert {fold(text) for text in texts} == {folded}


def test_voicing_and_vowels_tell_words_apart() -> None:
    assert fold("バス") != fold("ハス")
    assert fold("कि") != fold("की")
    assert fold("ปี") != fold("ปิ")


@given(st.text(max_size=80))
def test_each_folded_character_knows_its_place(text: str) -> None:
    folded, spans = fold_with_positions(text)
    assert folded == fold(text)
    assert len(spans) == len(folded)
    assert fold(folded) == folded


def shown(text: str, typed: str, width: int = 0) -> str:
    return "".join(f"[{piece}]" if is_found else piece for piece, is_found in highlight(text, terms_of(typed), width))


@pytest.mark.parametrize(
    ("text", "typed", "expected"),
    [
        ("Where is my parcel?", "parc", "Where is my [parc]el?"),
        ("Große Füße", "fusse", "Große [Füße]"),
        ("Große Füße", "FUß", "Große [Füß]e"),
        ("Füße", "fus", "[Füß]e"),
        ("cafe\u0301 au lait", "café au", "[cafe\u0301] [au] lait"),
        ("荷物はどこ", "荷物", "[荷物]はどこ"),
        ("iPhone充電器 は", "iphone 充電", "[iPhone][充電]器 は"),
        ("ﾊﾞｯﾃﾘｰが切れた", "バッテリー", "[ﾊﾞｯﾃﾘｰ]が切れた"),
        ("서울에서 자전거를", "서울 자저", "[서울]에서 [자전]거를"),
        ("мой заказ", "мои", "[мой] заказ"),
        ("قَالَ مُحَمَّد", "محم", "قَالَ [مُحَمَّ]د"),
        ("سلام ياعلى", "علي", "سلام ياعلى"),
        ("100 % sure", "%", "100 [%] sure"),
        ("<b>bold</b>", "b", "<[b]>bold</[b]>"),
        ("<b>bold</b>", "bo", "<b>[bo]ld</b>"),
        ("line\nbreak  and  blanks", "blanks", "line break and [blanks]"),
        ("aaa aab", "aaa aa", "[aaa] [aa]b"),
    ],
)
def test_what_was_looked_for_is_marked(text: str, typed: str, expected: str) -> None:
    assert shown(text, typed).replace("][", "") == expected.replace("][", "")


def test_a_long_text_is_shown_from_a_little_before_the_hit() -> None:
    text = f"{'before ' * 50}needle{' after' * 50}"
    assert shown(text, "needle", 26) == "…before [needle] after after …"


@given(st.text(max_size=80), st.text(max_size=30), st.integers(min_value=0, max_value=40))
def test_marking_never_changes_the_words_of_a_text(text: str, typed: str, width: int) -> None:
    pieces = highlight(text, terms_of(typed), width)
    joined = "".join(piece for piece, _is_found in pieces)
    line = " ".join(text.split())
    assert joined == line if not width else joined.strip("…") in line
    assert len(terms_of(typed)) <= MAX_TERMS


@given(st.text(max_size=40))
def test_a_text_has_the_terms_that_it_is_asked_for_by(text: str) -> None:
    """What a text contains by `contained`, the index has too: the one checks names, the other is asked for all."""
    indexed = index_terms(text)
    for term in terms_of(text):
        assert contained([text], [term])
        is_sign = not term.is_word and not any(char.isalnum() for char in term.text)
        for piece, is_prefix in () if is_sign else term.pieces():
            assert any(each.startswith(piece) if is_prefix else each == piece for each in indexed)


@pytest.mark.parametrize(
    ("asked", "marked"),
    [
        ("0170 1234", "+49 [170/12 34] 5"),
        ("+49170", "[+49 170]/12 34 5"),
        ("12345", "+49 170/[12 34 5]"),
        ("٣٤", None),
        ("order 12345", None),
        ("9999", "+49 170/12 34 5"),
    ],
)
def test_a_part_of_a_phone_number_is_found_however_it_is_grouped(asked: str, marked: str | None) -> None:
    phone, term = "+49 170/12 34 5", phone_term(asked)
    assert (term is None) == (marked is None)
    if term and marked:
        pieces = digit_spans(phone, term)
        assert "".join(f"[{text}]" if is_found else text for text, is_found in pieces) == marked.replace("[+", "+[")
        assert any(each.startswith(term.text) for each in phone_terms(phone)) == ("[" in marked)
