"""Record who did what, and when, in AuditEntry: the one history of Desk. Every action of Setup calls `record`.

Where an action came from (address, page or API token) is known to the request, not to the services: `origin_of` keeps
it for the thread while the request runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from desk import proxies
from desk.models import AuditEntry, User
from desk.sentences import sentence
from desk.text import head

Action, ActorKind, Via = AuditEntry.Action, AuditEntry.ActorKind, AuditEntry.Via
ADDITION, CHANGE, DELETION = Action.ADDED, Action.CHANGED, Action.DELETED

NAME_LENGTH = 200  # characters, of actors and objects
REPEAT = timedelta(minutes=1)  # the same failed login within this is counted, not listed again
FAILED_LIMIT = 60  # lines for failed logins in REPEAT; more are counted in one line
MANY_NAMES = sentence("(many names)")


class Actor(NamedTuple):
    """Somebody who acts and is no user: the kind, and the name to show."""

    kind: str
    name: str


FACEBOOK = Actor(ActorKind.FACEBOOK, "Facebook")  # English only: a name
SYSTEM = Actor(ActorKind.SYSTEM, "Desk")  # English only: a name


@dataclass(frozen=True)
class Origin:
    """Where an action comes from: the client's address, how, and the API token that was used, if any."""

    address: str | None = None
    via: str = Via.INTERNAL
    token_name: str = ""


_origin: ContextVar[Origin] = ContextVar("audit_origin", default=Origin())  # noqa: B039 - it cannot be changed


@contextmanager
def origin_of(request: HttpRequest) -> Iterator[None]:
    """Note where `request` comes from for every entry that is recorded inside the `with` block."""
    mark = _origin.set(Origin(client_address(request), Via.PAGE))
    try:
        yield
    finally:
        _origin.reset(mark)


def note_token(name: str) -> None:
    """Note that the current request is made with an API token, by its name and prefix."""
    _origin.set(replace(_origin.get(), via=Via.TOKEN, token_name=name))


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client, as the login limits see it; None when it is not known."""
    address = proxies.client_address(request)
    return str(address) if address else None


def record(actor: User | Actor, obj: Model | None, action: str, sentence: str, *, name: str = "") -> AuditEntry:
    """Create and return one entry of the history.

    `actor` is who acted: the user, FACEBOOK or SYSTEM. `action` is a code of AuditEntry.Action, `sentence` has no
    secrets and no text of customers. `name` stands for that of `obj` when not everybody may read it. Call it inside the
    transaction of the action itself, so that either both are committed or neither is.
    """
    is_user = isinstance(actor, User)
    origin = _origin.get()
    return AuditEntry.objects.create(
        actor_kind=ActorKind.USER if isinstance(actor, User) else actor.kind,
        actor=actor if isinstance(actor, User) else None,
        actor_name=head(name_of(actor) if isinstance(actor, User) else actor.name, NAME_LENGTH),
        action=action,
        content_type=ContentType.objects.get_for_model(obj) if obj is not None else None,
        object_id=str(obj.pk) if obj is not None else "",
        object_name=head(name or str(obj), NAME_LENGTH) if obj is not None else "",
        sentence=sentence,
        address=origin.address,
        via=origin.via if is_user or origin.via == Via.PAGE else Via.INTERNAL,
        token_name=origin.token_name,
    )


def name_of(user: User) -> str:
    """Return the name of a user for the history: the full name and the user name."""
    full_name = user.get_full_name()
    return f"{full_name} ({user.username})" if full_name else user.username


def record_failed_login(name: str) -> None:
    """Record a failed login; repeats of a name from an address become one line.

    The line has the name of the user whose name or e-mail address was typed, else `unknown_name`. A stranger cannot
    fill the disk: after FAILED_LIMIT lines in REPEAT, all others are counted in one.
    """
    now = timezone.now()
    origin = _origin.get()
    typed = name.replace("\x00", "")
    names = Q(username__iexact=typed) | Q(username__iexact=User.normalize_username(typed))
    users = User.objects.filter(names | (Q(email__iexact=typed) & ~Q(email="")))
    typed = users.order_by("pk").values_list("username", flat=True).first() or unknown_name(typed)
    with transaction.atomic():
        recent = AuditEntry.objects.filter(action=Action.LOGIN_FAILED, at__gt=now - REPEAT)
        if _count(recent.filter(actor_name=typed, address=origin.address), now):
            return
        address = origin.address
        if recent.count() >= FAILED_LIMIT:
            typed, address = MANY_NAMES, None
            if _count(recent.filter(actor_name=typed, address=None), now):
                return
        AuditEntry.objects.create(
            actor_kind=ActorKind.UNKNOWN,
            actor_name=typed,
            action=Action.LOGIN_FAILED,
            sentence=sentence("Login failed."),
            address=address,
            via=origin.via,
        )


def unknown_name(typed: str) -> str:
    """Return what stands in the history for a name that no user has: people type passwords into that field.

    The same text gives the same name, so that repeats can be told, and nobody without DESK_SECRET_KEY can guess it.
    """
    mark = salted_hmac("failed login", typed).hexdigest()[:8]  # English only: a salt
    return sentence("unknown name %(mark)s", mark=mark)


def _count(entries: QuerySet[AuditEntry, AuditEntry], now: object) -> bool:
    """Add one to the newest of these entries; return whether there is one."""
    newest = entries.values_list("pk", flat=True).first()
    return newest is not None and bool(AuditEntry.objects.filter(pk=newest).update(count=F("count") + 1, last_at=now))


def of_object(obj: Model) -> QuerySet[AuditEntry, AuditEntry]:
    """Return the entries about one object, newest first."""
    content_type = ContentType.objects.get_for_model(obj)
    return AuditEntry.objects.filter(content_type=content_type, object_id=str(obj.pk))


def entries_of(obj: Model, limit: int = 10) -> list[AuditEntry]:
    """Return the newest entries about one object, at most `limit`."""
    return list(of_object(obj)[:limit])


def forget_object(obj: Model) -> None:
    """Replace the name of an object in the history by its present one, and remove the sentences about it."""
    of_object(obj).update(object_name=head(str(obj), NAME_LENGTH), sentence="")
