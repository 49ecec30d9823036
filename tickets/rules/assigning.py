"""Automatic assignment: who gets a conversation that nobody has. Pure.

The services pass in the agents with their loads; the same rule serves the worker and the preview in Setup.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

MOST_OPEN = 500  # the largest capacity that can be set


class OnReply(StrEnum):
    """What a reply in a conversation that nobody has does: it asks, assigns, or leaves it so."""

    ASK = "ask"
    ALWAYS = "always"
    NEVER = "never"


class Mode(StrEnum):
    """How a department's conversations are assigned by Desk."""

    OFF = "off"
    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"


class Reason(StrEnum):
    """Why somebody has a conversation, or nobody any more; the names are those of the API."""

    MANUAL = "manual"
    REPLY = "reply"
    LAST_AGENT = "last_agent"
    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    AWAY = "away"


@dataclass(frozen=True)
class Policy:
    """How a department assigns. `capacity` is that of agents who have none of their own: open conversations."""

    mode: Mode
    capacity: int
    last_agent_first: bool = True


@dataclass(frozen=True)
class Candidate:
    """An agent. `capacity` is their own, None: the department's. `turn` numbers their last automatic assignment.

    `open_count` counts their open conversations of all departments, without snoozed ones.
    """

    user_id: int
    channel_ids: frozenset[int] = frozenset()
    department_ids: frozenset[int] = frozenset()
    open_count: int = 0
    capacity: int | None = None
    turn: int = 0
    is_online: bool = True

    def limit(self, policy: Policy) -> int:
        """Return how many open conversations this agent takes."""
        return policy.capacity if self.capacity is None else self.capacity

    def has_room(self, policy: Policy) -> bool:
        """Return whether one more conversation stays within the capacity of this agent."""
        return self.is_online and self.open_count < self.limit(policy)


@dataclass(frozen=True)
class Unassigned:
    """A conversation that nobody has. `is_elsewhere`: it was transferred to a department without its channel.

    `last_agent` is the user (id) who replied last, None: nobody did.
    """

    channel_id: int
    department_id: int
    is_elsewhere: bool = False
    last_agent: int | None = None


@dataclass(frozen=True)
class Choice:
    """Who gets the conversation, and why. `open_count` of `limit` were open before."""

    user_id: int
    reason: Reason
    open_count: int
    limit: int


def may_see(agent: Candidate, conversation: Unassigned) -> bool:
    """Return whether the conversation is the agent's to answer.

    They are associated with its channel; after a transfer to a department without the channel, a member of that one.
    """
    if conversation.is_elsewhere:
        return conversation.department_id in agent.department_ids
    return conversation.channel_id in agent.channel_ids


def choose(policy: Policy, agents: Iterable[Candidate], conversation: Unassigned) -> Choice | None:
    """Return who gets the conversation now; None when nobody can take it or the mode is off."""
    if policy.mode is Mode.OFF:
        return None
    able = [agent for agent in agents if agent.has_room(policy) and may_see(agent, conversation)]
    if not able:
        return None
    if policy.last_agent_first:
        for agent in able:
            if agent.user_id == conversation.last_agent:
                return _chosen(policy, agent, Reason.LAST_AGENT)
    if policy.mode is Mode.ROUND_ROBIN:
        next_agent = min(able, key=lambda agent: (agent.turn, agent.user_id))
        return _chosen(policy, next_agent, Reason.ROUND_ROBIN)
    freest = min(able, key=lambda agent: (_load(policy, agent), agent.open_count, agent.turn, agent.user_id))
    return _chosen(policy, freest, Reason.LEAST_LOADED)


def _load(policy: Policy, agent: Candidate) -> Fraction:
    return Fraction(agent.open_count, agent.limit(policy))  # who has room has a limit above 0


def _chosen(policy: Policy, agent: Candidate, reason: Reason) -> Choice:
    return Choice(agent.user_id, reason, agent.open_count, agent.limit(policy))


