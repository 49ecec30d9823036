"""Canned replies: who may insert which, what their placeholders become, how often they are used, and saving them."""

import re
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from desk import audit_log
from desk.errors import Refused
from desk.models import User
from desk.prepared import PreparedModels
from desk.sentences import sentence
from tickets.models import CannedReply, Conversation
from tickets.services.inbox import canned_files

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
MOST_USED_AT_ONCE = 20  # canned replies that one reply counts for
MOST_PERSONAL = 200
MAX_LISTED = 300
PERSONAL = sentence("a personal canned reply")  # in the history, which others read
NO_CHANGES = canned_files.Changes()
FIELDS = ("shortcut", "title", "folder", "department", "text")
#: What was changed, in the words of the history.
WORDS = {
    "shortcut": sentence("shortcut"),
    "title": sentence("title"),
    "folder": sentence("folder"),
    "department": sentence("department"),
    "text": sentence("text"),
    "files": sentence("files"),
}


def usable(user: User, conversation: Conversation) -> QuerySet[CannedReply, CannedReply]:
    """Return the canned replies that the user may insert here: shared ones of all departments or its own, and theirs.

    Departments limit who is offered a reply; an agent who was given a conversation of another one gets those.
    """
    return _usable(user.pk, conversation.department_id)


def _usable(user: int, department: int) -> QuerySet[CannedReply, CannedReply]:
    shared = Q(owner=None) & (Q(department=None) | Q(department_id=department))
    return CannedReply.objects.filter(shared | Q(owner_id=user))


def listed(user: User, conversation: Conversation) -> list[CannedReply]:
    """Return what the menu of the composer shows of `usable`, with files: theirs first, at most MAX_LISTED."""
    return _listed.rows(user=user.pk, department=conversation.department_id)


def _in_order(*, user: int, department: int) -> QuerySet[CannedReply, CannedReply]:
    rows = _usable(user, department).order_by(F("owner").asc(nulls_last=True), "shortcut")
    return rows.prefetch_related("files")[:MAX_LISTED]


_listed = PreparedModels(_in_order)


def facts(user: User, conversation: Conversation) -> dict[str, str]:
    """Return the values of {{name}}, {{first_name}}, {{agent}} and {{page}} in a canned reply."""
    name = conversation.contact.name
    return {
        "name": name,
        "first_name": name.split()[0] if name.split() else "",
        "agent": str(user),
        "page": conversation.channel.page.name,
    }


def fill(text: str, values: dict[str, str]) -> str:
    """Return the text with its placeholders replaced; unknown ones stay, as in static/desk/js/canned.js."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def count_use(user: User, conversation: Conversation, ids: Iterable[int]) -> None:
    """Count that a reply was sent with these canned replies; those that the user may not insert are left out."""
    wanted = list(dict.fromkeys(ids))[:MOST_USED_AT_ONCE]
    if not wanted:
        return
    with transaction.atomic():
        used = usable(user, conversation).filter(pk__in=wanted).order_by("pk")
        locked = list(used.select_for_update(no_key=True).values_list("pk", flat=True))  # in one order for everybody
        CannedReply.objects.filter(pk__in=locked).update(use_count=F("use_count") + 1, last_used_at=timezone.now())


def save(
    by: User,
    reply: CannedReply | None,
    values: dict[str, Any],
    *,
    owner: User | None = None,
    files: canned_files.Changes = NO_CHANGES,
) -> CannedReply:
    """Save a canned reply, a new one when `reply` is None, personal with `owner`.

    Raises Refused, with the field `shortcut` or `new_files`.
    """
    same = CannedReply.objects.filter(shortcut=values["shortcut"], owner=owner)
    same = same.exclude(pk=reply.pk) if reply else same
    taken = Refused(
        sentence("There is a canned reply /%(shortcut)s already.", shortcut=values["shortcut"]), field="shortcut"
    )
    if same.exists():
        raise taken
    try:
        with transaction.atomic():
            return _add(by, values, owner, files) if reply is None else _change(by, reply, values, files)
    except IntegrityError:
        if same.exists():  # somebody else saved it meanwhile
            raise taken from None
        raise


def _add(by: User, values: dict[str, Any], owner: User | None, files: canned_files.Changes) -> CannedReply:
    if owner is not None:
        User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # no second one is added at this moment
        if CannedReply.objects.filter(owner=owner).count() >= MOST_PERSONAL:
            too_many = sentence("You have %(most)s canned replies. Delete one first.", most=MOST_PERSONAL)
            raise Refused(too_many, field="shortcut")
    fields = {name: values[name] for name in FIELDS if name in values}
    reply = CannedReply.objects.create(created_by=by, owner=owner, **fields)
    canned_files.change(by, reply, files)
    _record(by, reply, audit_log.ADDITION, sentence("Added."))
    return reply


def _change(by: User, reply: CannedReply, values: dict[str, Any], files: canned_files.Changes) -> CannedReply:
    if CannedReply.objects.select_for_update(no_key=True).filter(pk=reply.pk).first() is None:
        raise Refused(sentence("Somebody has deleted this canned reply meanwhile."), field="shortcut")
    changed = [name for name in FIELDS if name in values and getattr(reply, name) != values[name]]
    for name in changed:
        setattr(reply, name, values[name])
    if changed:
        reply.save(update_fields=changed)
    if canned_files.change(by, reply, files):
        changed.append("files")
    if changed:
        names = ", ".join(WORDS[name] for name in changed)
        _record(by, reply, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=names))
    return reply


def delete(by: User, reply: CannedReply) -> None:
    """Delete a canned reply and its files. Messages that were sent with it stay as they are."""
    with transaction.atomic():
        if not CannedReply.objects.select_for_update().filter(pk=reply.pk).exists():
            return
        _record(by, reply, audit_log.DELETION, sentence("Deleted."))
        reply.delete()


def _record(by: User, reply: CannedReply, action: str, entry: str) -> None:
    audit_log.record(by, reply, action, entry, name=PERSONAL if reply.owner_id else "")
