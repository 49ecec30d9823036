"""Decide whether a reply was sent from the messages that Meta shows of the conversation."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels_im.messenger.graph_messages import GraphAttachment, GraphMessage
from tickets.rules.delivery_lookup import Arrived, CannotTell, NotSent, look_up, place_in_second

CALLED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FILE = (GraphAttachment("https://cdn.fbsbx.com/v/a.png"),)


def page_said(text: str = "", mid: str = "m_1", after: int = 1, **fields: Any) -> GraphMessage:
    return GraphMessage(mid=mid, created_at=CALLED + timedelta(seconds=after), from_page=True, text=text, **fields)


def customer_said(text: str = "Hello?", mid: str = "m_c", after: int = 1) -> GraphMessage:
    return GraphMessage(mid=mid, created_at=CALLED + timedelta(seconds=after), from_page=False, text=text)


def found(
    *messages: GraphMessage, text: str = "Yes, it is", is_file: bool = False, known: Collection[str] = ()
) -> Arrived | CannotTell | NotSent:
    return look_up(messages, text=text, is_file=is_file, called_at=CALLED, known_mids=known)


def test_the_same_words_after_the_call_are_it() -> None:
    assert found(page_said("Yes, it is")) == Arrived("m_1", CALLED + timedelta(seconds=1))


def test_spaces_and_line_ends_may_differ() -> None:
    assert isinstance(found(page_said("Yes,\nit  is ")), Arrived)


def test_a_file_without_words_is_the_file() -> None:
    assert isinstance(found(page_said(attachments=FILE), is_file=True, text=""), Arrived)


@pytest.mark.parametrize(
    "message", [page_said("Yes, it is", attachments=FILE), page_said("No")], ids=["with a file", "other words"]
)
def test_something_else_of_the_page_that_nobody_knows_proves_nothing(message: GraphMessage) -> None:
    assert isinstance(found(message), CannotTell)


def test_words_for_a_file_prove_nothing() -> None:
    assert isinstance(found(page_said("Look"), is_file=True, text=""), CannotTell)


def test_what_is_known_is_not_it() -> None:
    assert found(page_said("Yes, it is"), known={"m_1"}) == NotSent()


def test_the_customers_words_are_never_it() -> None:
    assert found(customer_said("Yes, it is")) == NotSent()


def test_the_same_words_of_long_before_the_call_are_not_it() -> None:
    assert found(page_said("Yes, it is", after=-121)) == NotSent()


def test_clocks_may_be_two_minutes_apart() -> None:
    assert isinstance(found(page_said("Yes, it is", after=-119)), Arrived)


def test_an_empty_conversation_shows_that_it_was_not_sent() -> None:
    assert found() == NotSent()


def test_twenty_newer_messages_hide_what_was_before() -> None:
    newer = [customer_said(mid=f"m_{n}", after=60 - n) for n in range(20)]

    unknown = found(*newer)
    assert isinstance(unknown, CannotTell)
    assert unknown == CannotTell(True, unknown.reason)


def test_twenty_messages_that_reach_back_before_the_call_show_all() -> None:
    messages = [customer_said(mid=f"m_{n}", after=60 - 20 * n) for n in range(20)]

    assert found(*messages) == NotSent()


def test_of_two_alike_the_older_one_is_it() -> None:
    arrived = found(page_said("Yes, it is", "m_2", after=5), page_said("Yes, it is", "m_1", after=2))
    assert isinstance(arrived, Arrived)
    assert arrived.mid == "m_1"


# --- The time of a message of which Meta shows the second only ---
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("older", "newer", "called", "placed"),
    [
        (None, None, 300, 1000),  # called before its second
        (None, None, 1400, 1400),
        (None, None, 2600, 1999),  # our clock is fast
        (1500, None, 300, 1501),
        (1500, None, 1700, 1700),
        (1500, 1600, 1700, 1599),
        (None, 1200, 1700, 1199),
        (2500, None, 300, 1999),  # stored by our clock: its second still holds
        (None, 500, 300, 1000),
    ],
)
def test_a_message_stands_in_its_second_after_the_call_and_between_its_neighbours(
    older: int | None, newer: int | None, called: int, placed: int
) -> None:
    shown = [customer_said(mid="m_newer"), page_said(mid="m_unknown"), page_said(mid="m_1"), customer_said(mid="m_old")]
    known = {"m_newer": newer, "m_old": older, "m_elsewhere": 0}
    times = {mid: CALLED + after * MS for mid, after in known.items() if after is not None}
    found = Arrived("m_1", CALLED + timedelta(seconds=1))
    assert place_in_second(shown, found, times, CALLED + called * MS) == CALLED + placed * MS
