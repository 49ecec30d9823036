"""Compare the rights of users: nobody gives what they lack, and the last administrator stays."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence

MORE_RIGHTS = sentence(
    "This person has more rights than you. Only somebody who has at least these rights can change them."
)


def last_administrator(user: object) -> str:
    """Return why `user`, the only administrator, must stay one."""
    return sentence(
        "%(user)s is the only administrator (active, staff and superuser) of this Desk. Make another user an "
        "administrator first: without one, nobody could manage users any more.",
        user=user,
    )


def permissions_of(user: User) -> set[int]:
    """Return the ids of the permissions that a user has, or would have when active; not those of a superuser."""
    return set(Permission.objects.filter(Q(user=user) | Q(group__user=user)).values_list("pk", flat=True))


def has_more_than(user: User, other: User) -> bool:
    """Return whether `user`, active or not, has a right that `other` lacks: superuser, staff, or a permission."""
    if other.is_superuser:
        return False
    if user.is_superuser or (user.is_staff and not other.is_staff):
        return True
    return not permissions_of(user) <= permissions_of(other)


def permissions_within(user: User) -> QuerySet[Permission, Permission]:
    """Return the permissions that `user` may give: those that they have."""
    return Permission.objects.all() if user.is_superuser else Permission.objects.filter(pk__in=permissions_of(user))


def groups_within(user: User) -> QuerySet[Group, Group]:
    """Return the groups into which `user` may put somebody: those with permissions that they have themselves."""
    if user.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=permissions_of(user))
    return Group.objects.exclude(permissions__in=beyond)


def group_has_more_than(group: Group, user: User) -> bool:
    """Return whether the group has a permission that `user` lacks."""
    return not groups_within(user).filter(pk=group.pk).exists()


def lock_to_change(by: User, user: User) -> None:
    """Lock a person to the end of the transaction; raise Refused when `by` may not change them any more.

    Locks of users have `no_key` everywhere: what users do refers to their rows, and PostgreSQL checks that at the
    commit, when all other locks are held. Without it the two could wait for each other.
    """
    locked, acting = User.objects.select_for_update(no_key=True).get(pk=user.pk), User.objects.get(pk=by.pk)
    if not acting.is_active or has_more_than(locked, acting):
        raise Refused(MORE_RIGHTS)


def administrators() -> QuerySet[User, User]:
    """Return the users who can manage everything in Setup."""
    return User.objects.filter(is_active=True, is_staff=True, is_superuser=True)


def reason_to_keep_administrator(user: User) -> str:
    """Return why `user` must stay an administrator: there is no other. "" when there is one, or the user is none.

    Locks the administrators until the end of the transaction, so that of two who demote each other one is refused.
    """
    locked = {other.pk for other in administrators().order_by("pk").select_for_update(no_key=True)}
    return last_administrator(user) if locked == {user.pk} else ""


def require_administrator_after(deleted: User) -> None:
    """Raise Refused when no administrator is left after `deleted` was deleted, alone or with others.

    The deletion is then undone, since Django runs it in a transaction.
    """
    was_administrator = deleted.is_active and deleted.is_staff and deleted.is_superuser
    if was_administrator and not administrators().exists():
        raise Refused(last_administrator(deleted))
