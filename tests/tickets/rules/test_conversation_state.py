"""tickets.rules.conversation_state: what a conversation is, from its lines."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.conversation_state import ConversationState, Line, LineKind, TicketTimes, list_row, state_of

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KINDS = {
    "c": LineKind.CUSTOMER,
    "i": LineKind.IMPORTED,
    "r": LineKind.REPLY,
    "u": LineKind.UNSENT,
    "o": LineKind.ORIGIN,
    "x": LineKind.CLOSED,
    "e": LineKind.CLOSED_EARLIER,
    "y": LineKind.REOPENED,
    "n": LineKind.OTHER,
}


def line(letter: str, minute: int, **fields: Any) -> Line:
    defaults: dict[str, Any] = {"ticket": 1, "ticket_opened_at": NOON}
    return Line(NOON + minute * MINUTE, minute, KINDS[letter], **(defaults | fields))


def lines(letters: str) -> list[Line]:
    """Return one line a minute: c customer, i imported, r reply, u unsent, o origin, n note.

    x: closed, e: closed while it was not the current one, y: reopened.
    """
    return [line(letter, minute) for minute, letter in enumerate(letters)]


@pytest.mark.parametrize(
    ("letters", "newest", "waits_since"),
    [
        ("", None, None),
        ("n", None, None),
        ("o", 0, None),
        ("oon", 1, None),
        ("co", 0, 0),
        ("c", 0, 0),
        ("i", 0, None),
        ("iri", 2, None),
        ("iic", 2, 2),
        ("iicr", 3, None),
        ("ccc", 2, 0),
        ("ccrcc", 4, 3),
        ("ccr", 2, None),
        ("crcu", 3, 2),
        ("crcuc", 4, 2),
        ("cx", 0, None),
        ("cxc", 2, 2),
        ("cxy", 0, 0),
        ("cxcxy", 2, 2),
        ("cxxyy", 0, 0),
        ("cxcryn", 3, None),
    ],
)
def test_the_row_shows_the_newest_message_and_since_when_the_customer_waits(
    letters: str, newest: int | None, waits_since: int | None
) -> None:
    row = list_row(reversed(lines(letters)))
    assert (row.newest.key if row.newest else None) == newest
    assert row.waiting_since == (None if waits_since is None else NOON + waits_since * MINUTE)


def test_a_reply_answers_only_what_was_said_before_it_was_written() -> None:
    reply = line("r", 5, answers_until=NOON + MINUTE)
    assert state_of([line("c", 0), line("c", 1), line("c", 2), reply]).row.waiting_since == NOON + 2 * MINUTE
    same_time = [line("c", 0), Line(NOON, 9, LineKind.CUSTOMER), line("r", 5, answers_until=NOON)]
    assert state_of(same_time).row.waiting_since == NOON  # stored after the reply, which it followed
    early = line("r", 5, answers_until=NOON + 9 * MINUTE)  # our clock is fast
    assert state_of([line("c", 0), line("c", 6), early]).row.waiting_since == NOON + 6 * MINUTE


def test_a_closing_settles_its_ticket_and_those_before_it_but_none_that_opened_later() -> None:
    closing = line("x", 10, ticket=2, ticket_opened_at=NOON + 2 * MINUTE)
    older, own = line("c", 0), line("c", 3, ticket=2, ticket_opened_at=NOON + 2 * MINUTE)
    later = line("c", 5, ticket=3, ticket_opened_at=NOON + 5 * MINUTE)
    assert state_of([older, own, closing]).row.waiting_since is None
    assert state_of([older, own, later, closing]).row.waiting_since == NOON + 5 * MINUTE


def test_closing_an_earlier_ticket_and_taking_that_back_concern_this_ticket_only() -> None:
    first: dict[str, Any] = {"ticket": 1, "ticket_opened_at": NOON}
    second: dict[str, Any] = {"ticket": 2, "ticket_opened_at": NOON + 2 * MINUTE}
    thread = [line("c", 0, **first), line("c", 2, **second)]
    shut = {**first, "ticket_closed_at": NOON + 3 * MINUTE}
    closed = [line("c", 0, **shut), thread[1], line("e", 3, **shut)]
    assert state_of(closed).row.waiting_since == NOON + 2 * MINUTE
    assert state_of([*thread, line("e", 3, **first), line("y", 4, **first)]).row.waiting_since == NOON
    # Closed while it was the current one, and reopened when it was not any more.
    early = [line("c", 0, **first), line("x", 1, **first), line("c", 2, **second)]
    assert state_of(early).row.waiting_since == NOON + 2 * MINUTE
    assert state_of([*early, line("y", 3, **first)]).row.waiting_since == NOON
    # The closing of the other ticket stays.
    assert state_of([*early, line("x", 3, **second), line("y", 4, **first)]).row.waiting_since is None


def test_what_was_said_in_a_ticket_before_it_was_closed_waits_for_nothing() -> None:
    closed = {"ticket_closed_at": NOON + MINUTE}
    assert state_of([line("c", 0, **closed), line("c", 1, **closed)]).row.waiting_since is None
    assert state_of([line("c", 0, **closed), line("c", 2, **closed)]).row.waiting_since == NOON + 2 * MINUTE


def test_counters_and_tickets_count_messages() -> None:
    second: dict[str, Any] = {"ticket": 2, "ticket_opened_at": NOON + 4 * MINUTE}
    state = state_of([line("n", 9), line("u", 5, **second), line("c", 4, **second), line("r", 2), line("c", 1)])
    assert (state.message_count, state.customer_count, state.most_unread) == (4, 2, 2)
    assert state.last_customer_message_at == NOON + 4 * MINUTE
    assert state.tickets == {
        1: TicketTimes(NOON + MINUTE, NOON + 2 * MINUTE, first=1),
        2: TicketTimes(NOON + 4 * MINUTE, NOON + 5 * MINUTE, first=4),
    }
    assert (state_of([]), state_of([]).most_unread) == (ConversationState(), 1)


threads = st.text(alphabet=list(KINDS), max_size=30).map(lines)


@given(threads, st.randoms())
def test_the_order_of_the_lines_does_not_matter(thread: list[Line], random: Any) -> None:
    shuffled = random.sample(thread, len(thread))
    assert state_of(shuffled) == state_of(thread)


@given(threads)
def test_no_more_lines_are_taken_than_decide(thread: list[Line]) -> None:
    taken = 0

    def newest_first() -> Iterator[Line]:
        nonlocal taken
        for each in reversed(thread):
            taken += 1
            yield each

    row = list_row(newest_first())
    older = len(thread) - taken
    assert list_row(reversed(thread[older:])) == row
    answered = [each for each in thread if each.kind is LineKind.REPLY]
    if answered:
        assert taken <= len(thread) - thread.index(answered[-1]) + 1
