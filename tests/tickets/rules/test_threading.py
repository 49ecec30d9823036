"""tickets.rules.threading: which ticket a message goes to."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.threading import OPEN, Join, Neighbour, follows, place_customer, place_reply, reopens

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(minutes=60)
DAY = timedelta(minutes=1440)
MS = timedelta(milliseconds=1)


def before(gap: timedelta) -> Neighbour[str]:
    return Neighbour(NOON - gap, "earlier")


def after(gap: timedelta) -> Neighbour[str]:
    return Neighbour(NOON + gap, "later")


@pytest.mark.parametrize("intermission", [HOUR, DAY])
def test_a_message_exactly_at_the_limit_joins_and_one_millisecond_later_opens(intermission: timedelta) -> None:
    assert place_customer(NOON, before(intermission), None, intermission) == Join("earlier")
    assert place_customer(NOON, before(intermission + MS), None, intermission) == OPEN


def test_the_first_message_opens_a_ticket() -> None:
    assert place_customer(NOON, None, None, HOUR) == OPEN


def test_a_message_of_the_same_millisecond_joins() -> None:
    assert place_customer(NOON, before(timedelta(0)), None, HOUR) == Join("earlier")


def test_a_late_message_joins_the_one_before_it_even_when_the_one_after_is_nearer() -> None:
    assert place_customer(NOON, before(HOUR), after(MS), HOUR) == Join("earlier")


def test_a_late_message_too_far_from_the_one_before_joins_the_one_after() -> None:
    assert place_customer(NOON, before(HOUR + MS), after(HOUR), HOUR) == Join("later")


def test_a_late_message_far_from_both_opens_its_own_ticket() -> None:
    assert place_customer(NOON, before(HOUR + MS), after(HOUR + MS), HOUR) == OPEN


def test_a_message_before_the_answer_that_began_the_conversation_joins_it_however_long_ago() -> None:
    answer = Neighbour(NOON + DAY, "later", by_customer=False)
    assert place_customer(NOON, None, answer, HOUR) == place_reply(NOON, None, answer, HOUR) == Join("later")
    assert place_customer(NOON, before(HOUR + MS), answer, HOUR) == OPEN


def test_lines_in_the_ticket_before_a_late_message_or_in_none_follow_it() -> None:
    assert follows("earlier", before(DAY))
    assert follows(None, before(DAY))
    assert follows(None, None)
    assert not follows("another", before(DAY))
    assert not follows("another", None)


def test_a_reply_joins_the_message_before_it_however_long_ago() -> None:
    assert place_reply(NOON, before(timedelta(days=6)), None, HOUR) == Join("earlier")


def test_an_echo_that_comes_first_opens_a_ticket() -> None:
    assert place_reply(NOON, None, None, HOUR) == OPEN


def test_an_echo_before_everything_else_joins_the_ticket_that_follows_within_the_limit() -> None:
    assert place_reply(NOON, None, after(HOUR), HOUR) == Join("later")
    assert place_reply(NOON, None, after(HOUR + MS), HOUR) == OPEN


def test_a_message_from_before_the_closing_does_not_reopen() -> None:
    assert not reopens(NOON, NOON)
    assert not reopens(NOON, NOON + MS)
    assert reopens(NOON, NOON - MS)
    assert not reopens(NOON, None)


# --- Properties over whole histories ----------------------------------------------------------------------------------
History = list[tuple[int, str]]
minutes = st.integers(min_value=0, max_value=3000)
histories = st.lists(st.tuples(minutes, st.sampled_from(["in", "out"])), max_size=25, unique_by=lambda said: said[0])
intermissions = st.integers(min_value=60, max_value=1440).map(lambda count: timedelta(minutes=count))


def thread(history: History, intermission: timedelta) -> dict[datetime, datetime]:
    """Place messages one by one in the given order; a ticket is named after the message that opened it."""
    placed: dict[datetime, datetime] = {}
    for minute, direction in history:
        at = NOON + timedelta(minutes=minute)
        earlier = max((each for each in placed if each <= at), default=None)
        later = min((each for each in placed if each > at), default=None)
        place = place_customer if direction == "in" else place_reply
        verdict = place(
            at,
            Neighbour(earlier, placed[earlier]) if earlier else None,
            Neighbour(later, placed[later]) if later else None,
            intermission,
        )
        opened = verdict.ticket if isinstance(verdict, Join) else at
        assert isinstance(opened, datetime)
        placed[at] = opened
    return placed


@given(histories, intermissions)
def test_in_order_a_ticket_opens_exactly_after_a_longer_silence_before_a_customer(
    history: History, intermission: timedelta
) -> None:
    history = sorted(history)
    placed = thread(history, intermission)
    for (earlier, _), (later, direction) in pairwise(history):
        silence = timedelta(minutes=later - earlier)
        opened = placed[NOON + timedelta(minutes=later)] == NOON + timedelta(minutes=later)
        assert opened == (direction == "in" and silence > intermission)


@pytest.mark.slow
@given(histories, intermissions, st.randoms())
def test_a_late_message_moves_no_other_and_merges_nothing(
    history: History, intermission: timedelta, random: Random
) -> None:
    random.shuffle(history)
    placed: dict[datetime, datetime] = {}
    for count in range(len(history) + 1):
        now = thread(history[:count], intermission)
        assert {at: now[at] for at in placed} == placed
        placed = now


@given(histories, intermissions, st.randoms())
def test_in_any_order_no_message_joins_a_ticket_from_beyond_the_limit(
    history: History, intermission: timedelta, random: Random
) -> None:
    random.shuffle(history)
    customers = [said for said in history if said[1] == "in"]
    placed = thread(customers, intermission)
    times = sorted(placed)
    for at in times:
        others = [other for other in times if other != at and placed[other] == placed[at]]
        if others:
            assert min(abs(at - other) for other in others) <= intermission