# --- Preview ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PastTicket:
    """A ticket that was opened, and perhaps closed. `number` is that of its conversation."""

    number: int
    conversation: Unassigned
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass
class Simulation:
    """What automatic assignment would have done with past conversations.

    `by_user` has how many each user (id) would have got, `most_open` how many of them they would have had at once.
    `waited` conversations would have got somebody later, `nobody` never.
    """

    by_user: dict[int, int] = field(default_factory=dict)
    most_open: dict[int, int] = field(default_factory=dict)
    waited: int = 0
    nobody: int = 0


def simulate(policy: Policy, agents: Iterable[Candidate], tickets: Iterable[PastTicket]) -> Simulation:
    """Return what the policy would have made of the conversations with these tickets.

    Everybody is taken to be online, with no open conversation at the beginning. As in the inbox, a conversation keeps
    its agent when a new ticket is opened, and waits for room, the oldest first, while its ticket is open.
    """
    past = _Past(policy, agents)
    for ticket in sorted(tickets, key=lambda ticket: ticket.opened_at):
        past.close_until(ticket.opened_at)
        past.open(ticket)
    past.close_until(None)
    past.result.nobody = len(past.unassigned)
    return past.result


class _Past:
    """The state of a simulation: agents with their loads, whose each conversation is, and which are open or wait."""

    def __init__(self, policy: Policy, agents: Iterable[Candidate]) -> None:
        self.policy, self.result = policy, Simulation()
        self.agents = {agent.user_id: replace(agent, open_count=0, is_online=True) for agent in agents}
        self.owners: dict[int, int] = {}
        self.open_until: dict[int, datetime | None] = {}  # of conversations that somebody has
        self.waiting: dict[int, PastTicket] = {}
        self.unassigned: set[int] = set()
        self.turn = max((agent.turn for agent in self.agents.values()), default=0)

    def open(self, ticket: PastTicket) -> None:
        """Open a ticket: in a conversation that somebody has, in one that waits, or in a new one."""
        number = ticket.number
        if number in self.owners:
            if number not in self.open_until:
                self._change_load(self.owners[number], 1)
            self.open_until[number] = ticket.closed_at
            return
        self.unassigned.add(number)
        self.waiting[number] = ticket
        self._give(ticket)

    def close_until(self, now: datetime | None) -> None:
        """Close every ticket that was closed before `now` (None: all), and give what waits to those who have room."""
        while True:
            closings = [(at, number) for number, at in self.open_until.items() if at is not None]
            first = min(closings, default=None)
            if first is None or (now is not None and first[0] > now):
                break
            at, number = first
            del self.open_until[number]
            self._change_load(self.owners[number], -1)
            self._drop_closed(at)
            for ticket in list(self.waiting.values()):
                if self._give(ticket):
                    self.result.waited += 1
        self._drop_closed(now)

    def _drop_closed(self, now: datetime | None) -> None:
        """Forget the tickets that waited until they were closed."""
        for number, ticket in list(self.waiting.items()):
            if ticket.closed_at is not None and (now is None or ticket.closed_at <= now):
                del self.waiting[number]

    def _give(self, ticket: PastTicket) -> bool:
        choice = choose(self.policy, self.agents.values(), ticket.conversation)
        if choice is None:
            return False
        number, user_id = ticket.number, choice.user_id
        self.turn += 1
        self.agents[user_id] = replace(self.agents[user_id], turn=self.turn)
        self._change_load(user_id, 1)
        self.owners[number], self.open_until[number] = user_id, ticket.closed_at
        del self.waiting[number]
        self.unassigned.discard(number)
        self.result.by_user[user_id] = self.result.by_user.get(user_id, 0) + 1
        return True

    def _change_load(self, user_id: int, by: int) -> None:
        agent = self.agents[user_id]
        self.agents[user_id] = agent = replace(agent, open_count=agent.open_count + by)
        self.result.most_open[user_id] = max(self.result.most_open.get(user_id, 0), agent.open_count)
