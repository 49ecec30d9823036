"""The list of contacts: one row for each person, by last message or by name, with keyset paging and without counts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Lower

from desk import row_by_row
from desk.models import User
from desk.one_of import OneOf
from tickets.models import Contact, Conversation
from tickets.rules.filters import NO_FILTER, Filter
from tickets.services.conversation import access
from tickets.services.inbox import field_filters, search
from tickets.services.inbox.field_filters import KnownFields

PAGE_SIZE = 50
RECENT, BY_NAME = "recent", "name"
SORTS = (RECENT, BY_NAME)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_ID_DIGITS = 18

Conversations = QuerySet[Conversation, Conversation]


@dataclass(frozen=True)
class ContactRow:
    """A person in the list: the contact that stands for it, and the visible conversations of all its contacts."""

    contact: Contact
    conversations: Sequence[Conversation]  # the newest first; never empty

    @property
    def newest(self) -> Conversation:
        return self.conversations[0]

    @property
    def open_ticket(self) -> int | None:
        """The number of an open ticket, of the conversation with the newest message."""
        return next((each.current_ticket_id for each in self.conversations if each.is_open), None)

    @property
    def pages(self) -> list[str]:
        """The names of the Pages, each once."""
        return list(dict.fromkeys(each.channel.page.name for each in self.conversations))


@dataclass(frozen=True)
class ContactPage:
    """A page of the list; `after` is the cursor of the next page, "" at the end. `is_cut`: the search found more."""

    rows: Sequence[ContactRow]
    after: str = ""
    is_cut: bool = False


def known_fields(facts: access.UserFacts) -> KnownFields:
    """Return the fields by which the list can be filtered."""
    return KnownFields.seen_by(facts, Contact)


def page_of(
    user: User,
    facts: access.UserFacts,
    query: str = "",
    sort: str = RECENT,
    after: str = "",
    without: Contact | None = None,
    fields: Filter = NO_FILTER,
) -> ContactPage:
    """Return a page of the contacts of which `user` sees a conversation; `without` leaves out a person.

    `fields` are custom fields of contacts, as in a filter of the inbox; of a person on several Pages, a contact with
    them is shown.

    A cursor that is none begins at the first page.
    """
    visible = access.conversations_for(user, facts)
    if without is not None:
        visible = visible.exclude(contact__in={without.pk, *_contacts_of({without.person_id} - {None})})
    visible = field_filters.narrowed(visible, fields, known_fields(facts))
    is_cut = False
    if query.strip():
        found, is_cut = search.contact_ids(visible, query)
        shown = set(visible.filter(OneOf("contact", found)).order_by().values_list("contact", flat=True))
        ids, cursor = _few_by_name(shown, after) if sort == BY_NAME else _few_by_message(visible, shown, after)
    elif facts.sees_few and sort == RECENT:
        shown = set(visible.order_by().values_list("contact", flat=True))
        ids, cursor = _few_by_message(visible, shown, after)
    else:
        ids, cursor = (_by_name if sort == BY_NAME else _by_message)(visible, after)
    return ContactPage(_rows(access.conversations_for(user, facts), ids), cursor, is_cut)


def _by_message(visible: Conversations, after: str) -> tuple[list[int], str]:
    """Return the contacts of the next page, by the newest message of the person."""
    newer = Q(last_message_at__gt=OuterRef("last_message_at")) | Q(
        last_message_at=OuterRef("last_message_at"), pk__gt=OuterRef("pk")
    )
    of_contact = visible.filter(newer, contact=OuterRef("contact"))
    of_person = visible.filter(newer, contact__person__contacts=OuterRef("contact"), contact__erased_at=None)
    erased = Contact.objects.filter(pk=OuterRef("contact"), erased_at__isnull=False)
    hidden: tuple[QuerySet[Any, Any], ...] = (of_contact, of_person, erased)
    rows = visible.filter(
        row_by_row.none_of(*map(row_by_row.some, hidden)),
        last_message_at__isnull=False,
    )
    rows = rows.filter(_older(after)).order_by("-last_message_at", "-pk")
    return _page_by_message(list(rows.values_list("contact", "last_message_at", "pk")[: PAGE_SIZE + 1]))


def _older(after: str) -> Q:
    """Return the condition that a conversation comes after this cursor in the order of the newest message."""
    place = _read_moment(after)
    if place is None:
        return Q()
    at, pk = place
    return Q(last_message_at__lte=at) & (Q(last_message_at__lt=at) | Q(last_message_at=at, pk__lt=pk))


def _page_by_message(found: Sequence[tuple[int, datetime | None, int]]) -> tuple[list[int], str]:
    """Return the contacts of a page, and the cursor of the next one when more than a page was found."""
    page, cursor = found[:PAGE_SIZE], ""
    if len(found) > PAGE_SIZE and (last := page[-1])[1]:
        cursor = f"{(last[1] - EPOCH) // timedelta(microseconds=1)}.{last[2]}"
    return [contact for contact, _at, _pk in page], cursor


def _few_by_message(visible: Conversations, ids: Collection[int], after: str) -> tuple[list[int], str]:
    """Do what `_by_message` does, of these contacts only, which are read and compared all."""
    persons = dict(Contact.objects.filter(OneOf("pk", ids), erased_at=None).values_list("pk", "person"))
    rows = visible.filter(OneOf("contact", ids), last_message_at__isnull=False).order_by("-last_message_at", "-pk")
    is_older = row_by_row.holds(_older(after)) if _read_moment(after) else Value(True)
    first: dict[tuple[str, int], tuple[int, datetime | None, int]] = {}
    skipped = set()
    for contact, at, pk, is_next in rows.values_list("contact", "last_message_at", "pk", is_older):
        if contact not in persons:
            continue
        key = _key_of(contact, persons[contact])
        if not is_next:
            skipped.add(key)
        elif key not in skipped:
            first.setdefault(key, (contact, at, pk))
    return _page_by_message(list(first.values())[: PAGE_SIZE + 1])


def _by_name(visible: Conversations, after: str) -> tuple[list[int], str]:
    """Return the contacts of the next page by name; those without a name come last, the oldest first."""
    ids = access.few_ids(visible, "contact")  # then they are sorted, instead of reading all contacts in order
    if ids is not None:
        return _few_by_name(ids, after)
    rows = Contact.objects.annotate(key=Lower("name")).filter(erased_at=None)
    rows = rows.filter(row_by_row.some(visible.filter(contact=OuterRef("pk"))))
    # The first of a person by name stands for it.
    others = Contact.objects.annotate(key=Lower("name")).filter(person=OuterRef("person"), erased_at=None)
    others = others.filter(Exists(visible.filter(contact=OuterRef("pk"))))
    earlier = Q(key__lt=OuterRef("key"), key__gt="") | Q(key=OuterRef("key"), pk__lt=OuterRef("pk"))
    rows = rows.filter(row_by_row.none_of(row_by_row.some(others.filter(earlier))))
    place = _read(after)
    found: list[tuple[int, str]] = []
    if place is None or place[0]:
        named = rows.filter(key__gt="")
        if place:
            named = named.filter(_later(place))
        found = list(named.order_by("key", "pk").values_list("pk", "key")[: PAGE_SIZE + 1])
    if len(found) <= PAGE_SIZE:
        unnamed = rows.filter(key="")
        # A person with a name on another Page is listed by that name.
        unnamed = unnamed.filter(row_by_row.none_of(row_by_row.some(others.filter(key__gt=""))))
        if place and not place[0]:
            unnamed = unnamed.filter(pk__gt=place[1])
        found += unnamed.order_by("key", "pk").values_list("pk", "key")[: PAGE_SIZE + 1 - len(found)]
    return _page_by_name(found)


def _later(place: tuple[str, int]) -> Q:
    """Return the condition that a contact comes after this place in the order of the names."""
    name, pk = place
    return Q(key__gte=name) & (Q(key__gt=name) | Q(key=name, pk__gt=pk))


def _page_by_name(found: Sequence[tuple[int, str]]) -> tuple[list[int], str]:
    """Return the contacts of a page, and the cursor of the next one when more than a page was found."""
    page = found[:PAGE_SIZE]
    return [pk for pk, _key in page], f"{page[-1][1]}.{page[-1][0]}" if len(found) > PAGE_SIZE else ""


def _few_by_name(ids: Collection[int], after: str) -> tuple[list[int], str]:
    """Do what `_by_name` does, of these contacts only, which are read and compared all."""
    place = _read(after)
    is_later: Any = Value(True)
    if place and place[0]:
        is_later = row_by_row.holds(Q(key="") | _later(place))
    elif place:
        is_later = row_by_row.holds(Q(key="", pk__gt=place[1]))
    rows = Contact.objects.annotate(key=Lower("name")).filter(OneOf("pk", ids), erased_at=None)
    ordered = list(rows.order_by("key", "pk").values_list("pk", "key", "person", is_later))
    seen, found = set(), []
    for pk, key, person, is_next in sorted(ordered, key=lambda row: not row[1]):  # those without a name last
        if (who := _key_of(pk, person)) in seen:
            continue
        seen.add(who)
        if is_next:
            found.append((pk, key))
    return _page_by_name(found[: PAGE_SIZE + 1])


def _contacts_of(persons: Collection[int | None]) -> list[int]:
    """Return the ids of all contacts of these persons."""
    return list(Contact.objects.filter(person__in=persons).values_list("pk", flat=True)) if persons else []


def _rows(visible: Conversations, ids: list[int]) -> list[ContactRow]:
    """Return the rows of these contacts in their order, in two queries, four when some are the same person."""
    contacts = Contact.objects.in_bulk(ids)
    of_persons = _contacts_of({contact.person_id for contact in contacts.values()} - {None})
    if of_persons:
        contacts = Contact.objects.in_bulk({*ids, *of_persons})
    shown = visible.filter(OneOf("contact", contacts))
    by_key: dict[tuple[str, int], list[Conversation]] = {}
    related = shown.select_related("channel__page").defer("channel__page__page_token")
    for each in related.order_by(F("last_message_at").desc(nulls_last=True), "-pk"):
        each.contact = contacts[each.contact_id]
        by_key.setdefault(_key(each.contact), []).append(each)
    return [
        ContactRow(contacts[pk], by_key[_key(contacts[pk])])
        for pk in ids
        if pk in contacts and _key(contacts[pk]) in by_key
    ]


def _key(contact: Contact) -> tuple[str, int]:
    return _key_of(contact.pk, contact.person_id)


def _key_of(pk: int, person: int | None) -> tuple[str, int]:
    return ("person", person) if person else ("contact", pk)


def _read(cursor: str) -> tuple[str, int] | None:
    """Return the value and the id in a cursor, or None."""
    value, dot, pk = cursor.rpartition(".")
    is_id = pk.isascii() and pk.isdecimal() and len(pk) <= MAX_ID_DIGITS
    return (value, int(pk)) if dot and is_id and "\0" not in value else None


def _read_moment(cursor: str) -> tuple[datetime, int] | None:
    """Return the time and the id in a cursor, or None."""
    place = _read(cursor)
    if place is None or not place[0].isdecimal() or len(place[0]) > MAX_ID_DIGITS:
        return None
    try:
        return EPOCH + timedelta(microseconds=int(place[0])), place[1]
    except OverflowError:  # after the year 9999
        return None
