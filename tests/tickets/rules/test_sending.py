"""Rules of sending: what may be sent, how text is counted, and how a state moves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.sending import (
    SendFacts,
    clean_text,
    may_hold,
    may_send,
    receipt_state,
    retry_pause,
)
from tickets.rules.window import window

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OPEN = window(NOON, NOON, True)
CLOSED = window(NOON - timedelta(days=10), NOON, True)
LATE = window(NOON - timedelta(days=2), NOON, True)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"channel_deleted": True}, "channel_deleted"),
        ({"channel_active": False}, "channel_inactive"),
        ({"reauth_reason": "The Facebook password was changed"}, "reauth_required"),
        ({"is_associated": False}, "not_associated"),
        ({"contact_blocked": True}, "contact_blocked"),
        ({"contact_erased": True}, "contact_erased"),
        ({"window": CLOSED}, "window_closed"),
        ({"window": window(None, NOON, True)}, "window_closed"),
        ({"window": LATE, "author_is_human": False}, "person_only"),
        ({"text": ""}, "text_blank"),
        ({"text": "x" * 1601}, "text_too_long"),
        ({"text": "", "file_count": 1, "file_refusals": ["“a.gif” is a GIF."]}, "file_refused"),
    ],
)
def test_each_reason_alone_refuses_with_a_sentence(facts: dict[str, Any], code: str) -> None:
    verdict = may_send(SendFacts(**{"window": OPEN, "text": "Hello", **facts}))

    assert (verdict.allowed, verdict.code) == (False, code)
    assert verdict.sentence.endswith(".")


def test_nothing_wrong_is_allowed() -> None:
    assert may_send(SendFacts(window=OPEN, text="Hello")).allowed


def test_the_composer_may_ask_before_anything_is_written() -> None:
    assert may_send(SendFacts(window=OPEN)).allowed


def test_files_alone_need_no_text() -> None:
    assert may_send(SendFacts(window=OPEN, text="", file_count=1)).allowed


def test_exactly_1600_characters_are_allowed() -> None:
    assert may_send(SendFacts(window=OPEN, text="é" * 1600)).allowed


def test_characters_are_code_points_and_not_utf16_units_or_bytes() -> None:
    assert may_send(SendFacts(window=OPEN, text="😀" * 1600)).allowed
    assert may_send(SendFacts(window=OPEN, text="😀" * 1601)).code == "text_too_long"


def test_the_sentence_names_the_reason_for_re_authentication() -> None:
    verdict = may_send(SendFacts(window=OPEN, reauth_reason="The Facebook password was changed"))

    assert "The Facebook password was changed." in verdict.sentence
    assert verdict.action == "reauthenticate"


def test_the_sentence_of_a_closed_window_has_the_date_it_closed() -> None:
    assert "17 November 2026 at 12:00 UTC" in may_send(SendFacts(window=CLOSED)).sentence


def test_only_what_lacks_the_customers_next_message_may_be_held_for_it() -> None:
    assert may_hold(SendFacts(window=CLOSED, text="Yes")).waits_for_customer
    assert may_hold(SendFacts(window=OPEN, text="Yes")).allowed
    assert may_hold(SendFacts(window=CLOSED, text="x" * 1601)).code == "text_too_long"
    assert may_hold(SendFacts(window=CLOSED, text="", file_count=1, file_refusals=["No."])).code == "file_refused"
    facts = SendFacts(window=CLOSED, text="Yes")
    for stopped in (
        replace(facts, channel_deleted=True),
        replace(facts, contact_blocked=True),
        replace(facts, contact_erased=True),
    ):
        assert not may_hold(stopped).waits_for_customer


def test_line_ends_of_a_browser_count_once() -> None:
    assert clean_text("a\r\nb\rc\n") == "a\nb\nc"


def test_nul_and_half_surrogates_are_replaced_as_no_database_takes_them() -> None:
    assert clean_text("a\x00b\ud83d") == "ab\ufffd"


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.parametrize(
    ("delivered", "read", "state"),
    [(None, None, "sent"), (0, None, "delivered"), (0, -1, "delivered"), (-1, None, "sent"), (-1, 0, "read")],
)
def test_a_watermark_reaches_everything_at_or_before_it(delivered: int | None, read: int | None, state: str) -> None:
    marks = [None if ms is None else NOON + timedelta(milliseconds=ms) for ms in (delivered, read)]

    assert receipt_state(NOON, *marks) == state


def test_pauses_double_and_stop_growing_at_a_quarter_of_an_hour() -> None:
    assert [retry_pause(n, 2).total_seconds() for n in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert retry_pause(10_000, 2) == timedelta(minutes=15)
