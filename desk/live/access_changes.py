"""Announce that a user or a session may have lost or gained rights.

Open live streams check their session and their user's rights before they send anything more (desk.live.sse). The
announcement is part of the transaction that makes the change. Rows that are changed without signals (`update`,
`bulk_create`) need a call of `announce_users`; what nobody announced is noticed by the streams' regular check.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.utils import timezone

from desk.live import publish
from desk.models import Agent, Department, User

KIND = "access"
MAX_USERS = 300  # in one announcement, which PostgreSQL limits to 7,900 bytes; more become "everyone"
RIGHTS = frozenset(
    {"is_active", "is_superuser", "is_staff", "password", "language"}
)  # the fields of User that streams depend on


def announce_users(user_ids: Iterable[int]) -> None:
    """Announce that the rights of these users may have changed."""
    users = sorted(set(user_ids))
    if len(users) > MAX_USERS:
        publish.announce(KIND, everyone=True)
    elif users:
        publish.announce(KIND, users=users)


def announce_session(session_key: str) -> None:
    """Announce that a session has ended."""
    publish.announce(KIND, session=fingerprint(session_key))


def fingerprint(session_key: str) -> str:
    """Return 32 hex digits that identify a session in an announcement; the key itself would let its readers log in."""
    return hashlib.sha256(session_key.encode("utf-8", "replace")).hexdigest()[:32]


def concerns(payload: Mapping[str, Any], user_id: int, session: str) -> bool:
    """Return whether the announcement is about this user or this session (a fingerprint)."""
    return bool(payload.get("everyone")) or user_id in payload.get("users", ()) or payload.get("session") == session


def connect() -> None:
    """Connect the signal handlers. Call it from `AppConfig.ready()`."""
    post_save.connect(_user_saved, sender=User, dispatch_uid="access_user_saved")
    pre_delete.connect(_user_deleted, sender=User, dispatch_uid="access_user_deleted")
    post_save.connect(_agent_saved, sender=Agent, dispatch_uid="access_agent_saved")
    post_delete.connect(_agent_deleted, sender=Agent, dispatch_uid="access_agent_deleted")
    post_delete.connect(_session_deleted, sender=Session, dispatch_uid="access_session_deleted")
    pre_delete.connect(_group_deleted, sender=Group, dispatch_uid="access_group_deleted")
    pre_delete.connect(_department_deleted, sender=Department, dispatch_uid="access_department_deleted")
    for name, relation in (("groups", User.groups), ("permissions", User.user_permissions)):
        m2m_changed.connect(_user_relation_changed, sender=relation.through, dispatch_uid=f"access_user_{name}")
    m2m_changed.connect(
        _group_permissions_changed, sender=Group.permissions.through, dispatch_uid="access_group_permissions"
    )
    m2m_changed.connect(
        _agent_departments_changed, sender=Agent.departments.through, dispatch_uid="access_agent_departments"
    )


def _user_saved(instance: User, created: bool, update_fields: frozenset[str] | None, **_kwargs: Any) -> None:
    if not created and (update_fields is None or RIGHTS & update_fields):
        announce_users([instance.pk])


def _user_deleted(instance: User, **_kwargs: Any) -> None:
    announce_users([instance.pk])


def _agent_saved(instance: Agent, created: bool, update_fields: frozenset[str] | None, **_kwargs: Any) -> None:
    if not created and (update_fields is None or "user" in update_fields):
        announce_users([instance.user_id])


def _agent_deleted(instance: Agent, **_kwargs: Any) -> None:
    announce_users([instance.user_id])


def _session_deleted(instance: Session, **_kwargs: Any) -> None:
    if instance.expire_date > timezone.now():  # `clearsessions` deletes thousands that have expired
        announce_session(instance.session_key)


def _group_deleted(instance: Group, **_kwargs: Any) -> None:
    announce_users(_users_of_groups([instance.pk]))


def _department_deleted(instance: Department, **_kwargs: Any) -> None:
    announce_users(instance.agents.values_list("user_id", flat=True))


def _user_relation_changed(instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_kwargs: Any) -> None:
    """Groups or permissions of users changed; `reverse`: by way of the group or permission."""
    if not reverse:
        announce_users([instance.pk] if _is_change(action, pk_set) else ())
    elif action == "pre_clear":
        announce_users(instance.user_set.values_list("pk", flat=True))
    elif _is_change(action, pk_set):
        announce_users(pk_set or ())


def _group_permissions_changed(
    instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_kwargs: Any
) -> None:
    if not reverse:
        announce_users(_users_of_groups([instance.pk]) if _is_change(action, pk_set) else ())
    elif action == "pre_clear":
        announce_users(_users_of_groups(instance.group_set.values_list("pk", flat=True)))
    elif _is_change(action, pk_set):
        announce_users(_users_of_groups(pk_set or ()))


def _agent_departments_changed(
    instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_kwargs: Any
) -> None:
    if not reverse:
        announce_users([instance.user_id] if _is_change(action, pk_set) else ())
    elif action == "pre_clear":
        announce_users(instance.agents.values_list("user_id", flat=True))
    elif _is_change(action, pk_set):
        announce_users(Agent.objects.filter(pk__in=pk_set or ()).values_list("user_id", flat=True))


def _is_change(action: str, pk_set: set[int] | None) -> bool:
    return action == "post_clear" or (action in ("post_add", "post_remove") and bool(pk_set))


def _users_of_groups(group_pks: Iterable[int]) -> Iterable[int]:
    return User.objects.filter(groups__in=list(group_pks)).values_list("pk", flat=True)
