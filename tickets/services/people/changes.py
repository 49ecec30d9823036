"""Invite a person, and change what an administrator may change of them. Each change is recorded in the history."""

import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from channels_im.models import Channel
from channels_im.services import preferences
from desk import audit_log, rights
from desk.accounts import addresses, invitations
from desk.errors import Refused
from desk.models import Agent, Department, User
from desk.sentences import sentence
from tickets.services.people import roles
from tickets.services.people.roles import Role

MAX_USERNAME = 150
#: What the history says of a name that was added, removed, or replaced.
CHANGES = {
    "first_name": (
        sentence("First name changed from none to %(after)s."),
        sentence("First name changed from %(before)s to none."),
        sentence("First name changed from %(before)s to %(after)s."),
    ),
    "last_name": (
        sentence("Last name changed from none to %(after)s."),
        sentence("Last name changed from %(before)s to none."),
        sentence("Last name changed from %(before)s to %(after)s."),
    ),
    "username": (
        sentence("Username changed from none to %(after)s."),
        sentence("Username changed from %(before)s to none."),
        sentence("Username changed from %(before)s to %(after)s."),
    ),
    "email": (
        sentence("E-mail address changed from none to %(after)s."),
        sentence("E-mail address changed from %(before)s to none."),
        sentence("E-mail address changed from %(before)s to %(after)s."),
    ),
}


@dataclass(frozen=True)
class Place:
    """Where somebody works: departments, and channels of these departments. None leaves them as they are."""

    departments: Collection[Department] | None = None
    channels: Collection[Channel] | None = None


@dataclass(frozen=True)
class Details:
    """Name, e-mail address, username and language of a person; the language is "" for that of their browser."""

    first_name: str
    last_name: str
    email: str
    username: str
    language: str


def invite(
    by: User, *, first_name: str, last_name: str, email: str, role: Role, place: Place, language: str = ""
) -> tuple[User, str]:
    """Make a user who becomes active when they choose a password; return them and the link. Raises Refused."""
    with transaction.atomic():
        if addresses.is_taken(email):
            raise Refused(_taken(email))
        user = User(
            username=free_username(email),
            first_name=first_name,
            last_name=last_name,
            email=email,
            language=language,
            is_active=False,
        )
        user.set_unusable_password()
        user.save()
        audit_log.record(by, user, audit_log.ADDITION, sentence("Added as %(role_text)s.", role_text=role.name))
        roles.give(user, role)
        set_place(by, user, place, is_agent=role.key in (roles.AGENT, roles.LEAD))
        return user, invitations.send(by, user)


def free_username(email: str) -> str:
    """Return a username made of the address, with a number when it is taken."""
    base = re.sub(r"[^\w.+-]", "", email.partition("@")[0].lower())[: MAX_USERNAME - 6] or "user"
    taken = {
        name.lower() for name in User.objects.filter(username__istartswith=base).values_list("username", flat=True)
    }
    numbers = (base if n == 1 else f"{base}{n}" for n in range(1, 1000))
    return next((name for name in numbers if name not in taken), f"{base[:100]}-{secrets.token_hex(4)}")


def change(by: User, user: User, details: Details, role: Role | None, place: Place) -> bool:
    """Save what changed of a person; return whether anything did.

    Raises Refused for the last administrator, and when the person has more rights than `by` by now.
    """
    with transaction.atomic():
        rights.lock_to_change(by, user)
        is_changed = _change_details(by, user, details)
        before = roles.role_of(user)
        if role is not None and role.key != before.key:
            if role.key != roles.ADMINISTRATOR and (reason := rights.reason_to_keep_administrator(user)):
                raise Refused(reason)
            roles.give(user, role)
            invitations.expire(user)  # whoever has the link got it for other rights
            entry = sentence(
                "Role changed from %(before_text)s to %(after_text)s.", before_text=before.name, after_text=role.name
            )
            audit_log.record(by, user, audit_log.CHANGE, entry)
            is_changed = True
        is_agent = role is not None and role.key in (roles.AGENT, roles.LEAD)
        return set_place(by, user, place, is_agent=is_agent) or is_changed


def _change_details(by: User, user: User, details: Details) -> bool:
    current = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    names = {"first_name": details.first_name, "last_name": details.last_name, "username": details.username}
    changed = [field for field, value in names.items() if getattr(current, field) != value]
    if changed:
        for field in changed:
            setattr(user, field, names[field])
        user.save(update_fields=changed)
        for field in changed:
            entry = _changed(field, getattr(current, field), names[field])
            audit_log.record(by, user, audit_log.CHANGE, entry)
    if current.email != details.email:
        if details.email and addresses.is_taken(details.email, but=user):
            raise Refused(_taken(details.email))
        user.email = details.email
        user.save(update_fields=["email"])
        entry = _changed("email", current.email, details.email)
        audit_log.record(by, user, audit_log.Action.EMAIL, entry)
        invitations.expire(user)  # somebody else may have got the link
        addresses.drop_waiting(user)
    if current.language != details.language:
        user.language = details.language
        user.save(update_fields=["language"])
        before, after = (
            name_of_language(code) or sentence("as the browser asks") for code in (current.language, details.language)
        )
        entry = sentence("Language changed: %(before_text)s → %(after_text)s.", before_text=before, after_text=after)
        audit_log.record(by, user, audit_log.CHANGE, entry)
    return bool(changed) or (current.email, current.language) != (details.email, details.language)


def _changed(field: str, before: str, after: str) -> str:
    added, removed, replaced = CHANGES[field]
    message = replaced if before and after else added if after else removed
    return message % {"before": before, "after": after}


def _taken(email: str) -> str:
    return sentence("Somebody with the address %(email)s exists already.", email=email)


def name_of_language(code: str) -> str:
    """Return the name of a language in that language; "" without one."""
    return dict(settings.LANGUAGES).get(code, code)


def set_place(by: User, user: User, place: Place, *, is_agent: bool) -> bool:
    """Set the departments and channels of a person; return whether anything changed.

    Somebody with a department, or with `is_agent`, becomes an agent. Leaving a department ends the associations with
    its channels (channels_im.signals).
    """
    agent = Agent.objects.filter(user=user).first()
    if agent is None and (is_agent or place.departments):
        agent = Agent.objects.create(user=user)
    if agent is None:
        return False
    is_changed = place.departments is not None and _set_departments(by, user, agent, place.departments)
    if place.channels is not None:
        is_changed = _set_channels(by, agent, place.channels) or is_changed
    return is_changed


def _set_departments(by: User, user: User, agent: Agent, departments: Collection[Department]) -> bool:
    if set(agent.departments.values_list("pk", flat=True)) == {department.pk for department in departments}:
        return False
    agent.departments.set(departments)
    names = _names(departments)
    entry = sentence("Departments: %(names)s.", names=names) if names else sentence("Departments: none.")
    audit_log.record(by, user, audit_log.CHANGE, entry)
    return True


def _set_channels(by: User, agent: Agent, channels: Collection[Channel]) -> bool:
    changes = 0
    for department in agent.departments.all():
        own = [channel for channel in channels if channel.department_id == department.pk]
        changes += sum(preferences.associate(by, agent, department, own))
    return bool(changes)


def _names(departments: Iterable[Department]) -> str:
    return ", ".join(sorted(department.name for department in departments))
