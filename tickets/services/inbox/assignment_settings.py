"""The settings of assignment in a department, the capacities of its agents, and the preview in Setup."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from desk import audit_log, wake
from desk.errors import Refused
from desk.languages import in_english
from desk.models import Agent, Department, User
from desk.sentences import counted, sentence
from tickets.models import AssignmentSettings, Availability, Ticket
from tickets.rules import assigning as rules
from tickets.rules.assigning import Candidate, PastTicket, Policy, Simulation
from tickets.services.conversation import assigning
from tickets.services.inbox import automatic_assignment

FIELDS = ("on_reply", "mode", "capacity", "last_agent_first", "hand_back_minutes")
PREVIEW_DAYS = 7
PREVIEW_TICKETS = 500


def of_department(department: Department) -> AssignmentSettings:
    """Return the settings of the department; the defaults when nothing was saved."""
    return assigning.settings_of(department.pk)


def save_all(
    user: User, department: Department, values: Mapping[str, Any], capacities: Mapping[int, int | None]
) -> bool:
    """Save the settings and the own capacities together, or nothing; return whether anything changed.

    Raises ValidationError and Refused.
    """
    with transaction.atomic():
        is_changed = save(user, department, values)
        return bool(save_capacities(user, department, capacities)) or is_changed


def save(user: User, department: Department, values: Mapping[str, Any]) -> bool:
    """Save those of FIELDS that are in `values`; return whether anything changed. Raises ValidationError."""
    with transaction.atomic():
        Department.objects.select_for_update().get(pk=department.pk)
        settings, _created = AssignmentSettings.objects.get_or_create(department=department)
        before = _words(settings)
        for name in FIELDS:
            if name in values:
                setattr(settings, name, values[name])
        settings.full_clean()
        settings.save()
        after = _words(settings)
        changes = [new for old, new in zip(before, after, strict=True) if old != new]
        if changes:
            wake.wake(assigning.JOB)
        for change in changes:
            audit_log.record(user, department, audit_log.CHANGE, change)
    return bool(changes)


def _words(settings: AssignmentSettings) -> list[str]:
    """Return a sentence about each setting, for the history."""
    is_on = sentence("yes") if settings.last_agent_first else sentence("no")
    minutes = settings.hand_back_minutes
    return [
        sentence("After a reply: %(choice_text)s.", choice_text=in_english(settings.get_on_reply_display())),
        sentence("Automatic assignment: %(choice_text)s.", choice_text=in_english(settings.get_mode_display())),
        counted(
            "Capacity of agents: %(count)s open conversation.",
            "Capacity of agents: %(count)s open conversations.",
            settings.capacity,
        ),
        sentence("Assign to the agent who replied last: %(choice_text)s.", choice_text=is_on),
        sentence("Conversations of agents who are away are handed back: never.")
        if minutes is None
        else counted(
            "Conversations of agents who are away are handed back after %(count)s minute.",
            "Conversations of agents who are away are handed back after %(count)s minutes.",
            minutes,
        ),
    ]


def save_capacities(user: User, department: Department, capacities: Mapping[int, int | None]) -> int:
    """Save the own capacity of members of the department by id of the agent (None: the department's).

    Return how many changed. Raises Refused for somebody who is no member any more, or for a number out of range.
    """
    changed = 0
    with transaction.atomic():
        agents = {agent.pk: agent for agent in members(department) if agent.pk in capacities}
        if len(agents) < len(capacities):
            raise Refused(sentence("An agent is no longer a member of %(department)s.", department=department))
        for pk, agent in agents.items():
            if _set_capacity(user, agent, capacities[pk]):
                changed += 1
        if changed:
            wake.wake(assigning.JOB)
    return changed


def save_capacity(user: User, agent: Agent, capacity: int | None) -> bool:
    """Save the own capacity of an agent (None: that of their department); return whether it changed. Raises Refused."""
    with transaction.atomic():
        is_changed = _set_capacity(user, agent, capacity)
        if is_changed:
            wake.wake(assigning.JOB)
    return is_changed


def _set_capacity(user: User, agent: Agent, capacity: int | None) -> bool:
    if capacity is not None and not 0 <= capacity <= rules.MOST_OPEN:
        raise Refused(sentence("The capacity is a number from 0 to %(most)s.", most=rules.MOST_OPEN))
    kept = Availability.objects.filter(agent=agent).first()
    if capacity == (kept.capacity if kept else None):
        return False
    Availability.objects.update_or_create(agent=agent, defaults={"capacity": capacity})
    line = (
        sentence("Own capacity removed: that of the department counts.")
        if capacity is None
        else counted(
            "Own capacity: %(count)s open conversation.", "Own capacity: %(count)s open conversations.", capacity
        )
    )
    audit_log.record(user, agent, audit_log.CHANGE, line)
    return True


def members(department: Department) -> list[Agent]:
    """Return the active agents of the department with their own capacities, by id."""
    rows = Agent.objects.filter(departments=department, user__is_active=True).select_related("user", "availability")
    return list(rows.order_by("pk"))


# --- The preview ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Share:
    """What an agent would have got: conversations, and the most that would have been open at once."""

    user: User
    count: int
    most_open: int
    limit: int


@dataclass(frozen=True)
class Preview:
    """What automatic assignment would have made of the last PREVIEW_DAYS.

    `conversations` were looked at; `is_cut` says that there were more than PREVIEW_TICKETS tickets, of which only the
    newest count.
    """

    shares: list[Share]
    conversations: int
    waited: int
    nobody: int
    is_cut: bool


def preview(department: Department, policy: Policy, capacities: Mapping[int, int | None] | None = None) -> Preview:
    """Return what this policy would have done in the department; a few queries, whatever its size.

    `capacities` are own capacities by id of the agent that are not saved yet.
    """
    known = automatic_assignment.agents(only_online=False, of_department=department.pk)
    own = {known_agent.agent.pk: pk for pk, known_agent in known.users.items()}
    unsaved = {own[pk]: value for pk, value in (capacities or {}).items() if pk in own}
    candidates = [
        replace(agent, capacity=unsaved[agent.user_id]) if agent.user_id in unsaved else agent
        for agent in known.candidates
    ]
    since = timezone.now() - timedelta(days=PREVIEW_DAYS)
    newest = Ticket.objects.filter(department=department, opened_at__gte=since).order_by("-opened_at", "-pk")
    rows = list(newest.select_related("conversation__channel")[: PREVIEW_TICKETS + 1])
    past = [
        PastTicket(row.conversation_id, automatic_assignment.facts_of(row.conversation), row.opened_at, row.closed_at)
        for row in rows[:PREVIEW_TICKETS]
    ]
    result = rules.simulate(policy, candidates, past)
    return Preview(
        shares=_shares(policy, candidates, known.users, result),
        conversations=len({ticket.number for ticket in past}),
        waited=result.waited,
        nobody=result.nobody,
        is_cut=len(rows) > PREVIEW_TICKETS,
    )


def _shares(policy: Policy, agents: list[Candidate], users: Mapping[int, User], result: Simulation) -> list[Share]:
    shares = [
        Share(
            users[agent.user_id],
            result.by_user.get(agent.user_id, 0),
            result.most_open.get(agent.user_id, 0),
            agent.limit(policy),
        )
        for agent in agents
    ]
    return sorted(shares, key=lambda share: (-share.count, str(share.user)))
