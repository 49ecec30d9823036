"""Decide who may see which conversation. Pages, files, the API and the live stream all use these functions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.lookups import IsNull
from django.http import Http404

from channels_im.models import Channel, ChannelAgent
from desk import row_by_row
from desk.errors import Refused
from desk.models import Agent, User
from desk.prepared import PreparedModels
from desk.sentences import sentence
from tickets.models import AccessGrant, Conversation, Ticket
from tickets.rules.sending import Refusal

READ_ONLY = sentence(
    "You can read this conversation and write notes, because a note mentions you. Only its agents can change it."
)
NOT_ASSOCIATED = Refusal.NOT_ASSOCIATED
SEES_ALL = "tickets.view_conversation"
LEADS = "desk.see_department_conversations"

#: So many conversations are found and sorted faster than looked for among all in the order of a list.
FEW = 20_000
#: So many are even if many others match a list, or are counted in it.
VERY_FEW = 3000

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
    granted: frozenset[int] = frozenset()  # conversations that they may read because a note mentions them

    @property
    def own(self) -> "UserFacts":
        """Return the facts without what was granted: they decide what the user may change, and whom they may answer."""
        return replace(self, granted=frozenset()) if self.granted else self

    @cached_property
    def sees_few(self) -> bool:
        """Whether the user sees at most VERY_FEW conversations: their lists are sorted. One query, when first asked."""
        return not self.sees_all and self.user_id is not None and are_few(seen_by(self.user_id, self), VERY_FEW)


NOBODY = UserFacts(user_id=None)


def facts_for(user: User | AnonymousUser) -> UserFacts:
    """Return the facts for `user` from the database, in one query.

    A user who is not logged in or was deactivated gets `NOBODY`, who sees nothing.
    """
    if not user.is_authenticated or not user.is_active:
        return NOBODY
    return facts_for_users([user.pk]).get(user.pk, NOBODY)


def sees_all(user: User) -> bool:
    """Return whether `user` may see every conversation."""
    return facts_for(user).sees_all


def facts_for_users(user_ids: Iterable[int]) -> dict[int, UserFacts]:
    """Return the facts of many users by user id, in one query. Deactivated users are left out."""
    wanted = list(set(user_ids))
    if not wanted:
        return {}
    rights: dict[int, tuple[bool, bool]] = {}
    ids: dict[str, dict[int, set[int]]] = {kind: defaultdict(set) for kind in (CHANNEL, DEPARTMENT, GRANT)}
    for kind, user_id, first, second in _fact_rows(wanted):
        if kind == RIGHTS:
            rights[user_id] = (bool(first), bool(second))
        else:
            ids[kind][user_id].add(first)
    return {
        pk: UserFacts(pk, sees_all=True)
        if sees_all
        else UserFacts(
            pk,
            False,
            frozenset(ids[CHANNEL][pk]),
            frozenset(ids[DEPARTMENT][pk]),
            leads=leads,
            granted=frozenset(ids[GRANT][pk]),
        )
        for pk, (sees_all, leads) in rights.items()
    }


RIGHTS, CHANNEL, DEPARTMENT, GRANT = "rights", "channel", "department", "grant"


def _fact_rows(user_ids: list[int]) -> list[tuple[str, int, int, int]]:
    """Return rows (kind, user id, id or whether they see all, whether they lead).

    Every request asks this. Django's own questions about permissions take longer to build than the database takes to
    answer them, so this is one statement of ours.
    """
    marks = ", ".join(["%s"] * len(user_ids))
    sees_all, leads = SEES_ALL.split("."), LEADS.split(".")
    with connection.cursor() as cursor:
        cursor.execute(_facts_sql().format(users=marks), [*sees_all, *leads, *user_ids * 4])
        return cursor.fetchall()


@cache
def _facts_sql() -> str:
    """Return the statement; `{users}` stands for the ids of users."""
    tables = {
        "user": _table(User),
        "agent": _table(Agent),
        "permission": _table(Permission),
        "content_type": _table(ContentType),
        "user_permission": _table(User.user_permissions.through),
        "user_group": _table(User.groups.through),
        "group_permission": _table(Group.permissions.through),
        "channel_agent": _table(ChannelAgent),
        "agent_department": _table(Agent.departments.through),
        "access_grant": _table(AccessGrant),
        "conversation": _table(Conversation),
        "ticket": _table(Ticket),
        "users": "{users}",
    }
    # As in ModelBackend: superusers hold every permission, others hold their own and those of their groups.
    holds = """CASE WHEN u.is_superuser OR EXISTS (
            SELECT 1 FROM {permission} p JOIN {content_type} c ON c.id = p.content_type_id
            WHERE c.app_label = %s AND p.codename = %s AND (
                EXISTS (SELECT 1 FROM {user_permission} x WHERE x.permission_id = p.id AND x.user_id = u.id)
                OR EXISTS (SELECT 1 FROM {group_permission} g JOIN {user_group} m ON m.group_id = g.group_id
                           WHERE g.permission_id = p.id AND m.user_id = u.id)
            )) THEN 1 ELSE 0 END"""
    statement = f"""
        SELECT '{RIGHTS}', u.id, {holds}, {holds} FROM {{user}} u WHERE u.is_active AND u.id IN ({{users}})
        UNION ALL
        SELECT '{CHANNEL}', a.user_id, ca.channel_id, 0 FROM {{channel_agent}} ca
        JOIN {{agent}} a ON a.id = ca.agent_id WHERE a.user_id IN ({{users}})
        UNION ALL
        SELECT '{DEPARTMENT}', a.user_id, ad.department_id, 0 FROM {{agent_department}} ad
        JOIN {{agent}} a ON a.id = ad.agent_id WHERE a.user_id IN ({{users}})
        UNION ALL
        SELECT '{GRANT}', g.user_id, g.conversation_id, 0 FROM {{access_grant}} g
        JOIN {{conversation}} c ON c.id = g.conversation_id JOIN {{ticket}} t ON t.id = g.ticket_id
        WHERE c.is_open AND t.status = '{Ticket.Status.OPEN}' AND g.user_id IN ({{users}})"""  # noqa: S608 - our own tables
    return statement.format(**tables)


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def visible(facts: UserFacts, payload: Mapping[str, object]) -> bool:
    """Return whether the user with these facts may receive a live event, or open a conversation. Makes no query.

    It says of a conversation's `ids_of` what `conversations_for` says in SQL.

    `payload` holds ids: `channel`, `assignee`, `department`, and `transferred` (bool, absent means unknown). When the
    transfer is unknown the members of the department receive the event: it contains ids only, and the page reads the
    content through views that use `get_conversation`. Every colleague receives the presence of an agent.
    """
    if facts.user_id is None:
        return False
    if payload.get("kind") == "presence":
        return True
    return _is_theirs(facts, payload) or payload.get("conversation") in facts.granted


def may_work_in(facts: UserFacts, conversation: Conversation) -> bool:
    """Return whether the user with these facts may answer and change the conversation. Makes no query.

    Somebody who sees it because a note mentions them reads it and writes notes.
    """
    return facts.user_id is not None and _is_theirs(facts, ids_of(conversation))


def require_work(facts: UserFacts, conversation: Conversation) -> None:
    """Raise Refused unless the user may change the conversation, which they see."""
    if not may_work_in(facts, conversation):
        raise Refused(READ_ONLY, NOT_ASSOCIATED)


def require_work_of(user: User, conversation: Conversation) -> None:
    """Do what `require_work` does, with the facts of `user` from the database."""
    require_work(facts_for(user), conversation)


def _is_theirs(facts: UserFacts, payload: Mapping[str, object]) -> bool:
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

    Also those that they may read because a note mentions them; pass `facts.own` for those that they may change.

    Superusers and users with the permission `tickets.view_conversation` see all. Users with the permission
    `desk.see_department_conversations` also see those of their departments that were not transferred there. Pass
    `facts` when they are known.
    """
    facts = facts or facts_for(user)
    return Conversation.objects.none() if facts.user_id is None else seen_by(facts.user_id, facts)


