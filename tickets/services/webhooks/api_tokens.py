"""API tokens: who may create one for whom, and which token a key is.

A token has the permissions of its user, limited to its scopes. Its key is shown once, when it is created; only the
SHA-256 digest is stored. A key has 190 bits of chance, so that a fast hash without salt is enough.
"""

import hashlib
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from desk import audit_log, rights
from desk.audit_log import Action, Actor
from desk.backup.after_restore import Circumstances
from desk.errors import Refused
from desk.models import User
from desk.sentences import counted, sentence
from tickets.models import ApiToken, Scope

KEY_START = "desk_"
ID_LENGTH = 8  # characters of the key that are shown, after KEY_START
SECRET_LENGTH = 32  # characters
ALPHABET = string.ascii_letters + string.digits
USE_NOTED_EVERY = timedelta(minutes=1)
ALL_SCOPES = tuple(scope.value for scope in Scope)
NAME_LENGTH = ApiToken._meta.get_field("name").max_length or 80
DEFAULT_DAYS = 365


def users_for(maker: User) -> QuerySet[User, User]:
    """Return the users for whom `maker` may create or revoke tokens.

    Superusers: all active users. Other administrators: themselves, and users who are no administrators and have no
    permission that they lack, since the token of a user with more permissions would give those to them.
    """
    users = User.objects.filter(is_active=True)
    if maker.is_superuser:
        return users
    beyond = Permission.objects.exclude(pk__in=rights.permissions_of(maker)).values("pk")
    with_more = User.objects.filter(Q(user_permissions__in=beyond) | Q(groups__permissions__in=beyond)).values("pk")
    return users.filter(Q(is_staff=False, is_superuser=False) | Q(pk=maker.pk)).exclude(pk__in=with_more)


def create(
    maker: User,
    user: User,
    *,
    name: str,
    scopes: Iterable[str] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create a token for `user`; return it and its key, which cannot be read again. Raises Refused."""
    with transaction.atomic():
        _lock(maker, user)
        return issue(maker, user, name=name, scopes=scopes, expires_at=expires_at)


def issue(
    actor: User | Actor,
    user: User,
    *,
    name: str,
    scopes: Iterable[str] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Create a token without asking whether `actor` may; return it and its key. Raises Refused for bad values."""
    name = name.strip()
    chosen = [scope for scope in ALL_SCOPES if scope in set(scopes)]
    if not name or len(name) > NAME_LENGTH or "\x00" in name:
        bad_name = sentence(
            "Give the token a name of at most %(most)s characters, for example “CRM”.", most=NAME_LENGTH
        )
        raise Refused(bad_name, field="name")
    if not chosen:
        raise Refused(sentence("Choose at least one thing that the token may do."), field="scopes")
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused(sentence("This day is over. Choose a later one, or none."), field="expires")
    shown = KEY_START + _random(ID_LENGTH)
    key = shown + _random(SECRET_LENGTH)
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name,
            prefix=shown,
            digest=digest_of(key),
            scopes=chosen,
            expires_at=expires_at,
            created_by=actor if isinstance(actor, User) else None,
        )
        values = {"token": token, "scopes": ", ".join(chosen)}
        if expires_at:
            day = f"{timezone.localtime(expires_at):%Y-%m-%d}"
            entry = sentence("API token %(token)s created: %(scopes)s, until %(day)s.", day=day, **values)
        else:
            entry = sentence("API token %(token)s created: %(scopes)s, without an end.", **values)
        audit_log.record(actor, user, Action.TOKEN, entry)
    return token, key


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def digest_of(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def find(key: str) -> ApiToken | None:
    """Return the token with this key and its user, whether it works or not; None for an unknown key."""
    return ApiToken.objects.select_related("user").filter(digest=digest_of(key)).first()


def note_use(token: ApiToken) -> None:
    """Note that the token is used now; at most one write in USE_NOTED_EVERY."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - USE_NOTED_EVERY:
        not_noted = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
        ApiToken.objects.filter(not_noted, pk=token.pk).update(last_used_at=now)


def revoke(maker: User, token: ApiToken) -> bool:
    """Revoke a token; return False when it was revoked already. Raises Refused."""
    with transaction.atomic():
        if token.user.is_active:  # the tokens of others are revoked already, or anybody may clean up
            _lock(maker, token.user)
        return bool(_revoke(maker, ApiToken.objects.filter(pk=token.pk), ""))


def revoke_all(actor: User | Actor, user: User, reason: str = "") -> int:
    """Revoke all tokens of `user` that are not revoked yet; return how many. `reason` is a sentence for the history."""
    with transaction.atomic():
        return _revoke(actor, ApiToken.objects.filter(user=user), reason)


def _revoke(actor: User | Actor, tokens: QuerySet[ApiToken, ApiToken], reason: str) -> int:
    rows = list(tokens.filter(revoked_at=None).select_for_update(of=("self",)).select_related("user"))
    ApiToken.objects.filter(pk__in=[row.pk for row in rows]).update(revoked_at=timezone.now())
    for row in rows:
        entry = sentence("API token %(token)s revoked.", token=row)
        audit_log.record(actor, row.user, Action.TOKEN, f"{entry} {reason}".strip())
    return len(rows)


def working(user: User) -> QuerySet[ApiToken, ApiToken]:
    """Return the tokens of `user` that are neither revoked nor expired."""
    now = timezone.now()
    return ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), user=user, revoked_at=None)


def remind_after_restore(circumstances: Circumstances) -> list[str]:
    """Say that tokens revoked since the backup work again, unless nothing can have happened since."""
    now = timezone.now()
    count = ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None).count()
    if circumstances.moved or not count:
        return []
    return [
        counted(
            "%(count)s API token works, as it did when the backup was made. In Setup → API tokens, revoke it again if "
            "it was revoked since. Deactivated users, passwords and two-step logins are those of that day too.",
            "%(count)s API tokens work, as they did when the backup was made. In Setup → API tokens, revoke again "
            "those that were revoked since. Deactivated users, passwords and two-step logins are those of that day "
            "too.",
            count,
        )
    ]


def _lock(maker: User, user: User) -> None:
    """Lock the user's row. Raises Refused when `maker` may not create or revoke their tokens."""
    allowed = users_for(maker).filter(pk=user.pk).exists()
    if not allowed or not User.objects.select_for_update().filter(pk=user.pk, is_active=True).exists():
        raise Refused(sentence("You cannot create or revoke a token of %(user)s. Ask a superuser.", user=user))
