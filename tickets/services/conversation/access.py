"""Decide who may see which conversation. Pages, files, the API and the live stream all use these functions."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.http import Http404

from channels_im.models import Channel, ChannelAgent
from desk.models import Agent, User
from tickets.models import Conversation

SEES_ALL = "tickets.view_conversation"
LEADS = "desk.see_department_conversations"
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
    leads: bool = False  # sees all conversations of the departments, not only those transferred to them


NOBODY = UserFacts(user_id=None)


def facts_for(user: User | AnonymousUser) -> UserFacts:
    """Return the facts for `user` from the database, in at most two queries.

    A user who is not logged in or was deactivated gets `NOBODY`, who sees nothing.
    """
    if not user.is_authenticated or not user.is_active:
        return NOBODY
    return facts_for_users([user.pk]).get(user.pk, NOBODY)


def sees_all(user: User) -> bool:
    """Return whether `user` may see every conversation."""
    return facts_for(user).sees_all


def facts_for_users(user_ids: Iterable[int]) -> dict[int, UserFacts]:
    """Return the facts of many users by user id, in at most two queries. Deactivated users are left out."""
    active = User.objects.filter(pk__in=set(user_ids), is_active=True)
    facts = active.annotate(sees_all=_holds(SEES_ALL), leads=_holds(LEADS)).values_list("pk", "sees_all", "leads")
    rows = list(facts)
    channels, departments = _associations([pk for pk, sees_all, _leads in rows if not sees_all])
    return {
        pk: UserFacts(pk, sees_all=True)
        if sees_all
        else UserFacts(pk, False, frozenset(channels[pk]), frozenset(departments[pk]), leads=leads)
        for pk, sees_all, leads in rows
    }


def _holds(permission: str) -> Exists:
    """Return whether the user of the outer query has this permission."""
    return Exists(User.objects.with_perm(permission, backend=PERMISSION_BACKEND).filter(pk=OuterRef("pk")))


def _associations(user_ids: Collection[int]) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Return the ids of channels and of departments by user id, in one query; an empty set for other users."""
    channels: dict[int, set[int]] = defaultdict(set)
    departments: dict[int, set[int]] = defaultdict(set)
    if user_ids:
        of_channels = ChannelAgent.objects.filter(agent__user__in=user_ids)
        members = Agent.departments.through.objects.filter(agent__user__in=user_ids)
        pairs = of_channels.values_list(Value(1), "agent__user", "channel")
        of_members = members.values_list(Value(0), "agent__user", "department")
        for is_channel, user_id, pk in pairs.union(of_members, all=True):
            (channels if is_channel else departments)[user_id].add(pk)
    return channels, departments


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
    is_theirs = facts.leads or bool(payload.get("transferred", True))
    return is_theirs and payload.get("department") in facts.department_ids


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

    Superusers and users with the permission `tickets.view_conversation` see all. Users with the permission
    `desk.see_department_conversations` also see those of their departments that were not transferred there. Pass
    `facts` when they are known.
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
        of_departments = Q(department_id__in=facts.department_ids)
        allowed |= of_departments if facts.leads else of_departments & Q(transferred_at__isnull=False)
    return allowed


def get_conversation(user: User | AnonymousUser, conversation_id: int, facts: UserFacts | None = None) -> Conversation:
    """Return the conversation with everything a page shows of it.

    Raises Http404 both when it does not exist and when `user` may not see it: a stranger cannot tell which.
    """
    conversation = with_related(conversations_for(user, facts)).filter(pk=conversation_id).first()
    if conversation is None:
        raise Http404("There is no such conversation, or you may not see it.")
    return conversation


def with_related(conversations: QuerySet[Conversation, Conversation]) -> QuerySet[Conversation, Conversation]:
    """Return the conversations with everything a page shows of them."""
    return conversations.select_related(
        "contact__moderation",
        "channel__page",
        "channel__department",
        "department",
        "assignee__agent",
        "current_ticket",
    )


def channels_for(user: User | AnonymousUser, facts: UserFacts | None = None) -> QuerySet[Channel, Channel]:
    """Return the channels whose name and icon `user` may see: associated ones and those of visible conversations."""
    facts = facts or facts_for(user)
    if facts.user_id is None:
        return Channel.objects.none()
    if facts.sees_all:
        return Channel.objects.all()
    # One EXISTS for each reason, so that each looks into an index of its own and no conversations are read.
    in_channel = Conversation.objects.filter(channel=OuterRef("pk"))
    allowed = Q(pk__in=facts.channel_ids) | Q(Exists(in_channel.filter(assignee=facts.user_id)))
    if facts.department_ids:
        in_departments = in_channel.filter(department__in=facts.department_ids)
        if not facts.leads:
            in_departments = in_departments.filter(transferred_at__isnull=False)
        allowed |= Q(Exists(in_departments))
    return Channel.objects.filter(allowed)
