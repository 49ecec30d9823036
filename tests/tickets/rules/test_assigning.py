"""Who gets a conversation that nobody has."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rules.assigning import Candidate, Mode, PastTicket, Policy, Reason, Unassigned, choose, may_see, simulate

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE = Unassigned(channel_id=1, department_id=1)
small = st.integers(0, 4)
ids = st.frozensets(st.integers(1, 3), max_size=3)
agents = st.lists(
    st.builds(
        Candidate,
        user_id=st.integers(1, 8),
        channel_ids=ids,
        department_ids=ids,
        open_count=small,
        capacity=st.none() | small,
        turn=small,
        is_online=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda agent: agent.user_id,
)
conversations = st.builds(
    Unassigned,
    channel_id=st.integers(1, 3),
    department_id=st.integers(1, 3),
    is_elsewhere=st.booleans(),
    last_agent=st.none() | st.integers(1, 8),
)
policies = st.builds(Policy, st.sampled_from(Mode), st.integers(1, 4), st.booleans())


@pytest.mark.slow
@given(policies, agents, conversations)
def test_who_gets_it_is_online_may_see_it_and_has_room_and_somebody_gets_it_if_anybody_can(
    policy: Policy, agents: list[Candidate], conversation: Unassigned
) -> None:
    choice = choose(policy, agents, conversation)
    able = {
        agent.user_id
        for agent in agents
        if agent.is_online
        and agent.open_count < (policy.capacity if agent.capacity is None else agent.capacity)
        and (
            conversation.department_id in agent.department_ids
            if conversation.is_elsewhere
            else conversation.channel_id in agent.channel_ids
        )
    }
    if policy.mode is Mode.OFF or not able:
        assert choice is None
        return
    assert choice is not None
    assert choice.user_id in able
    assert choice.open_count < choice.limit
    if policy.last_agent_first and conversation.last_agent in able:
        assert (choice.user_id, choice.reason) == (conversation.last_agent, Reason.LAST_AGENT)


@pytest.mark.slow
@given(agents, st.lists(conversations, max_size=40), policies)
def test_a_row_of_conversations_brings_nobody_above_capacity(
    agents: list[Candidate], row: list[Unassigned], policy: Policy
) -> None:
    state = {agent.user_id: agent for agent in agents}
    for turn, conversation in enumerate(row, 10):
        if choice := choose(policy, state.values(), conversation):
            agent = state[choice.user_id]
            state[agent.user_id] = replace(agent, open_count=agent.open_count + 1, turn=turn)
            assert state[agent.user_id].open_count <= agent.limit(policy)
            assert may_see(agent, conversation)


@given(st.integers(1, 6), st.integers(0, 40))
def test_in_turn_nobody_gets_two_more_than_another(count: int, number: int) -> None:
    policy = Policy(Mode.ROUND_ROBIN, 500, last_agent_first=False)
    state = {pk: Candidate(pk, frozenset({1})) for pk in range(1, count + 1)}
    got = Counter(dict.fromkeys(state, 0))
    for turn in range(1, number + 1):
        choice = choose(policy, state.values(), HERE)
        assert choice is not None
        got[choice.user_id] += 1
        state[choice.user_id] = replace(state[choice.user_id], turn=turn)
    assert max(got.values()) - min(got.values()) <= 1


def test_the_least_loaded_is_who_has_the_smallest_part_of_their_capacity() -> None:
    half, third = Candidate(1, frozenset({1}), open_count=1, capacity=2), Candidate(2, frozenset({1}), open_count=3)
    choice = choose(Policy(Mode.LEAST_LOADED, 10), [half, third], HERE)
    assert choice is not None
    assert (choice.user_id, choice.reason, choice.open_count, choice.limit) == (2, Reason.LEAST_LOADED, 3, 10)


@pytest.mark.parametrize("mode", [Mode.ROUND_ROBIN, Mode.LEAST_LOADED])
def test_the_preview_lets_conversations_wait_for_room_and_keep_their_agent(mode: Mode) -> None:
    def ticket(number: int, opened: int, closed: int | None) -> PastTicket:
        at = NOON + timedelta(hours=opened)
        return PastTicket(number, HERE, at, None if closed is None else NOON + timedelta(hours=closed))

    only = [Candidate(1, frozenset({1}), capacity=1, open_count=9, is_online=False)]
    tickets = [
        ticket(1, 0, 2),  # taken at once
        ticket(2, 1, 5),  # waits until 1 is closed
        ticket(3, 1, 2),  # closed before anybody had room
        ticket(1, 3, 4),  # comes back to its agent, who has another one: keeps them
        ticket(4, 6, None),
    ]
    result = simulate(Policy(mode, 10), only, tickets)
    assert (result.by_user, result.most_open, result.waited, result.nobody) == ({1: 3}, {1: 2}, 1, 1)


@pytest.mark.slow
@given(agents, st.lists(st.tuples(st.integers(1, 6), conversations, small, st.none() | small), max_size=20), policies)
def test_the_preview_counts_every_conversation_once(
    agents: list[Candidate], past: list[tuple[int, Unassigned, int, int | None]], policy: Policy
) -> None:
    tickets = [
        PastTicket(
            number,
            conversation,
            NOON + timedelta(hours=opened),
            None if length is None else NOON + timedelta(hours=opened + length),
        )
        for number, conversation, opened, length in past
    ]
    result = simulate(policy, agents, tickets)
    assert sum(result.by_user.values()) + result.nobody == len({ticket.number for ticket in tickets})
    assert result.waited <= sum(result.by_user.values())
