"""What becomes of the facts of tickets that are split and merged."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOON
from tickets.rules import ticket_changes as rules
from tickets.rules.ticket_changes import Facts, Obstacle

FACTS = st.builds(
    Facts,
    subject=st.sampled_from(["", "Parcel"]),
    subject_is_own=st.booleans(),
    priority=st.sampled_from(rules.PRIORITIES),
    labels=st.frozensets(st.integers(1, 4)),
    status=st.sampled_from(["open", "closed"]),
    closed_at=st.sampled_from([None, NOON]),
    department=st.integers(1, 2),
    assignee=st.sampled_from([None, 1, 2]),
)


def test_the_later_part_has_the_state_and_the_first_the_subject_of_an_agent() -> None:
    whole = Facts("Parcel", True, "high", frozenset({1}), "closed", NOON, 3, 4)
    assert rules.split(whole) == (whole, replace(whole, subject="", subject_is_own=False))


def test_merging_loses_no_label_and_takes_the_higher_priority() -> None:
    earlier = Facts("First", False, "urgent", frozenset({1, 2}), "closed", NOON, 1, 1)
    later = Facts("Parcel", True, "low", frozenset({2, 3}), "open", None, 2, None)
    assert rules.merge(earlier, later) == Facts("Parcel", True, "urgent", frozenset({1, 2, 3}), "open", None, 2, None)
    own = replace(earlier, subject_is_own=True)
    assert rules.merge(own, later).subject == "First"


@given(FACTS, FACTS)
def test_undoing_at_once_gives_back_what_was(earlier: Facts, later: Facts) -> None:
    merged = rules.merge(earlier, later)
    assert rules.same_words(merged, merged, merged.labels)
    assert rules.unmerge(earlier, later, merged) == (earlier, later)
    first, second = rules.split(earlier)
    assert rules.unsplit(first, second) == earlier


def test_where_a_ticket_cannot_begin() -> None:
    assert rules.why_not_split(True, is_message=False, was_sent=True) == Obstacle.NO_MESSAGE
    assert rules.why_not_split(True, is_message=True, was_sent=False) == Obstacle.UNSENT
    assert rules.why_not_split(False, is_message=True, was_sent=True) == Obstacle.FIRST
    assert rules.why_not_split(True, is_message=True, was_sent=True) is None


def test_a_deleted_label_is_no_change_and_another_one_is() -> None:
    expected = Facts(labels=frozenset({1, 2}))
    assert rules.same_words(expected, replace(expected, labels=frozenset({1})), [1])
    assert not rules.same_words(expected, replace(expected, labels=frozenset({1})), [1, 2])
    assert not rules.same_words(expected, replace(expected, labels=frozenset({1, 2, 3})), [1, 2])
    assert rules.same_words(expected, replace(expected, subject="Follows the first message", status="closed"), [1, 2])


def test_tickets_that_stand_together() -> None:
    assert rules.earlier_of([3, 1, 2], 3) is None
    assert rules.earlier_of([3, 1, 2], 2) == 1
    assert (rules.stand_together([3, 1, 2], 3, 1), rules.stand_together([3, 1, 2], 3, 2)) == (True, False)
