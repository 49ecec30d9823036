"""Decide who may see which conversation. Pages, files, the API and the live stream all use these functions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import Http404

from channels_im.models import Channel, ChannelAgent
from desk.models import Agent, User
from tickets.models import Conversation

SEES_ALL = "tickets.view_conversation"
PERMISSION_BACKEND = "django.contrib.auth.backends.ModelBackend"

#: A user's id, or in a query about many users the expression that stands for it (F, or its subclass OuterRef).
UserRef = int | F


@dataclass(frozen=True)
class UserFacts:
    """The facts that decide which conversations a user sees. Read once, then used for every event of a live stream."""

    user_id: int | None
    sees_all: bool = False
    channel_ids: frozenset[int] = frozenset()
    department_ids: frozenset[int] = frozenset()


NOBODY = UserFacts(user_id=None)


def facts_for(user: User | AnonymousUser) -> UserFacts:
    """Return the facts for `user` from the database, in a constant number of queries (at most four).

    A user who is not logged in or was deactivated gets `NOBODY`, who sees nothing.
    """
    if not user.is_authenticated or not user.is_active:
        return NOBODY
    return facts_for_users([user.pk]).get(user.pk, NOBODY)


def sees_all(user: User) -> bool:
    """Return whether `user` may see every conversation."""
    return facts_for(user).sees_all


def facts_for_users(user_ids: Iterable[int]) -> dict[int, UserFacts]:
    """Return the facts of many users by user id, in four queries. Deactivated users are left out."""
    active = User.objects.filter(pk__in=set(user_ids), is_active=True)
    permitted = User.objects.with_perm(SEES_ALL, backend=PERMISSION_BACKEND)
    see_all = set(permitted.filter(pk__in=active).values_list("pk", flat=True))
    channels = _group_by_user(ChannelAgent.objects.filter(agent__user__in=active).values_list("agent__user", "channel"))
    members = Agent.departments.through.objects.filter(agent__user__in=active)
    departments = _group_by_user(members.values_list("agent__user", "department"))
    return {
        pk: UserFacts(pk, sees_all=True) if pk in see_all else UserFacts(pk, False, channels[pk], departments[pk])
        for pk in active.values_list("pk", flat=True)
    }


def _group_by_user(pairs: Iterable[tuple[int, int]]) -> dict[int, frozenset[int]]:
    """Return the second ids of the pairs by the user id that comes first; an empty set for other users."""
    ids_by_user: dict[int, set[int]] = defaultdict(set)
    for user_id, pk in pairs:
        ids_by_user[user_id].add(pk)
    return defaultdict(frozenset, {user_id: frozenset(ids) for user_id, ids in ids_by_user.items()})


def visible(facts: UserFacts, payload: Mapping[str, object]) -> bool:
    """Return whether the user with these facts may receive a live event. Makes no query.

    `payload` holds ids: `channel`, `assignee`, `department`, and `transferred` (bool, absent means unknown). When the
    transfer is unknown the members of the department receive the event: it contains ids only, and the page reads the
    content through views that use `get_conversation`. Every colleague receives the presence of an agent.
    """
    if facts.user_id is None:
        return False
    if payload.get("kind") == "presence":
        return True
    if facts.sees_all or payload.get("channel") in facts.channel_ids:
        return True
    if payload.get("assignee") == facts.user_id:
        return True
    return bool(payload.get("transferred", True)) and payload.get("department") in facts.department_ids


def ids_of(conversation: Conversation) -> dict[str, int | bool | None]:
    """Return the payload of a live event about this conversation, on which `visible` decides."""
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
    """Return the conversations `user` may see: of associated channels, assigned, or transferred to their department.

    Superusers and users with the permission `tickets.view_conversation` see all. Pass `facts` when they are known.
    """
    facts = facts or facts_for(user)
    return Conversation.objects.none() if facts.user_id is None else seen_by(facts.user_id, facts)


def seen_by(user_id: UserRef, facts: UserFacts) -> QuerySet[Conversation, Conversation]:
    """Return the conversations the user `user_id` may see by the channels, departments and permission in `facts`.

    `facts.user_id` is not used: `user_id` may stand for many users who have the same channels and departments.
    """
    if facts.sees_all:
        return Conversation.objects.all()
    return Conversation.objects.filter(_shared_condition(facts) | Q(assignee_id=user_id))


def seen_by_all(facts: UserFacts) -> QuerySet[Conversation, Conversation]:
    """Return the conversations that every user with the same channels and departments sees."""
    return Conversation.objects.all() if facts.sees_all else Conversation.objects.filter(_shared_condition(facts))


def users_seeing_more(facts: UserFacts, user_ids: Iterable[int]) -> set[int]:
    """Return which of these users, who share `facts`, see more than `seen_by_all`: a conversation assigned elsewhere.

    Two queries, and one index look-up for each user and channel of others.
    """
    if facts.sees_all:
        return set()
    others = list(Channel.objects.exclude(pk__in=facts.channel_ids).values_list("pk", flat=True))
    elsewhere = Conversation.objects.filter(~_shared_condition(facts), channel__in=others, assignee=OuterRef("pk"))
    return set(User.objects.filter(Exists(elsewhere), pk__in=user_ids).values_list("pk", flat=True))


def _shared_condition(facts: UserFacts) -> Q:
    allowed = Q(channel_id__in=facts.channel_ids)
    if facts.department_ids:
        allowed |= Q(transferred_at__isnull=False, department_id__in=facts.department_ids)
    return allowed


def get_conversation(user: User | AnonymousUser, conversation_id: int, facts: UserFacts | None = None) -> Conversation:
    """Return the conversation with everything a page shows of it.

    Raises Http404 both when it does not exist and when `user` may not see it: a stranger cannot tell which.
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
    """Return the channels whose name and icon `user` may see: associated ones and those of visible conversations."""
    facts = facts or facts_for(user)
    if facts.user_id is None:
        return Channel.objects.none()
    if facts.sees_all:
        return Channel.objects.all()
    of_conversations = conversations_for(user, facts).values("channel_id")
    return Channel.objects.filter(Q(pk__in=facts.channel_ids) | Q(pk__in=of_conversations))
