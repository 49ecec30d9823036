"""Tokens of the API: who may make one for whom. A token stands for its user; its key is shown only when it is made."""

from django.db import transaction
from django.db.models import Q, QuerySet
from rest_framework.authtoken.models import Token

from desk import audit_log
from desk.errors import Refused
from desk.models import User


def users_for(maker: User) -> QuerySet[User, User]:
    """Return the people for whom `maker` may make or revoke tokens.

    Superusers: for everybody active. Other administrators: for agents and for themselves, since a token of somebody who
    may more than they would let them do it.
    """
    people = User.objects.filter(is_active=True)
    return people if maker.is_superuser else people.filter(Q(is_staff=False, is_superuser=False) | Q(pk=maker.pk))


def make(maker: User, user: User) -> str:
    """Make a token for `user` in place of the one there is, and return its key. Raises Refused."""
    with transaction.atomic():
        _lock(maker, user)
        replaced, _rows = Token.objects.filter(user=user).delete()
        key = Token.objects.create(user=user).key
        audit_log.record(maker, user, audit_log.CHANGE, "API token replaced." if replaced else "API token made.")
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
    if not users_for(maker).select_for_update().filter(pk=user.pk).exists():
        raise Refused(f"You may not make or revoke a token of {user}. Ask somebody who may do everything in Setup.")
