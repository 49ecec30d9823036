"""API tokens: who may create one for whom. A token has its user's permissions; its key is shown once, when created."""

from django.db import transaction
from django.db.models import Q, QuerySet
from rest_framework.authtoken.models import Token

from desk import audit_log
from desk.errors import Refused
from desk.models import User


def users_for(maker: User) -> QuerySet[User, User]:
    """Return the users for whom `maker` may create or revoke tokens.

    Superusers: all active users. Other administrators: agents and themselves, since the token of a user with more
    permissions would give those to them.
    """
    users = User.objects.filter(is_active=True)
    return users if maker.is_superuser else users.filter(Q(is_staff=False, is_superuser=False) | Q(pk=maker.pk))


def create(maker: User, user: User) -> str:
    """Create a token for `user`, replacing an existing one, and return its key. Raises Refused."""
    with transaction.atomic():
        _lock(maker, user)
        replaced, _rows = Token.objects.filter(user=user).delete()
        key = Token.objects.create(user=user).key
        audit_log.record(maker, user, audit_log.CHANGE, "API token replaced." if replaced else "API token created.")
    return key


def revoke(maker: User, user: User) -> bool:
    """Delete the token of `user`; return whether there was one. Raises Refused."""
    with transaction.atomic():
        _lock(maker, user)
        revoked, _rows = Token.objects.filter(user=user).delete()
        if revoked:
            audit_log.record(maker, user, audit_log.CHANGE, "API token revoked.")
    return bool(revoked)


def _lock(maker: User, user: User) -> None:
    """Lock the user's row. Raises Refused when `maker` may not create or revoke their token."""
    if not users_for(maker).select_for_update().filter(pk=user.pk).exists():
        raise Refused(f"You cannot create or revoke a token of {user}. Ask a superuser.")
