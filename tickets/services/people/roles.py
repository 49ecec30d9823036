"""Roles: what a person may do, as a set of permissions in plain words.

Three roles are built in. Others are groups that administrators made of PERMISSIONS. A user whose rights are none of
these, as they could be set before there were roles, has the role OTHER until somebody gives them one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q, QuerySet

from desk import rights
from desk.models import User
from desk.sentences import sentence
from tickets.services.conversation.access import LEADS, SEES_ALL

ADMINISTRATOR, LEAD, AGENT, OTHER = "administrator", "lead", "agent", "other"
OWN = "role-"  # and the id of the group


@dataclass(frozen=True)
class Role:
    """A role as pages show it; `key` is what forms send."""

    key: str
    name: str
    about: str = ""
    group_id: int | None = None


BUILT_IN = {
    ADMINISTRATOR: Role(ADMINISTRATOR, sentence("Administrator"), sentence("May do everything, also in Setup.")),
    LEAD: Role(
        LEAD,
        sentence("Lead"),
        sentence("Sees all conversations of their departments, and assigns them. Cannot enter Setup."),
    ),
    AGENT: Role(
        AGENT,
        sentence("Agent"),
        sentence("Sees the conversations of their channels, and those assigned or transferred to them."),
    ),
}
OTHER_ROLE = Role(
    OTHER, sentence("Other"), sentence("Permissions that were set one by one. Choose a role to replace them.")
)


@dataclass(frozen=True)
class Words:
    """Permissions of Django that belong together, in words. Without `in_setup` they are used in the inbox only."""

    key: str
    text: str
    permissions: tuple[str, ...]
    in_setup: bool = True


def _all(app: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{app}.{action}_{model}" for model in models for action in ("view", "add", "change", "delete"))


PERMISSIONS = (
    Words("see_all", sentence("See all conversations"), (SEES_ALL,), in_setup=False),
    Words("see_departments", sentence("See all conversations of their departments"), (LEADS,), in_setup=False),
    Words(
        "share_views",
        sentence("Share views of the inbox with any department and everybody"),
        ("tickets.share_savedview",),
        in_setup=False,
    ),
    Words("erase", sentence("Erase customers for ever"), ("tickets.erase_contact",), in_setup=False),
    Words(
        "customers", sentence("View customers and the erasure log"), ("tickets.view_contact", "tickets.view_erasure")
    ),
    Words("requests", sentence("View data requests from Facebook"), ("channels_im.view_datarequest",)),
    Words("canned", sentence("Write canned replies"), _all("tickets", "cannedreply")),
    Words("macros", sentence("Manage shared macros"), _all("tickets", "macro")),
    Words("labels", sentence("Manage labels"), _all("tickets", "label")),
    Words("fields", sentence("Manage fields of customers and tickets"), _all("tickets", "customfield")),
    Words("channels", sentence("Connect Pages and manage channels"), _all("channels_im", "channel")),
    Words(
        "preferences",
        sentence("Associate agents with channels, and set when a new ticket opens"),
        ("channels_im.view_impreferences", "channels_im.change_impreferences"),
    ),
    Words(
        "journal",
        sentence("View and replay deliveries from Facebook"),
        ("channels_im.view_webhookdelivery", "channels_im.change_webhookdelivery"),
    ),
    Words("departments", sentence("Manage departments"), _all("desk", "department")),
    Words(
        "people",
        sentence("Invite, change and deactivate people, and give them any department and channel"),
        (
            "desk.view_user",
            "desk.add_user",
            "desk.change_user",
            "desk.view_agent",
            "desk.add_agent",
            "desk.change_agent",
        ),
    ),
    Words(
        "programs",
        sentence("Manage API tokens and webhooks, with which programs read all conversations"),
        _all("tickets", "apitoken", "eventsubscription"),
    ),
    Words("retention", sentence("Set how long data is kept"), ("desk.view_retentionrule", "desk.change_retentionrule")),
    Words("history", sentence("View the history"), ("desk.view_auditentry",)),
)


def roles_of(users: Iterable[User]) -> dict[int, Role]:
    """Return the role of each of these users by user id, in three queries."""
    listed = list(users)
    ids = [user.pk for user in listed]
    groups: dict[int, list[tuple[int, str]]] = {}
    for user_id, pk, name in Group.objects.filter(user__in=ids).values_list("user", "pk", "name"):
        groups.setdefault(user_id, []).append((pk, name))
    single: dict[int, set[str]] = {}
    for user_id, label, codename in Permission.objects.filter(user__in=ids).values_list(
        "user", "content_type__app_label", "codename"
    ):
        single.setdefault(user_id, set()).add(f"{label}.{codename}")
    return {user.pk: _role(user, groups.get(user.pk, []), single.get(user.pk, set())) for user in listed}


def role_of(user: User) -> Role:
    """Return the role of a user."""
    return roles_of([user])[user.pk]


def _role(user: User, groups: list[tuple[int, str]], single: set[str]) -> Role:
    if user.is_superuser:
        return BUILT_IN[ADMINISTRATOR] if user.is_staff else OTHER_ROLE
    if len(groups) == 1 and not single:
        return _own(*groups[0])
    if groups or user.is_staff:
        return OTHER_ROLE
    return {frozenset(): BUILT_IN[AGENT], frozenset({LEADS}): BUILT_IN[LEAD]}.get(frozenset(single), OTHER_ROLE)


def _own(pk: int, name: str) -> Role:
    return Role(f"{OWN}{pk}", name, "", pk)


def all_roles() -> list[Role]:
    """Return the built-in roles, and the own ones by name."""
    own = Group.objects.order_by("name").values_list("pk", "name")
    return [*BUILT_IN.values(), *(_own(pk, name) for pk, name in own)]


def roles_within(user: User) -> list[Role]:
    """Return the roles that `user` may give: nobody gives rights that they lack (desk.rights)."""
    if user.is_superuser:
        return all_roles()
    own = rights.groups_within(user).order_by("name").values_list("pk", "name")
    leads = [BUILT_IN[LEAD]] if user.has_perm(LEADS) else []
    return [*leads, BUILT_IN[AGENT], *(_own(pk, name) for pk, name in own)]


def give(user: User, role: Role) -> None:
    """Give `user` this role in place of every right they have. The caller has checked that it may, and records it."""
    with transaction.atomic():
        is_administrator = role.key == ADMINISTRATOR
        user.is_superuser = is_administrator
        user.is_staff = is_administrator or (role.group_id is not None and enters_setup(role.group_id))
        user.save(update_fields=["is_superuser", "is_staff"])
        user.groups.set([role.group_id] if role.group_id is not None else [])
        user.user_permissions.set(permissions_named([LEADS]) if role.key == LEAD else [])


def enters_setup(group_id: int) -> bool:
    """Return whether a group has a permission that is used in Setup."""
    workspace = [name for words in PERMISSIONS if not words.in_setup for name in words.permissions]
    return Permission.objects.filter(group=group_id).exclude(_named(workspace)).exists()


def permissions_named(names: Iterable[str]) -> QuerySet[Permission, Permission]:
    """Return the permissions with these names, such as "tickets.view_contact"."""
    return Permission.objects.filter(_named(names))


def _named(names: Iterable[str]) -> Q:
    condition = Q(pk=None)
    for name in names:
        label, _, codename = name.partition(".")
        condition |= Q(content_type__app_label=label, codename=codename)
    return condition
