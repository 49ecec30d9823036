"""The messaging window: 24 hours for anything, 7 days for what a person writes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.matching import present
from tickets.rules.window import WindowState, policy, window

WROTE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("after", "human_agent", "state"),
    [
        (timedelta(0), True, "response"),
        (DAY - INSTANT, True, "response"),
        (DAY, True, "human_agent"),
        (7 * DAY - INSTANT, True, "human_agent"),
        (7 * DAY, True, "closed"),
        (DAY - INSTANT, False, "response"),
        (DAY, False, "closed"),
    ],
)
def test_the_state_follows_from_the_time_since_the_customer_wrote(
    after: timedelta, human_agent: bool, state: str
) -> None:
    assert window(WROTE, WROTE + after, human_agent).state == state


def test_the_window_is_closed_until_the_customer_writes_for_the_first_time() -> None:
    never = window(None, WROTE, True)

    assert (never.state, never.closes_at, never.response_until) == (WindowState.CLOSED, None, None)


def test_the_window_says_when_it_closes_and_when_the_first_day_ends() -> None:
    now = window(WROTE, WROTE + timedelta(hours=1), True)

    assert (now.response_until, now.closes_at) == (WROTE + DAY, WROTE + 7 * DAY)


def test_without_the_human_agent_feature_it_closes_after_a_day() -> None:
    assert window(WROTE, WROTE, False).closes_at == WROTE + DAY


def test_a_closed_window_says_when_it_closed() -> None:
    assert window(WROTE, WROTE + 30 * DAY, True).closes_at == WROTE + 7 * DAY


def test_inside_a_day_a_reply_goes_out_as_response_whoever_wrote_it() -> None:
    current = window(WROTE, WROTE, True)

    assert {present(policy(current, human)).messaging_type for human in (True, False)} == {"RESPONSE"}
    assert present(policy(current, True)).tag is None


def test_after_a_day_a_person_may_reply_with_the_human_agent_tag() -> None:
    late = present(policy(window(WROTE, WROTE + DAY, True), author_is_human=True))

    assert (late.messaging_type, late.tag) == ("MESSAGE_TAG", "HUMAN_AGENT")


def test_after_a_day_nothing_automatic_goes_out() -> None:
    assert policy(window(WROTE, WROTE + DAY, True), author_is_human=False) is None


def test_an_ad_keeps_ordinary_replies_possible_for_7_days_after_the_customer_wrote() -> None:
    current = window(WROTE, WROTE + 3 * DAY, True, opened_by_ad_at=WROTE)

    assert (current.state, current.source, current.closes_at) == ("response", "ad", WROTE + 7 * DAY)
    assert present(policy(current, author_is_human=False)).messaging_type == "RESPONSE"


def test_an_ad_opens_nothing_until_the_customer_writes() -> None:
    assert window(None, WROTE, True, opened_by_ad_at=WROTE).state == "closed"
    assert window(WROTE, WROTE + DAY, False, opened_by_ad_at=WROTE + INSTANT).state == "closed"


@given(
    st.timedeltas(min_value=timedelta(0), max_value=10 * DAY),
    st.timedeltas(min_value=timedelta(0), max_value=20 * DAY),
    st.booleans(),
    st.booleans(),
)
def test_with_an_ad_a_reply_is_ordinary_for_a_day_after_the_message_or_7_after_the_ad(
    wrote_after_ad: timedelta, later: timedelta, human_agent: bool, is_human: bool
) -> None:
    last = WROTE + wrote_after_ad
    now = last + later
    current = window(last, now, human_agent, opened_by_ad_at=WROTE)
    used = policy(current, is_human)

    is_ordinary = now < max(last + DAY, WROTE + 7 * DAY)
    assert (used is not None and used.tag is None) == is_ordinary
    tagged = used is not None and used.tag == "HUMAN_AGENT"
    assert tagged == (not is_ordinary and human_agent and is_human and now < last + 7 * DAY)
    assert current.is_open == (now < present(current.closes_at))
    assert current.is_by_ad == (last + DAY < WROTE + 7 * DAY)
    assert present(current.closes_at) >= present(window(last, now, human_agent).closes_at)


@given(st.timedeltas(min_value=-DAY, max_value=30 * DAY), st.booleans(), st.booleans())
def test_the_tag_is_used_by_people_between_one_and_seven_days_and_never_else(
    after: timedelta, human_agent: bool, is_human: bool
) -> None:
    used = policy(window(WROTE, WROTE + after, human_agent), is_human)

    tagged = used is not None and used.tag == "HUMAN_AGENT"
    assert tagged == (human_agent and is_human and DAY <= after < 7 * DAY)
    assert (used is not None and used.tag is None) == (after < DAY)
