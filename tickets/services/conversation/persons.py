"""Mark contacts as the same person, and separate them again. Conversations stay with their contacts.

Whoever changes a person locks all its contacts, in the order of their ids, and looks again who they are: two agents who
merge at once come one after the other, and a contact that is erased meanwhile is not merged.
"""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from desk import audit_log
from desk.errors import Refused
from desk.live import publish
from desk.models import User
from desk.sentences import sentence
from tickets.models import Contact, Conversation, EventType, Person
from tickets.rules import same_person
from tickets.rules.sending import Refusal
from tickets.services.conversation import access, messages
from tickets.services.webhooks import events

MAX_TRIES = 5


class ChangedError(Exception):
    """Another contact joined between reading and locking: read again."""


def members(contact: Contact) -> QuerySet[Contact, Contact]:
    """Return all contacts of the person, this one included, whoever may see them."""
    return Contact.objects.filter(Q(pk=contact.pk) | Q(person__isnull=False, person=contact.person_id))


def visible_members(contact: Contact, user: User, facts: access.UserFacts) -> list[Contact]:
    """Return those contacts of the person that `user` may see, this one first, each with its Page."""
    seen = access.conversations_for(user, facts).values("contact")
    others: Iterable[Contact] = ()
    if contact.person_id is not None:
        others = members(contact).exclude(pk=contact.pk).filter(pk__in=seen).select_related("page").order_by("pk")
    return [contact, *others]


def merge(user: User, contact: Contact, other: Contact) -> Person:
    """Mark two contacts, and those that each is merged with already, as the same person. Raises Refused.

    The caller has checked that `user` may see both.
    """
    for _ in range(MAX_TRIES):
        try:
            with transaction.atomic():
                return _merge(user, contact.pk, other.pk)
        except ChangedError:
            continue
    raise Refused(same_person.CHANGED, Refusal.NOT_POSSIBLE)


def separate(user: User, contact: Contact) -> None:
    """Take a contact out of its person: it is one of its own again. Raises Refused."""
    for _ in range(MAX_TRIES):
        try:
            with transaction.atomic():
                return _separate(user, contact.pk)
        except ChangedError:
            continue
    raise Refused(same_person.CHANGED, Refusal.NOT_POSSIBLE)


def _merge(user: User, contact: int, other: int) -> Person:
    rows = _lock(contact, other)
    if len({contact, other} & rows.keys()) < len({contact, other}) or any(row.erased_at for row in rows.values()):
        raise Refused(same_person.ERASED, Refusal.CONTACT_ERASED)
    person_of = {pk: row.person_id for pk, row in rows.items()}
    into, moved = same_person.merged(person_of, contact, other)
    person = Person.objects.get(pk=into) if into else Person.objects.create(created_by=user)
    emptied = [emptied for pk in moved if (emptied := person_of[pk]) is not None]
    Contact.objects.filter(pk__in=moved).update(person=person)
    Person.objects.filter(pk__in=emptied).delete()
    first, second = rows[contact], rows[other]
    for one, with_other in ((first, second), (second, first)):
        entry = sentence("Marked as the same person as customer %(number)s.", number=with_other.pk)
        audit_log.record(user, one, audit_log.Action.CONTACT, entry)
    _tell(EventType.CONTACT_MERGED, user, rows.keys(), person=person.pk, contacts=sorted(rows))
    return person


def _separate(user: User, contact: int) -> None:
    rows = _lock(contact)
    row = rows.get(contact)
    if row is None or row.erased_at:
        raise Refused(same_person.ERASED, Refusal.CONTACT_ERASED)
    leaving = same_person.separated(rows.keys(), contact)
    Contact.objects.filter(pk__in=leaving).update(person=None)
    if len(leaving) > 1:
        Person.objects.filter(pk__in=[person for person in (row.person_id,) if person]).delete()
    audit_log.record(user, row, audit_log.Action.CONTACT, sentence("Separated from the same person."))
    others = sorted(rows.keys() - {contact})
    _tell(EventType.CONTACT_SEPARATED, user, rows.keys(), separated=contact, contacts=others)


def _lock(*contacts: int) -> dict[int, Contact]:
    """Lock these contacts and all others of their persons; return them by id. Raises ChangedError.

    Once all are locked nobody can join or leave these persons: both need the lock of a member.
    """
    expected = _with_members(contacts)
    rows = {row.pk: row for row in Contact.objects.select_for_update().filter(pk__in=expected).order_by("pk")}
    if _with_members(contacts) != expected:
        raise ChangedError
    return rows


def _with_members(contacts: Iterable[int]) -> set[int]:
    persons = Contact.objects.filter(pk__in=contacts, person__isnull=False).values("person")
    return set(Contact.objects.filter(Q(pk__in=contacts) | Q(person__in=persons)).values_list("pk", flat=True))


def _tell(event: EventType, user: User, about: Iterable[int], **facts: Any) -> None:
    """Publish the event for each contact, and announce their conversations to open pages."""
    told: set[int] = set()
    with publish.batched():
        for conversation in Conversation.objects.filter(contact__in=list(about)).order_by("-pk"):
            if conversation.contact_id not in told:
                told.add(conversation.contact_id)
                events.publish(event, conversation, by=user, **facts)
            messages.announce(conversation)
