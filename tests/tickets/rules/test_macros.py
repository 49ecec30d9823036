"""Which actions a macro may have, and in which order: of a valid one every action is still true at the end."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.macros import (
    MOST_ACTIONS,
    PRIORITIES,
    SNOOZES,
    Action,
    Do,
    To,
    in_order,
    missing_in,
    parse,
    problems,
    references,
    with_label,
)

ids = st.integers(1, 4)
texts = st.sampled_from(["Hello {{name}}", "Sorry", "x"])
actions = st.one_of(
    st.builds(Action, st.sampled_from([Do.REPLY, Do.NOTE, Do.SUBJECT]), text=texts),
    st.builds(Action, st.just(Do.ASSIGN), to=st.sampled_from([To.ME, To.NOBODY])),
    st.builds(Action, st.just(Do.ASSIGN), to=st.sampled_from([To.AGENT, To.DEPARTMENT]), target=ids),
    st.builds(Action, st.just(Do.PRIORITY), value=st.sampled_from(PRIORITIES)),
    st.builds(Action, st.just(Do.SNOOZE), value=st.sampled_from([str(choice) for choice in SNOOZES])),
    st.builds(
        Action,
        st.sampled_from([Do.ADD_LABELS, Do.REMOVE_LABELS]),
        labels=st.lists(ids, min_size=1, max_size=2, unique=True).map(tuple),
    ),
    st.builds(Action, st.sampled_from([Do.CLOSE, Do.REOPEN, Do.UNREAD])),
)
macros = st.lists(actions, max_size=6)
names = st.sampled_from(["do", "text", "labels", "to", "id", "value"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(list(Do)) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner),
    max_leaves=12,
)


@dataclass
class World:
    """A conversation, as far as macros change it, with what the services do besides what they are asked."""

    is_open: bool = True
    is_snoozed: bool = False
    is_unread: bool = False
    is_ours: bool = True
    assignee: Any = "somebody"
    department: int = 9
    facts: dict[Do, str] = field(default_factory=dict)
    labels: set[int] = field(default_factory=lambda: {3})
    was_possible: bool = True

    def run(self, action: Action) -> None:
        match action.do:
            case Do.REPLY:
                self.was_possible &= self.is_ours
                self.is_unread = False
            case Do.CLOSE:
                self.is_open = self.is_snoozed = self.is_unread = False
            case Do.REOPEN:
                self.is_open = True
            case Do.SNOOZE:
                self.was_possible &= self.is_open
                self.is_snoozed = True
            case Do.UNREAD:
                self.is_unread = True
            case Do.ASSIGN if action.to is To.DEPARTMENT:
                self.department, self.assignee, self.is_snoozed, self.is_ours = action.target or 0, None, False, False
            case Do.ASSIGN:
                self.assignee = action.target or action.to
                if action.to is To.AGENT:
                    self.is_snoozed = self.is_ours = False
            case Do.ADD_LABELS:
                self.labels |= set(action.labels)
            case Do.REMOVE_LABELS:
                self.labels -= set(action.labels)
            case Do.PRIORITY | Do.SUBJECT:
                self.facts[action.do] = action.value or action.text

    def holds(self, action: Action) -> bool:
        """Return whether what the action says is still true."""
        match action.do:
            case Do.CLOSE:
                return not self.is_open
            case Do.REOPEN:
                return self.is_open
            case Do.SNOOZE:
                return self.is_snoozed
            case Do.UNREAD:
                return self.is_unread
            case Do.ASSIGN if action.to is To.DEPARTMENT:
                return self.department == action.target
            case Do.ASSIGN:
                return bool(self.assignee == (action.target or action.to))
            case Do.ADD_LABELS:
                return self.labels >= set(action.labels)
            case Do.REMOVE_LABELS:
                return not self.labels & set(action.labels)
            case Do.PRIORITY | Do.SUBJECT:
                return self.facts[action.do] == (action.value or action.text)
        return True


@given(macros, st.booleans())
def test_of_a_valid_macro_everything_is_possible_and_still_true_at_the_end(listed: list[Action], closed: bool) -> None:
    if problems(listed):
        return
    reopens = any(action.do is Do.REOPEN for action in listed)
    world = World(is_open=not closed or not reopens)
    for action in listed:
        world.run(action)
    assert world.was_possible
    assert all(map(world.holds, listed))


@given(macros)
def test_the_right_order_takes_away_all_that_is_wrong_with_the_order(listed: list[Action]) -> None:
    ordered = in_order(listed)
    assert sorted(map(repr, ordered)) == sorted(map(repr, listed))
    assert not [problem for problem in problems(ordered) if problem.sentence.startswith("Put ")]
    assert in_order(ordered) == ordered


@given(macros)
def test_what_is_stored_is_read_as_it_was(listed: list[Action]) -> None:
    assert parse([action.stored() for action in listed]) == listed


@pytest.mark.slow
@given(anything)
def test_whatever_a_newer_release_or_a_client_stores_is_refused_and_not_an_error(stored: object) -> None:
    for index, action in enumerate(parse(stored)):
        assert action.do is not None or any(problem.index == index for problem in problems(parse(stored)))


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ([], "Add at least one action."),
        ([{"do": "telepathy"}], "does not know this action"),
        ([{"do": "close"}, {"do": "snooze", "value": "later"}], "A closed ticket cannot be snoozed."),
        ([{"do": "snooze", "value": "later"}, {"do": "close"}], "A closed ticket cannot be snoozed."),
        ([{"do": "snooze", "value": "time"}], "Choose until when"),
        ([{"do": "close"}, {"do": "reply", "text": "Bye"}], "Put the reply before “Close”."),
        ([{"do": "assign", "to": "me"}, {"do": "assign", "to": "nobody"}], "has this action already"),
        ([{"do": "add_labels", "labels": [1, 2]}, {"do": "remove_labels", "labels": [2]}], "the same label"),
        ([{"do": "reply", "text": "x" * 1601}], "The text has 1,601 characters; at most 1,600 fit."),
        ([{"do": "unread"}] * (MOST_ACTIONS + 1), "at most 20 actions"),
        ([{"do": "assign", "to": "agent"}], "Choose to whom"),
    ],
)
def test_what_is_wrong_is_said(stored: list[dict[str, Any]], sentence: str) -> None:
    assert any(sentence in problem.sentence for problem in problems(parse(stored)))


def test_what_a_macro_names_is_known_and_follows_a_merge() -> None:
    listed = parse([{"do": "add_labels", "labels": [1, 2]}, {"do": "assign", "to": "agent", "id": 7}])
    wanted = references(listed)
    assert (wanted.labels, wanted.agents, wanted.departments) == (frozenset({1, 2}), frozenset({7}), frozenset())
    assert [missing_in(action, wanted) for action in listed] == [[("label", 1), ("label", 2)], [("agent", 7)]]
    assert with_label(listed, 1, 2)[0].labels == (2,)


def test_a_text_is_what_every_database_can_store() -> None:
    [note, snooze] = parse([{"do": "note", "text": "a\0b\ud800"}, {"do": "snooze", "value": "a\0"}])
    assert (note.text, snooze.value) == ("ab\ufffd", "a")