def few_ids(
    conversations: QuerySet[Conversation, Conversation], column: str = "pk", most: int | None = None
) -> list[int] | None:
    """Return the ids of these conversations, or None when they are more than `most` (FEW). Of an unordered query.

    With `column`, the ids in this column instead: they may be there more than once.
    """
    most = FEW if most is None else most
    ids = list(conversations.order_by().values_list(column, flat=True)[: most + 1])
    return ids if len(ids) <= most else None


def are_few(conversations: QuerySet[Conversation, Conversation], most: int | None = None) -> bool:
    """Return whether these conversations are at most `most` (FEW)."""
    most = FEW if most is None else most
    return not list(conversations.order_by().values_list("pk", flat=True)[most : most + 1])


def found_first(conversations: QuerySet[Conversation, Conversation]) -> QuerySet[Conversation, Conversation]:
    """Return the conversations of a user who sees few, so that the database finds these before it narrows them further.

    PostgreSQL knows that they are few. SQLite would read an index of what they are narrowed to.
    """
    if connection.vendor == "postgresql":
        return conversations
    return Conversation.objects.filter(pk__in=conversations.order_by().values("pk"))


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
    if facts.granted:
        allowed |= Q(pk__in=facts.granted)
    return allowed


def is_in_visible_conversation(user: User | AnonymousUser, facts: UserFacts | None = None) -> IsNull:
    """Return the condition that a row with `conversation_id` is in a conversation that `user` may see.

    A list that is read in its own order asks this for each row until it has enough.
    """
    return row_by_row.some(conversations_for(user, facts).filter(pk=OuterRef("conversation_id")))


def get_conversation(user: User | AnonymousUser, conversation_id: int, facts: UserFacts | None = None) -> Conversation:
    """Return the conversation with everything a page shows of it.

    Raises Http404 both when it does not exist and when `user` may not see it: a stranger cannot tell which.
    """
    facts = facts or facts_for(user)
    conversation = by_id_with_related([conversation_id]).get(conversation_id)
    if conversation is None or not visible(facts, ids_of(conversation)):
        raise Http404(sentence("There is no such conversation, or you may not see it."))
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


#: The conversations with these ids, for everybody, with everything that a page shows of them.
by_id_with_related = PreparedModels[Conversation](
    lambda *, ids: with_related(Conversation.objects.filter(pk__in=ids))
).by_id


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
    if facts.granted:
        allowed |= Q(Exists(in_channel.filter(pk__in=facts.granted)))
    return Channel.objects.filter(allowed)
