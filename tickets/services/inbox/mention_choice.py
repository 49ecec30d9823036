"""Whom the writer of a note can mention: agents and departments by the beginning of their names, as they type."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from desk.models import Department, User
from tickets.models import Conversation
from tickets.rules.mentions import AGENT, DEPARTMENT, Target
from tickets.services.conversation import access, mentions

MAX_AGENTS = 8
MAX_DEPARTMENTS = 4
MAX_READ = 40  # agents with the typed letters, of whom the best are offered
QUERY_CHARS = 60


@dataclass(frozen=True)
class Choice:
    """One who can be mentioned. `label` is written after the @; `sees` says whether anybody there is notified."""

    target: Target
    label: str
    detail: str
    sees: bool


def choices(user: User, conversation: Conversation, typed: str) -> list[Choice]:
    """Return who fits what was typed after the @, those who see the conversation first; six queries at most."""
    typed = typed.replace("\0", "").strip()[:QUERY_CHARS]
    agents = _agents().exclude(pk=user.pk)
    departments = Department.objects.order_by("name")
    if typed:
        agents = agents.filter(full__icontains=typed) | agents.filter(username__icontains=typed)
        departments = departments.filter(name__icontains=typed)
    found = list(agents.order_by("first_name", "username", "pk")[:MAX_READ])
    made = _choices(conversation, found, list(departments[:MAX_DEPARTMENTS]))
    of_agents = [choice for choice in made if choice.target.kind == AGENT]
    of_agents.sort(key=lambda choice: (not choice.sees, not choice.label.lower().startswith(typed.lower())))
    return of_agents[:MAX_AGENTS] + [choice for choice in made if choice.target.kind == DEPARTMENT]


def by_targets(conversation: Conversation, targets: Iterable[Target]) -> list[Choice]:
    """Return these choices as they are now; those that are gone are left out."""
    wanted = list(targets)
    users = _agents().filter(pk__in=[target.pk for target in wanted if target.kind == AGENT])
    departments = Department.objects.filter(pk__in=[target.pk for target in wanted if target.kind == DEPARTMENT])
    return _choices(conversation, list(users.order_by("pk")), list(departments))


def _agents() -> QuerySet[Any, Any]:
    """Return the active agents, with their whole name in `full`."""
    active = User.objects.filter(is_active=True, agent__isnull=False)
    return active.annotate(full=Concat("first_name", Value(" "), "last_name")).prefetch_related("agent__departments")


def _choices(conversation: Conversation, users: list[User], departments: list[Department]) -> list[Choice]:
    members = _members(departments)
    facts = access.facts_for_users([*(user.pk for user in users), *(pk for ids in members.values() for pk in ids)])
    payload = access.ids_of(conversation)
    seeing = {pk for pk, held in facts.items() if access.visible(held, payload)}
    labels = _unique_labels(users)
    made = [
        Choice(
            Target(AGENT, user.pk),
            labels[user.pk],
            ", ".join(department.name for department in user.agent.departments.all()),
            user.pk in seeing,
        )
        for user in users
    ]
    return made + [
        Choice(Target(DEPARTMENT, one.pk), one.name, "", bool(seeing.intersection(members.get(one.pk, ()))))
        for one in departments
    ]


def _members(departments: list[Department]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    if departments:
        ids = [one.pk for one in departments]
        rows = User.objects.filter(is_active=True, agent__departments__in=ids)
        for department, pk in rows.values_list("agent__departments", "pk"):
            members.setdefault(department, []).append(pk)
    return members


def _unique_labels(users: list[User]) -> dict[int, str]:
    """Return the labels; a name that another active agent has too gets the user name, also when only one is offered."""
    labels = mentions.labels_of(users)
    named = User.objects.filter(is_active=True, last_name__in={user.last_name for user in users}).exclude(
        first_name="", last_name=""
    )
    taken = Counter(f"{first} {last}".strip() for first, last in named.values_list("first_name", "last_name"))
    for user in users:
        if taken[str(user)] > 1:
            labels[user.pk] = f"{user} ({user.username})"
    return labels
