"""Make, change and delete the roles of an installation: groups with permissions in plain words (roles.PERMISSIONS)."""

from collections.abc import Collection

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from desk import audit_log, permission_words, rights
from desk.accounts import invitations
from desk.errors import Refused
from desk.models import User
from desk.sentences import counted, sentence
from tickets.services.people import roles
from tickets.services.people.roles import Words


def words_within(user: User) -> list[Words]:
    """Return the permissions that `user` may give: those that they have."""
    if user.is_superuser:
        return list(roles.PERMISSIONS)
    return [words for words in roles.PERMISSIONS if user.has_perms(words.permissions)]


def words_of(group: Group) -> list[Words]:
    """Return the permissions of a role, as far as there are words for them."""
    held = _names(group)
    return [words for words in roles.PERMISSIONS if held.issuperset(words.permissions)]


def others_of(group: Group) -> list[str]:
    """Return what a role also allows, set one by one before there were words, such as "view departments"."""
    return sorted(permission_words.in_words(name) for name in _other_names(group))


def save(by: User, group: Group | None, name: str, chosen: Collection[Words], *, keep_others: bool) -> Group:
    """Make a role, or change `group`. `keep_others` keeps what there are no words for. Raises Refused.

    Those who have the role may enter Setup from now on, or no longer, as its permissions need.
    """
    with transaction.atomic():
        if Group.objects.filter(name__iexact=name).exclude(pk=group.pk if group else 0).exists():
            raise Refused(sentence("There is a role with this name already."))
        if name.casefold() in {role.name.casefold() for role in (*roles.BUILT_IN.values(), roles.OTHER_ROLE)}:
            raise Refused(sentence("This is the name of a built-in role. Choose another."))
        action = audit_log.CHANGE if group else audit_log.ADDITION
        names = {permission for words in chosen for permission in words.permissions}
        if group is not None and keep_others:
            names |= _other_names(group)
        if group is None:
            group = Group.objects.create(name=name)
        elif group.name != name:
            audit_log.record(by, group, audit_log.CHANGE, sentence("Role renamed to %(name)s.", name=name))
            group.name = name
            group.save(update_fields=["name"])
        before = _names(group)
        group.permissions.set(roles.permissions_named(names))
        if names - before:
            for user in User.objects.filter(groups=group, invitation__isnull=False):
                invitations.expire(user)  # whoever has the link got it for fewer rights
        if before != names or action == audit_log.ADDITION:
            held = [words.text for words in words_of(group)] + others_of(group)
            entry = (
                sentence("Role: %(permissions_text)s.", permissions_text="; ".join(held))
                if held
                else sentence("Role: no permission.")
            )
            audit_log.record(by, group, action, entry)
        _let_members_in(group)
    return group


def delete(by: User, group: Group) -> None:
    """Delete a role that nobody has. Raises Refused."""
    with transaction.atomic():
        if not Group.objects.select_for_update().filter(pk=group.pk).exists():
            return
        if reason := reason_to_keep(group):
            raise Refused(reason)
        audit_log.record(by, group, audit_log.DELETION, sentence("Role deleted."))
        group.delete()


def reason_to_keep(group: Group) -> str:
    """Return why a role cannot be deleted, or ""."""
    count = User.objects.filter(groups=group).count()
    if not count:
        return ""
    return counted(
        "%(count)s person has this role. Give them another one first.",
        "%(count)s people have this role. Give them another one first.",
        count,
    )


def may_change(by: User, group: Group) -> bool:
    """Return whether the role has no permission that `by` lacks."""
    return not rights.group_has_more_than(group, by)


def _names(group: Group) -> set[str]:
    rows = Permission.objects.filter(group=group).values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in rows}


def _other_names(group: Group) -> set[str]:
    return _names(group) - {name for words in words_of(group) for name in words.permissions}


def _let_members_in(group: Group) -> None:
    is_staff = roles.enters_setup(group.pk)
    for user in User.objects.filter(groups=group, is_superuser=False).exclude(is_staff=is_staff):
        if roles.role_of(user).group_id == group.pk:  # not those with permissions of their own
            user.is_staff = is_staff
            user.save(update_fields=["is_staff"])  # not update(): open pages are told
