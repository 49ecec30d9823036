"""Who may see which conversation: the one answer for pages, files, API and the live stream (design, 5 and 9)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from channels_im.models import Channel, ChannelAgent
from desk.models import Agent, User
from tickets.models import Conversation

SEES_ALL = "tickets.view_conversation"
GRANTS = "django.contrib.auth.backends.ModelBackend"  # where permissions are granted


@dataclass(frozen=True)
class UserFacts:
    """What decides which conversations a user sees. Read once, then asked for every event of a live stream."""

    user_id: int | None
    sees_all: bool = False
    channel_ids: frozenset[int] = frozenset()
    department_ids: frozenset[int] = frozenset()


NOBODY = UserFacts(user_id=None)


def facts_for(user: User | AnonymousUser) -> UserFacts:
    """Read from the database what `user` may see; a constant number of queries (at most four).

    A user who is not logged in or was deactivated gets `NOBODY`, who sees nothing.
    """
    if not user.is_authenticated or not user.is_active:
        return NOBODY
    return facts_of([user.pk]).get(user.pk, NOBODY)


def facts_of(user_ids: Iterable[int]) -> dict[int, UserFacts]:
    """The same for many users by their id, in four queries; who was deactivated is not in it."""
    active = User.objects.filter(pk__in=set(user_ids), is_active=True)
    see_all = set(User.objects.with_perm(SEES_ALL, backend=GRANTS).filter(pk__in=active).values_list("pk", flat=True))
    channels = _grouped(ChannelAgent.objects.filter(agent__user__in=active).values_list("agent__user", "channel"))
    members = Agent.departments.through.objects.filter(agent__user__in=active)
    departments = _grouped(members.values_list("agent__user", "department"))
    return {
        pk: UserFacts(pk, sees_all=True) if pk in see_all else UserFacts(pk, False, channels[pk], departments[pk])
        for pk in active.values_list("pk", flat=True)
    }


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for user_id, pk in pairs:
        found[user_id].add(pk)
    return defaultdict(frozenset, {user_id: frozenset(ids) for user_id, ids in found.items()})


def visible(facts: UserFacts, payload: dict[str, Any]) -> bool:
    """May the user with these facts be told of a live event? Asks no database.

    `payload` holds ids: `channel`, `assignee`, `department`, and `transferred` (bool, absent means unknown). An unknown
    transfer is told to the department's members: the event names ids only, and the page reads the content through
    views that ask `get_conversation`. That a colleague is online or away (kind `agent`) is told to every colleague.
    """
    if facts.user_id is None:
        return False
    if payload.get("kind") == "agent":
        return True
    if facts.sees_all or payload.get("channel") in facts.channel_ids:
        return True
    if payload.get("assignee") == facts.user_id:
        return True
    return bool(payload.get("transferred", True)) and payload.get("department") in facts.department_ids


def ids_of(conversation: Conversation) -> dict[str, Any]:
    """What `visible` decides on, for an event about this conversation."""
    return {
        "conversation": conversation.pk,
        "channel": conversation.channel_id,
        "assignee": conversation.assignee_id,
        "department": conversation.department_id,
        "transferred": conversation.transferred_at is not None,
    }


def conversations_for(
    user: User | AnonymousUser, facts: UserFacts | None = None
) -> QuerySet[Conversation, Conversation]:
    """The conversations `user` may see: of associated channels, assigned to them, or transferred to their department.

    Superusers and holders of `tickets.view_conversation` see all. Pass `facts` when they were read already.
    """
    return seen_by(facts or facts_for(user))


def seen_by(facts: UserFacts) -> QuerySet[Conversation, Conversation]:
    """The same from the facts alone; their `user_id` may also refer to a user of the query around (OuterRef)."""
    if facts.user_id is None:
        return Conversation.objects.none()
    if facts.sees_all:
        return Conversation.objects.all()
    return Conversation.objects.filter(_seen_alike(facts) | Q(assignee_id=facts.user_id))


def seen_alike(facts: UserFacts) -> QuerySet[Conversation, Conversation]:
    """Those that everybody with the same channels and departments sees, whoever it is."""
    return Conversation.objects.all() if facts.sees_all else Conversation.objects.filter(_seen_alike(facts))


def own_besides(facts: UserFacts, user_ids: Iterable[int]) -> set[int]:
    """Which of these users, alike in `facts`, see more than `seen_alike`: something assigned to them elsewhere.

    Two queries, and a look into an index for each user and channel of others.
    """
    if facts.sees_all:
        return set()
    others = list(Channel.objects.exclude(pk__in=facts.channel_ids).values_list("pk", flat=True))
    elsewhere = Conversation.objects.filter(~_seen_alike(facts), channel__in=others, assignee=OuterRef("pk"))
    return set(User.objects.filter(Exists(elsewhere), pk__in=user_ids).values_list("pk", flat=True))


def _seen_alike(facts: UserFacts) -> Q:
    allowed = Q(channel_id__in=facts.channel_ids)
    if facts.department_ids:
        allowed |= Q(transferred_at__isnull=False, department_id__in=facts.department_ids)
    return allowed


def get_conversation(user: User | AnonymousUser, conversation_id: int, facts: UserFacts | None = None) -> Conversation:
    """The conversation with everything a page shows of it.

    Raises Http404 when it is not there and when `user` may not see it: a stranger cannot tell which.
    """
    related = (
        "contact__moderation",
        "channel__page",
        "channel__department",
        "department",
        "assignee__agent",
        "current_ticket",
    )
    conversation = conversations_for(user, facts).select_related(*related).filter(pk=conversation_id).first()
    if conversation is None:
        raise Http404("There is no such conversation, or you may not see it.")
    return conversation


def channels_for(user: User | AnonymousUser, facts: UserFacts | None = None) -> QuerySet[Channel, Channel]:
    """The channels whose name and icon `user` may see: associated ones, and those of conversations they may see."""
    facts = facts or facts_for(user)
    if facts.user_id is None:
        return Channel.objects.none()
    if facts.sees_all:
        return Channel.objects.all()
    seen = conversations_for(user, facts).values("channel_id")
    return Channel.objects.filter(Q(pk__in=facts.channel_ids) | Q(pk__in=seen))
