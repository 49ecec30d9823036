"""Mentions in notes: whom a note tells, who may read its conversation because of it, and how both end.

A note shows its mentions by `Message.mentions`. Each person who is told has a row `Mention`, which notifications read;
each whom it gives access has a row `AccessGrant`, on which `access` decides.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from desk.bulk_rows import insert_each
from desk.errors import Refused
from desk.live import access_changes
from desk.models import Agent, Department, User
from desk.sentences import sentence
from tickets.models import AccessGrant, Conversation, Mention, Message, Ticket
from tickets.rules import mentions as rules
from tickets.rules.mentions import AGENT, DEPARTMENT, Span, Target
from tickets.rules.sending import Refusal
from tickets.services.conversation import access, messages, notices

TOO_MANY = sentence("A note can mention at most %(most)s colleagues and departments.", most=rules.MAX_TARGETS)
GONE = sentence(
    "Somebody whom you mention was deactivated or deleted meanwhile. Remove the mention, or write the name without @."
)
NO_OPEN_TICKET = sentence(
    "Access lasts until the ticket closes, and this conversation has no open ticket. Reopen it first, or add the note "
    "without giving access."
)
NOT_YOURS_TO_GIVE = sentence("You can read this conversation because a note mentions you. Its agents can give access.")
UNKNOWN_NOTE = sentence("There is no such note of yours in this conversation.")


@dataclass(frozen=True)
class Wanted:
    """What the writer of a note chose: whom it mentions, and to whom of them it gives access (ids of users).

    `told` are those of whom the writer knows that they are not told, because they may not see the conversation; None:
    the writer is not asked. With `adds_names`, names that the text lacks are put before it.
    """

    targets: tuple[Target, ...] = ()
    access: frozenset[int] = frozenset()
    told: frozenset[Target] | None = frozenset()
    adds_names: bool = False


NOBODY = Wanted()


@dataclass
class People:
    """The mentioned people and departments, read and locked; by id."""

    users: dict[int, User] = field(default_factory=dict)
    departments: dict[int, Department] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)  # of departments: ids of active users
    labels: list[tuple[Target, str]] = field(default_factory=list)
    agents: dict[int, int] = field(default_factory=dict)  # ids of agents by those of their users


@dataclass
class Plan:
    """What a note will store: its text and spans, who is told (user id: department or None), who gets access."""

    text: str
    spans: list[Span] = field(default_factory=list)
    readers: dict[int, int | None] = field(default_factory=dict)
    access: list[int] = field(default_factory=list)


# --- Names ------------------------------------------------------------------------------------------------------------
def labels_of(users: Iterable[User]) -> dict[int, str]:
    """Return the name by which each of these users is written; of two with the same name, with the user name."""
    listed = list(users)
    names = [str(user) for user in listed]
    return {
        user.pk: name if names.count(name) == 1 else f"{name} ({user.username})"
        for user, name in zip(listed, names, strict=True)
    }


def current_names(notes: Iterable[Message]) -> dict[Target, str]:
    """Return the present names of all who are mentioned in these notes; two queries, none without mentions."""
    targets = {span.target for note in notes if note.mentions for span in rules.from_stored(note.mentions)}
    names: dict[Target, str] = {}
    if users := [target.pk for target in targets if target.kind == AGENT]:
        rows = User.objects.filter(pk__in=users).only("first_name", "last_name", "username")
        names |= {Target(AGENT, user.pk): str(user) for user in rows}
    if departments := [target.pk for target in targets if target.kind == DEPARTMENT]:
        rows_of = Department.objects.filter(pk__in=departments).values_list("pk", "name")
        names |= {Target(DEPARTMENT, pk): name for pk, name in rows_of}
    return names


# --- A note that is written or changed --------------------------------------------------------------------------------
def lock_people(wanted: Wanted, written: Iterable[Span] = ()) -> People:
    """Read and lock who is mentioned; call it before the conversation is locked, in the same transaction.

    A user who is deactivated or deleted at this moment is so before this, or after the note is stored: deactivating
    changes a user before conversations. `written` are the spans that the note has already. Raises Refused.
    """
    targets = list(dict.fromkeys([*wanted.targets, *(span.target for span in written)]))
    if len(targets) > rules.MAX_TARGETS:
        raise Refused(TOO_MANY, Refusal.NOT_POSSIBLE)
    if not targets:
        return People()
    user_ids = {target.pk for target in targets if target.kind == AGENT}
    department_ids = {target.pk for target in targets if target.kind == DEPARTMENT}
    people = People()
    if department_ids:
        rows = Department.objects.select_for_update(no_key=True).filter(pk__in=department_ids).order_by("pk")
        people.departments = {row.pk: row for row in rows}
    member_rows: list[tuple[int, int]] = []
    if department_ids:
        through = User.objects.filter(is_active=True, agent__departments__in=department_ids)
        member_rows = list(through.values_list("agent__departments", "pk"))
        member_rows = [(department, pk) for department, pk in member_rows if department in department_ids]
    to_lock = user_ids | {pk for _department, pk in member_rows}
    locked = User.objects.select_for_update(no_key=True).filter(pk__in=to_lock, is_active=True).order_by("pk")
    active = {user.pk: user for user in locked}
    if user_ids:
        people.agents = dict(Agent.objects.filter(user__in=user_ids).values_list("user_id", "pk"))
    people.users = {pk: user for pk, user in active.items() if pk in people.agents}
    for department, pk in member_rows:
        if pk in active:
            people.members.setdefault(department, []).append(pk)
    known = {span.target for span in written}
    for target in wanted.targets:
        exists = target.pk in (people.users if target.kind == AGENT else people.departments)
        if not exists and target not in known:
            raise Refused(GONE, Refusal.NOT_POSSIBLE)
    labels = labels_of(people.users.values())
    people.labels = [(span.target, span.name) for span in written]
    for pk, user in people.users.items():
        people.labels += [(Target(AGENT, pk), name) for name in _names_of(user, labels[pk])]
    people.labels += [(Target(DEPARTMENT, pk), row.name) for pk, row in people.departments.items()]
    return people


def _names_of(user: User, label: str) -> list[str]:
    """Return the names by which this user may be written: of two with the same name only the one with the user name."""
    with_user_name = f"{user} ({user.username})"
    return [with_user_name, label] if label != with_user_name else [label]


def plan(user: User, conversation: Conversation, text: str, people: People, wanted: Wanted) -> Plan:
    """Decide what a note with this text stores; the conversation is locked. Raises Refused.

    Only those are mentioned whose name stands in the text. Whoever may not see the conversation is told nothing,
    unless they get access.
    """
    if wanted.adds_names:
        text = _with_names(text, people, wanted)
    spans = rules.find(text, people.labels)
    targets = {span.target for span in spans}
    made = Plan(text)
    if not targets:
        return made
    user_ids = {target.pk for target in targets if target.kind == AGENT and target.pk in people.users}
    members = {pk: people.members.get(pk, []) for pk in (t.pk for t in targets if t.kind == DEPARTMENT)}
    facts = access.facts_for_users({user.pk, *user_ids, *(pk for ids in members.values() for pk in ids)})
    seeing = {pk for pk, held in facts.items() if access.visible(held, access.ids_of(conversation))}
    agents_here = {pk for pk, held in facts.items() if access.may_work_in(held, conversation)}
    made.access = sorted((wanted.access & user_ids) - agents_here - {user.pk})
    if made.access:
        if not access.may_work_in(facts.get(user.pk, access.NOBODY), conversation):
            raise Refused(NOT_YOURS_TO_GIVE, Refusal.NOT_ASSOCIATED)
        if not conversation.is_open or conversation.current_ticket_id is None:
            raise Refused(NO_OPEN_TICKET, Refusal.NOT_POSSIBLE)
    readers: dict[int, int | None] = {}
    for department, ids in members.items():
        readers |= dict.fromkeys((pk for pk in ids if pk in seeing), department)
    readers |= dict.fromkeys((user_ids & seeing) | set(made.access), None)
    told = {Target(AGENT, pk) for pk in readers} | {
        Target(DEPARTMENT, department) for department, ids in members.items() if seeing.intersection(ids)
    }
    _require_known(targets - told, people, wanted)
    readers.pop(user.pk, None)
    made.readers = readers
    made.spans = [
        replace(
            span,
            is_told=span.target in told,
            agent_id=people.agents.get(span.target.pk) if span.target.kind == AGENT else None,
        )
        for span in spans
    ]
    return made


def _with_names(text: str, people: People, wanted: Wanted) -> str:
    present = {span.target for span in rules.find(text, people.labels)}
    labels = dict(people.labels)
    missing = [rules.MARK + labels[target] for target in wanted.targets if target not in present]
    return f"{' '.join(missing)} {text}".strip() if missing else text


def _require_known(unseen: Collection[Target], people: People, wanted: Wanted) -> None:
    """Raise Refused when somebody is not told and the writer does not know it yet."""
    if wanted.told is None:
        return
    chosen = set(wanted.targets)
    for target in sorted(unseen):
        if target in wanted.told or target not in chosen:
            continue
        if target.kind == AGENT and target.pk in people.users:
            raise Refused(
                sentence(
                    "%(colleague)s may not see this conversation and would not be notified. Give access until the "
                    "ticket closes, or confirm that they are not notified.",
                    colleague=people.users[target.pk],
                ),
                Refusal.NOT_ASSOCIATED,
                field=target.key,
            )
        if target.kind == DEPARTMENT and target.pk in people.departments:
            raise Refused(
                sentence(
                    "Nobody in %(department)s may see this conversation, so nobody there would be notified. Confirm "
                    "that, or mention somebody else.",
                    department=people.departments[target.pk],
                ),
                Refusal.NOT_ASSOCIATED,
                field=target.key,
            )


def write(user: User, message: Message, made: Plan) -> None:
    """Store who is told by a note and who gets access, and withdraw what a changed note no longer says.

    The conversation is locked. One statement, however many are told.
    """
    kept = _withdraw(message, set(made.readers))
    new = [pk for pk in sorted(made.readers) if pk not in kept]
    now = timezone.now()
    insert_each(
        [
            Mention(
                message=message,
                conversation_id=message.conversation_id,
                reader_id=pk,
                department_id=made.readers[pk],
                created_at=now,
            )
            for pk in new
        ]
    )
    notices.mentioned(message.conversation, message, new, user)
    ticket = message.conversation.current_ticket_id
    if made.access and ticket is not None:
        rows = [
            AccessGrant(
                message=message, conversation_id=message.conversation_id, ticket_id=ticket, user_id=pk, given_by=user
            )
            for pk in made.access
        ]
        AccessGrant.objects.bulk_create(rows, ignore_conflicts=True)
        access_changes.announce_users(made.access)


def _withdraw(message: Message, readers: set[int]) -> set[int]:
    """Delete the mentions and the access of a note of all but these users; return who has a mention already."""
    before = set(Mention.objects.filter(message=message).values_list("reader_id", flat=True))
    if gone := before - readers:
        Mention.objects.filter(message=message, reader__in=gone).delete()
    _end(AccessGrant.objects.filter(message=message).exclude(user__in=readers))
    return before & readers


def withdraw(message: Message) -> None:
    """Delete the mentions and the access that a note gave; the conversation is locked."""
    _withdraw(message, set())


# --- Access -----------------------------------------------------------------------------------------------------------
def end_access(conversation: Conversation, user_id: int | None = None, *, ticket: Ticket | None = None) -> int:
    """End the access to a locked conversation that mentions gave, of one user or of all; return how many rows.

    With `ticket` only the access that lasts as long as this ticket is open.
    """
    grants = AccessGrant.objects.filter(conversation=conversation)
    if ticket is not None:
        grants = grants.filter(ticket=ticket)
    return _end(grants if user_id is None else grants.filter(user=user_id))


def end_access_of(user: User) -> int:
    """End all access that mentions gave a user, as when they are deactivated; return how many rows."""
    return _end(AccessGrant.objects.filter(user=user))


def _end(grants: QuerySet[AccessGrant, AccessGrant]) -> int:
    rows = list(grants.values_list("pk", "user_id"))
    if not rows:
        return 0
    AccessGrant.objects.filter(pk__in=[pk for pk, _user in rows]).delete()
    access_changes.announce_users({user for _pk, user in rows})
    return len(rows)


def readers_of(conversation: Conversation) -> list[User]:
    """Return the users who may read the conversation now because a note mentions them, by name."""
    if not conversation.is_open:
        return []
    grants = AccessGrant.objects.filter(conversation=conversation, ticket__status=Ticket.Status.OPEN)
    rows = User.objects.filter(pk__in=grants.values("user"), is_active=True)
    return list(rows.order_by("first_name", "username"))


# --- What a reader has seen -------------------------------------------------------------------------------------------
def mark_seen(user: User, conversation: Conversation) -> bool:
    """Note that the user has opened the conversation; return whether a mention was unseen. One query when none was."""
    unseen = Mention.objects.filter(reader=user, conversation=conversation, seen_at=None)
    if not unseen.exists():
        return False
    with transaction.atomic():
        if not unseen.update(seen_at=timezone.now()):
            return False
        messages.announce(conversation)  # the badges of their other pages
    return True


def unseen_of(user: User) -> QuerySet[Mention, Mention]:
    """Return the mentions that the user has not seen, newest first, for notifications by other ways.

    A mention in a conversation that they may not see any more is left out.
    """
    seen = access.conversations_for(user)
    rows = Mention.objects.filter(reader=user, seen_at=None, conversation__in=seen)
    return rows.select_related("message__author", "conversation__contact").order_by("-pk")


def of_readers(conversation_ids: Collection[int], user_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """Return which of these users are mentioned in which of these conversations: the id of the newest note; one query.

    The keys are ids of conversation and user. Deleted notes have no mentions.
    """
    rows = Mention.objects.filter(conversation__in=conversation_ids, reader__in=user_ids)
    newest = rows.order_by().values_list("conversation", "reader").annotate(newest=Max("message"))
    return {(conversation, reader): pk for conversation, reader, pk in newest}
