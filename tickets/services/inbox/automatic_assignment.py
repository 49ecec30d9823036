"""Assign conversations that nobody has, and take back those of agents who are away: a job of the worker.

A conversation waits here while its customer waits for an answer, its ticket is open and nobody has it; the one who has
waited longest comes first. Nothing is queued besides: an agent who comes online or closes a ticket is found when the
job looks again.

Locks are taken in this order: the settings of all departments that assign, by id, then the conversation. The first lets
one worker after another count the agents' open conversations and choose, so that nobody gets more than their capacity.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk import loops
from desk.models import Agent, User
from desk.sentences import counted, sentence
from tickets.models import AssignmentSettings, Availability, Conversation, Message
from tickets.rules import assigning as rules
from tickets.rules.assigning import Candidate, Choice, Mode, Policy, Reason, Unassigned
from tickets.services.conversation import assigning
from tickets.services.inbox.counts import CountUpToLimit

logger = logging.getLogger(__name__)

AT_A_TIME = 100  # conversations that one run looks at
MAX_RUN_S = 10.0
#: Transferred to a department that its channel does not belong to: the members of the department answer it.
IS_ELSEWHERE = Q(transferred_at__isnull=False) & ~Q(channel__department=F("department"))


@dataclass(frozen=True)
class Agents:
    """The candidates, and the users they are, by id."""

    candidates: list[Candidate]
    users: dict[int, User]


def policy_of(settings: AssignmentSettings) -> Policy:
    """Return the settings of a department as the rule wants them."""
    return Policy(Mode(settings.mode), settings.capacity, settings.last_agent_first)


def agents(*, only_online: bool = True, of_department: int | None = None) -> Agents:
    """Return the active agents, with their open conversations; three queries.

    `of_department` limits them to its members and to those who are associated with its channels.
    """
    rows = Agent.objects.filter(user__is_active=True)
    if only_online:
        rows = rows.filter(presence=Agent.Presence.ONLINE)
    if of_department is not None:
        associated = ChannelAgent.objects.filter(channel__department=of_department).values("agent")
        members = Agent.departments.through.objects.filter(department=of_department).values("agent")
        rows = rows.filter(Q(pk__in=associated) | Q(pk__in=members))
    own = Conversation.objects.filter(
        assignee=OuterRef("user_id"), is_open=True, is_snoozed=False, channel__deleted_at=None
    )
    counted = rows.annotate(open_count=CountUpToLimit(own.order_by().values("pk")[: rules.MOST_OPEN]))
    found = list(counted.select_related("user", "availability"))
    channels = _sets(ChannelAgent.objects.filter(agent__in=found).values_list("agent_id", "channel_id"))
    departments = _sets(
        Agent.departments.through.objects.filter(agent__in=found).values_list("agent_id", "department_id")
    )
    candidates = []
    for agent in found:
        kept = getattr(agent, "availability", None)
        candidates.append(
            Candidate(
                agent.user_id,
                frozenset(channels.get(agent.pk, ())),
                frozenset(departments.get(agent.pk, ())),
                agent.open_count,
                kept.capacity if kept else None,
                kept.turn if kept else 0,
                agent.presence == Agent.Presence.ONLINE,
            )
        )
    return Agents(candidates, {agent.user_id: agent.user for agent in found})


def _sets(pairs: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    by_agent: dict[int, set[int]] = {}
    for agent_id, other_id in pairs:
        by_agent.setdefault(agent_id, set()).add(other_id)
    return by_agent


# --- The job ----------------------------------------------------------------------------------------------------------
def is_due() -> bool:
    """Return whether a conversation can be assigned or is to be handed back; one query where no department wants it."""
    settings = list(_active())
    return bool(settings) and (_to_hand_back(settings).exists() or _assignable(settings).exists())


def run() -> int:
    """Hand back conversations, then assign those that nobody has, the longest waiting first; return how many.

    One that fails does not stop the others. At most AT_A_TIME of each are looked at.
    """
    began, settings = time.monotonic(), list(_active())
    if not settings:
        return 0
    back = list(_to_hand_back(settings).order_by("waiting_since", "pk").values_list("pk", flat=True)[:AT_A_TIME])
    done = _each(back, _hand_back, began)
    waiting = _assignable(settings).order_by("waiting_since", "pk").values_list("pk", flat=True)
    return done + _each(list(waiting[:AT_A_TIME]), _assign, began)


def _each(pks: list[int], act: Callable[[int], bool], began: float) -> int:
    done = 0
    for pk in pks:
        if not loops.may_go_on(began, MAX_RUN_S):
            break
        try:
            with transaction.atomic():
                done += act(pk)
        except Exception:
            logger.exception("The assignment of conversation %s failed", pk)
    return done


def _active() -> QuerySet[AssignmentSettings, AssignmentSettings]:
    """Return the settings of the departments for which Desk assigns or hands back."""
    is_on = ~Q(mode=AssignmentSettings.ModeChoice.OFF) | Q(hand_back_minutes__isnull=False)
    return AssignmentSettings.objects.filter(is_on).select_related("department").order_by("pk")


# --- Assign -----------------------------------------------------------------------------------------------------------
def _waiting() -> QuerySet[Conversation, Conversation]:
    """Return the conversations that nobody has and whose customer waits for an answer that can be given."""
    free = Conversation.objects.filter(
        assignee__isnull=True, is_open=True, is_snoozed=False, waiting_since__isnull=False
    )
    return free.filter(
        channel__deleted_at=None, channel__is_active=True, contact__blocked_at=None, contact__erased_at=None
    )


def _assignable(settings: list[AssignmentSettings]) -> QuerySet[Conversation, Conversation]:
    """Return those that somebody can take now: no conversation that has to wait for its agents is before them."""
    can_be_taken = Q(pk__in=())
    switched_on = [one for one in settings if one.mode != Mode.OFF]
    candidates = agents().candidates if switched_on else []
    for one in switched_on:
        policy = policy_of(one)
        free = [agent for agent in candidates if agent.has_room(policy)]
        channels = {pk for agent in free for pk in agent.channel_ids}
        if channels:
            can_be_taken |= Q(department=one.department_id, channel__in=channels) & ~IS_ELSEWHERE
        if any(one.department_id in agent.department_ids for agent in free):
            can_be_taken |= Q(department=one.department_id) & IS_ELSEWHERE
    return _waiting().filter(can_be_taken)


def _assign(pk: int) -> bool:
    """Assign the conversation if somebody can take it and nobody has it still; return whether it was assigned."""
    settings = {one.department_id: one for one in _active().select_for_update(of=("self",))}
    conversation = _waiting().select_for_update(of=("self",)).select_related("contact", "channel").filter(pk=pk).first()
    if conversation is None or conversation.department_id not in settings:
        return False
    policy, known = policy_of(settings[conversation.department_id]), agents()
    choice = rules.choose(policy, known.candidates, facts_of(conversation, last_agent(pk)))
    if choice is None:
        return False
    user = known.users[choice.user_id]
    assigning.change(conversation, user, _line(user, choice), choice.reason, None)
    turn = Availability.objects.aggregate(last=Max("turn"))["last"] or 0
    Availability.objects.update_or_create(agent=user.agent, defaults={"turn": turn + 1})
    return True


def facts_of(conversation: Conversation, last: int | None = None) -> Unassigned:
    """Return the conversation, read with its channel, as the rule wants it."""
    is_elsewhere = (
        conversation.transferred_at is not None and conversation.department_id != conversation.channel.department_id
    )
    return Unassigned(conversation.channel_id, conversation.department_id, is_elsewhere, last)


def last_agent(pk: int) -> int | None:
    """Return the user (id) who wrote the last reply in the conversation, None when no agent has."""
    replies = Message.objects.filter(
        conversation=pk, direction=Message.Direction.OUT, kind=Message.Kind.MESSAGE, author__isnull=False
    )
    return replies.order_by("-sent_at", "-pk").values_list("author_id", flat=True).first()


def _line(user: User, choice: Choice) -> str:
    if choice.reason is Reason.LAST_AGENT:
        return sentence("Assigned to %(user)s automatically: replied last time", user=user)
    if choice.reason is Reason.ROUND_ROBIN:
        return sentence(
            "Assigned to %(user)s automatically: next in turn (%(count)s of %(most)s open)",
            user=user,
            count=choice.open_count,
            most=choice.limit,
        )
    return sentence(
        "Assigned to %(user)s automatically: least loaded (%(count)s of %(most)s open)",
        user=user,
        count=choice.open_count,
        most=choice.limit,
    )


# --- Hand back --------------------------------------------------------------------------------------------------------
def _to_hand_back(settings: list[AssignmentSettings]) -> QuerySet[Conversation, Conversation]:
    """Return the conversations of agents who are away whose customers have waited for too long since then."""
    is_over, now = Q(pk__in=()), timezone.now()
    for one in settings:
        if one.hand_back_minutes is not None:
            before = now - timedelta(minutes=one.hand_back_minutes)
            away_before = Q(assignee__agent__availability__away_since__lte=before)
            away_before |= Q(assignee__agent__availability__away_since=None)  # from before Desk noted it
            is_over |= Q(department=one.department_id, waiting_since__lte=before) & away_before
    away = Agent.objects.filter(presence__in=(Agent.Presence.AWAY, Agent.Presence.OFFLINE))
    return Conversation.objects.filter(
        is_over,
        is_open=True,
        is_snoozed=False,
        channel__deleted_at=None,
        # By their numbers: with a join the database does not know how few conversations these are, and reads all.
        assignee__in=list(away.values_list("user", flat=True)),
    )


def _hand_back(pk: int) -> bool:
    settings = {one.department_id: one for one in _active()}
    due = _to_hand_back(list(settings.values())).filter(pk=pk)
    # The rows that are joined can be missing, so that the conversation is locked by itself.
    locked = Conversation.objects.select_for_update(of=("self",)).select_related("contact").filter(pk=pk).first()
    if locked is None or not due.exists() or locked.assignee is None:
        return False
    minutes = settings[locked.department_id].hand_back_minutes
    line = counted(
        "Unassigned automatically: %(user)s is away, and the customer waits for a minute",
        "Unassigned automatically: %(user)s is away, and the customer waits for %(count)s minutes",
        minutes or 0,
        user=locked.assignee,
    )
    assigning.change(locked, None, line, Reason.AWAY, None)
    return True
