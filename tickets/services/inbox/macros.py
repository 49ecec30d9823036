"""Macros: who may run which, what one names and what of it is missing, saving, copying and deleting them.

What happens when one is run is in macro_runs.py, and how a run is undone in macro_undo.py.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from desk import audit_log
from desk.errors import Refused
from desk.models import Agent, Department, User
from desk.sentences import sentence
from tickets.models import Conversation, Label, Macro
from tickets.rules import macros as rules
from tickets.rules.macros import Action, References
from tickets.rules.sending import clean_text
from tickets.services.conversation.access import UserFacts

VIEW = "tickets.view_macro"
NAME_LIMIT = 60  # characters
MOST = 300  # shared macros; more of them nobody finds
MOST_PERSONAL = 100
PERSONAL = sentence("a personal macro")  # in the history, which others read
FIELDS = ("name", "department", "actions")
#: What was changed, in the words of the history.
WORDS = {"name": sentence("name"), "department": sentence("department"), "actions": sentence("actions")}
GONE = sentence("Somebody has deleted this macro meanwhile.")


@dataclass(frozen=True)
class Known:
    """The names of what macros name, by id. What is not here is missing."""

    labels: dict[int, str] = field(default_factory=dict)
    agents: dict[int, str] = field(default_factory=dict)
    departments: dict[int, str] = field(default_factory=dict)

    def missing(self, wanted: References) -> References:
        """Return what of `wanted` is missing."""
        return References(
            wanted.labels - self.labels.keys(),
            wanted.agents - self.agents.keys(),
            wanted.departments - self.departments.keys(),
        )


class MacroError(Refused):
    """A macro that cannot be saved; `problems` are those of its actions."""

    def __init__(self, problems: list[rules.Problem]) -> None:
        super().__init__(problems[0].sentence, field="actions")
        self.problems = problems


# --- Which ones -------------------------------------------------------------------------------------------------------
def usable(user: User, conversation: Conversation) -> QuerySet[Macro, Macro]:
    """Return the macros that the user may run here: shared ones of all departments or of its own, and theirs."""
    shared = Q(owner=None) & (Q(department=None) | Q(department_id=conversation.department_id))
    return Macro.objects.filter(shared | Q(owner=user))


def offered(user: User, facts: UserFacts) -> QuerySet[Macro, Macro]:
    """Return the macros that the user may run somewhere: as `usable`, in any of their departments."""
    shared = Q(owner=None) & (Q(department=None) | Q(department_id__in=facts.department_ids))
    return Macro.objects.filter((Q(owner=None) if facts.sees_all else shared) | Q(owner=user))


def listed_for(user: User, facts: UserFacts) -> QuerySet[Macro, Macro]:
    """Return the macros that the user may list: an agent those of `offered`, who may view them in Setup all shared."""
    if user.has_perm(VIEW):
        return Macro.objects.filter(Q(owner=None) | Q(owner=user))
    is_agent = facts.sees_all or Agent.objects.filter(user=user).exists()
    return offered(user, facts) if is_agent else Macro.objects.none()


# --- What they name ---------------------------------------------------------------------------------------------------
def known(macros: Iterable[Iterable[Action]]) -> Known:
    """Return the names of all that these actions name; at most three queries."""
    wanted = rules.references(action for actions in macros for action in actions)
    found = Known()
    if wanted.labels:
        found.labels.update(Label.objects.filter(pk__in=wanted.labels).values_list("pk", "name"))
    if wanted.agents:
        found.agents.update({one.pk: str(one) for one in User.objects.filter(pk__in=wanted.agents, is_active=True)})
    if wanted.departments:
        found.departments.update(Department.objects.filter(pk__in=wanted.departments).values_list("pk", "name"))
    return found


def problems_of(macro: Macro, names: Known | None = None) -> list[rules.Problem]:
    """Return why the macro cannot be run: what is wrong with its actions, and what they name and is missing."""
    actions = rules.parse(macro.actions)
    names = names or known([actions])
    found = rules.problems(actions)
    missing = names.missing(rules.references(actions))
    for index, action in enumerate(actions):
        for kind, pk in rules.missing_in(action, missing):
            found.append(rules.Problem(index, _missing_words(kind, str(macro.names.get(f"{kind}-{pk}") or f"#{pk}"))))
    return found


def _missing_words(kind: str, name: str) -> str:
    if kind == "label":
        return sentence("The label “%(name)s” was deleted.", name=name)
    if kind == "department":
        return sentence("The department “%(name)s” was deleted.", name=name)
    return sentence("%(name)s was deleted or deactivated.", name=name)


def fingerprint(macro: Macro) -> str:
    """Return a short text that changes with the actions, by which a page knows that it shows the present ones."""
    return hashlib.sha256(json.dumps(macro.actions, sort_keys=True).encode()).hexdigest()[:16]


# --- Save and delete --------------------------------------------------------------------------------------------------
def key_of(name: str) -> str:
    """Return the name without case, by which it is unique."""
    return name.casefold()


def save(by: User, macro: Macro | None, values: dict[str, Any], *, owner: User | None = None) -> Macro:
    """Save a macro, a new one when `macro` is None, personal with `owner`. Values that are not given stay.

    `actions` is a list of rules.Action. Raises Refused with the field `name`, or MacroError.
    """
    values = dict(values)
    if "name" in values:
        values["name"] = " ".join(clean_text(values["name"]).split())
        if not values["name"]:
            raise Refused(sentence("Give the macro a name."), field="name")
        if len(values["name"]) > NAME_LIMIT:
            raise Refused(sentence("The name has at most %(most)s characters.", most=NAME_LIMIT), field="name")
    if "actions" in values:
        values["actions"], values["names"] = _checked(values["actions"])
    try:
        with transaction.atomic():
            return _add(by, values, owner) if macro is None else _change(by, macro, values)
    except IntegrityError:  # somebody else saved the name at this moment
        raise _taken(values.get("name") or (macro.name if macro else "")) from None


def copy(by: User, macro: Macro, name: str, *, owner: User | None = None) -> Macro:
    """Save a copy of a macro under another name; what is missing in it stays missing. Raises Refused."""
    with transaction.atomic():
        made = Macro(name=name[:NAME_LIMIT], owner=owner, department=None if owner else macro.department)
        made.actions, made.names, made.created_by = macro.actions, macro.names, by
        return _store_new(by, made)


def free_name(name: str, owner: User | None) -> str:
    """Return a name for a copy that no other macro has."""
    taken = set(Macro.objects.filter(owner=owner).values_list("key", flat=True))
    for number in range(2, MOST + 2):
        ending = f" ({number})"
        candidate = name[: NAME_LIMIT - len(ending)] + ending
        if key_of(candidate) not in taken:
            return candidate
    return name


def delete(by: User, macro: Macro) -> None:
    """Delete a macro. What was done with it stays."""
    with transaction.atomic():
        if not Macro.objects.select_for_update().filter(pk=macro.pk).exists():
            return
        _record(by, macro, audit_log.DELETION, sentence("Deleted."))
        Macro.objects.filter(pk=macro.pk).delete()


def count_use(macro: Macro) -> None:
    """Count that the macro was run on a conversation."""
    Macro.objects.filter(pk=macro.pk).update(use_count=F("use_count") + 1, last_used_at=timezone.now())


def naming(label: Label) -> int:
    """Return how many macros name this label."""
    stored = Macro.objects.values_list("actions", flat=True)
    return sum(label.pk in rules.references(rules.parse(actions)).labels for actions in stored)


def merged(label: Label, into: Label) -> None:
    """Let macros name `into` in the place of `label`; in the transaction that merges the labels."""
    for macro in Macro.objects.select_for_update(no_key=True).order_by("pk"):
        actions = rules.parse(macro.actions)
        if label.pk in rules.references(actions).labels:
            macro.actions = [one.stored() for one in rules.with_label(actions, label.pk, into.pk)]
            macro.names = {**macro.names, f"label-{into.pk}": into.name}
            macro.save(update_fields=["actions", "names"])


def _checked(actions: list[Action]) -> tuple[list[Any], dict[str, str]]:
    """Return the actions and the names of what they name, as they are stored. Raises MacroError."""
    problems = rules.problems(actions)
    names = known([actions])
    missing = names.missing(rules.references(actions))
    for index, action in enumerate(actions):
        if rules.missing_in(action, missing):
            problems.append(rules.Problem(index, sentence("What was chosen here was deleted. Choose again.")))
    if problems:
        raise MacroError(problems)
    remembered = {f"label-{pk}": name for pk, name in names.labels.items()}
    remembered |= {f"agent-{pk}": name for pk, name in names.agents.items()}
    remembered |= {f"department-{pk}": name for pk, name in names.departments.items()}
    return [action.stored() for action in actions], remembered


def _add(by: User, values: dict[str, Any], owner: User | None) -> Macro:
    fields = {name: values[name] for name in (*FIELDS, "names") if name in values}
    if owner is not None:
        fields["department"] = None
    return _store_new(by, Macro(created_by=by, owner=owner, **fields))


def _store_new(by: User, macro: Macro) -> Macro:
    if macro.owner is not None:
        User.objects.select_for_update(no_key=True).get(pk=macro.owner.pk)  # no second one is added at this moment
    most = MOST_PERSONAL if macro.owner_id else MOST
    if Macro.objects.filter(owner=macro.owner).count() >= most:
        raise Refused(sentence("There are %(most)s macros. Delete one first.", most=most), field="name")
    macro.key = key_of(macro.name)
    _check_name(macro)
    macro.save(force_insert=True)
    _record(by, macro, audit_log.ADDITION, sentence("Added."))
    return macro


def _change(by: User, macro: Macro, values: dict[str, Any]) -> Macro:
    stored = Macro.objects.select_for_update(no_key=True).filter(pk=macro.pk).first()
    if stored is None:
        raise Refused(GONE, field="name")
    changed = [name for name in FIELDS if name in values and getattr(stored, name) != values[name]]
    if stored.owner_id is not None and "department" in changed:
        changed.remove("department")
    if "actions" in values:
        stored.names = values["names"]
    for name in changed:
        setattr(stored, name, values[name])
    stored.key = key_of(stored.name)
    _check_name(stored)
    stored.save(update_fields=[*changed, "key", "names"])
    if changed:
        listed = ", ".join(WORDS[name] for name in changed)
        _record(by, stored, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=listed))
    return stored


def _check_name(macro: Macro) -> None:
    if Macro.objects.filter(key=macro.key, owner=macro.owner_id).exclude(pk=macro.pk).exists():
        raise _taken(macro.name)


def _taken(name: str) -> Refused:
    return Refused(sentence("There is a macro “%(name)s” already.", name=name), field="name")


def _record(by: User, macro: Macro, action: str, entry: str) -> None:
    audit_log.record(by, macro, action, entry, name=PERSONAL if macro.owner_id else "")
