"""Search the conversations of a list by contact, ticket number, message text, cards and file name.

Uses the tables of terms (tickets/models/search.py), which hold what desk.searching makes of each text.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import OuterRef, Q, QuerySet

from desk import row_by_row
from desk import searching as words
from desk.one_of import OneOf
from desk.searching import Term
from tickets.models import (
    Attachment,
    AttachmentTerms,
    Contact,
    ContactTerms,
    Conversation,
    Message,
    MessageTerms,
    Ticket,
)
from tickets.rules import searching
from tickets.rules.cards import words_in
from tickets.rules.searching import Pieces
from tickets.services.conversation import access
from tickets.services.inbox import indexing
from tickets.services.inbox.term_lookup import Held, Indexed, Lookup, Row, newest

# How many of the newest messages, contacts or files with the words are considered; a further word narrows the search.
MAX_HITS = 1000
MAX_SPLITS = 2  # in how many ways the words may be divided between name and text
# Of few conversations (access.FEW) with at most so many messages, these are read one conversation after the other.
FEW_MESSAGES = 50_000
RARE = 5000  # contacts with a name: then they are found by their ids, instead of in the order of a list
VERY_FEW = 100  # conversations, for which no other way is tried
SNIPPET_CHARS = 110

Conversations = QuerySet[Conversation, Conversation]
Found = TypeVar("Found")


@dataclass
class SearchHits:
    """The conversations that match, and why, by conversation id.

    `messages` and `files` have the id of the newest matching message and file, `tickets` the ticket number; `people`
    are the ids of conversations whose contact matches, `phone` is the part of a phone number that was asked for.
    `is_cut` says that there were more than MAX_HITS.
    """

    terms: tuple[Term, ...] = ()
    phone: Term | None = None
    people: set[int] = field(default_factory=set)
    tickets: dict[int, int] = field(default_factory=dict)
    messages: dict[int, int] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)
    is_cut: bool = False

    def conversation_ids(self) -> set[int]:
        """Return the ids of all matching conversations."""
        return self.people | self.tickets.keys() | self.messages.keys() | self.files.keys()


@dataclass(frozen=True)
class Snippet:
    """What a row of the list shows of a hit. `kind` is message, note, file, ticket, email or phone."""

    kind: str
    pieces: Pieces
    message_id: int | None = None
    is_ours: bool = False


def find(conversations: Conversations, query: str) -> SearchHits:
    """Search for `query` in these conversations, which are those the user may see.

    All words must be in what identifies the contact (name, e-mail address, phone number), or in one message with its
    cards, or some there and the others in one message. A contact is also found by page-scoped id and by a part of the
    phone number, a ticket by its number, a file by its name. Withdrawn messages are not found.
    """
    hits = SearchHits(terms := words.terms_of(query), words.phone_term(query))
    if not terms:
        return hits
    indexing.index_newest()
    number = searching.ticket_number(query)
    if number is not None:
        ticket = Ticket.objects.filter(pk=number).values("conversation_id")
        hits.tickets = {pk: number for pk in conversations.filter(pk__in=ticket).values_list("pk", flat=True)}
    splits = _find_people(conversations, query, hits)
    _find_messages(conversations, hits)
    for missing, ids in splits:
        _find_messages_of(ids, missing, hits)
    _find_files(conversations, hits)
    return hits


def contacts(rows: QuerySet[Contact, Contact], query: str) -> QuerySet[Contact, Contact]:
    """Return those of the contacts whose name, e-mail address or phone number has all words, or with this PSID."""
    terms, phone = words.terms_of(query), words.phone_term(query)
    if not terms:
        return rows if not query.strip() else rows.none()
    indexing.index_newest()
    found = Q(pk__in=ContactTerms.objects.filter(Indexed(terms)).values("contact")) | Q(psid=query.strip())
    if phone:
        found |= Q(pk__in=ContactTerms.objects.filter(Indexed((phone,))).values("contact"))
    return rows.filter(found)


def contact_ids(conversations: Conversations, query: str) -> tuple[set[int], bool]:
    """Return the ids of the newest contacts of these conversations that `query` finds, and whether there are more.

    They are found as by `contacts`, or by their external id; at most MAX_HITS of them.
    """
    exact = conversations.filter(Q(contact__psid=query.strip()) | Q(contact__external_id=query.strip()))
    found = set(exact.order_by().values_list("contact", flat=True)[:MAX_HITS])
    terms, phone = words.terms_of(query), words.phone_term(query)
    if not terms:
        return found, False
    indexing.index_newest()
    hits = SearchHits()

    def visible(rows: list[Row]) -> list[int]:
        asked = conversations.filter(OneOf("contact", [key for (key,) in rows]))
        return list(asked.order_by().values_list("contact", flat=True).distinct())

    for asked in filter(None, (terms, (phone,) if phone else ())):
        lookup = Lookup(ContactTerms, asked)
        found.update(_collect(lookup, visible, hits, _of_few(lookup, conversations)))
    return found, hits.is_cut


def _of_few(lookup: Lookup, conversations: Conversations) -> Callable[[int], list[Row] | None]:
    """Return what reads the contacts with the terms up to a key: those of these conversations, if they are few."""

    def read(below: int) -> list[Row] | None:
        ids = access.few_ids(conversations, "contact")
        if ids is None:
            return None
        wanted = Q(OneOf("pk", ids)) & Q(pk__lte=below) & Q(lookup.held())
        return lookup.read(wanted, MAX_HITS + 1, in_order=False)

    return read


def named(
    rows: QuerySet[Contact, Contact], query: str, few: Callable[[], list[int] | None], *, are_few: bool
) -> QuerySet[Contact, Contact]:
    """Return those of the contacts of which the index has all words; none for a query without words.

    `few` returns the ids of all that `rows` can be if these are few: it is asked when many have the words. `are_few`:
    the rows are found without the words.

    The index has the e-mail address and phone number too: `with_name` says of which contacts it is the name.
    """
    terms = words.terms_of(query)
    if not terms:
        return rows.none()
    indexing.index_newest()
    held = ContactTerms.objects.filter(Held(terms))
    own = None
    if not are_few:
        found = ContactTerms.objects.filter(Indexed(terms))
        ids = list(found.values_list("contact", flat=True)[: RARE + 1])
        if len(ids) <= RARE:
            return rows.filter(OneOf("pk", ids))
        own = few()
    if own is None:
        return rows.filter(row_by_row.some(held.filter(contact=OuterRef("pk"))))
    return rows.filter(OneOf("pk", held.filter(OneOf("contact", own)).values_list("contact", flat=True)))


def with_name(ids: Collection[int], query: str) -> list[int]:
    """Return those of the contacts with these ids whose name has all words of `query`, in the given order."""
    terms = words.terms_of(query)
    names = dict(Contact.objects.filter(OneOf("pk", ids)).values_list("pk", "name"))
    return [pk for pk in ids if pk in names and len(words.contained([names[pk]], terms)) == len(terms)]


def newest_named(conversations: Conversations, query: str) -> list[int]:
    """Return the newest contacts (ids) of these conversations whose name has all words, at most MAX_HITS.

    None without words. What it costs does not grow with the number of contacts.
    """
    terms = words.terms_of(query)
    if not terms:
        return []
    indexing.index_newest()

    def by_name(found: list[Row]) -> list[int]:
        ids = [key for (key,) in found]
        seen = set(conversations.filter(OneOf("contact", ids)).order_by().values_list("contact", flat=True))
        return with_name([pk for pk in ids if pk in seen], query)

    lookup = Lookup(ContactTerms, terms)
    return _collect(lookup, by_name, SearchHits(), _of_few(lookup, conversations))


def snippets(hits: SearchHits, shown: Sequence[Conversation]) -> dict[int, Snippet]:
    """Return a snippet of each hit by conversation id, in at most two queries. Contacts found by name have none."""
    texts = Message.objects.only("text", "card", "kind", "direction").in_bulk(
        [hits.messages[row.pk] for row in shown if row.pk in hits.messages]
    )
    names = Attachment.objects.only("name", "message_id").in_bulk(
        [hits.files[row.pk] for row in shown if row.pk in hits.files and row.pk not in hits.messages]
    )
    by_conversation: dict[int, Snippet] = {}
    for row in shown:
        pk = row.pk
        message, file = texts.get(hits.messages.get(pk, 0)), names.get(hits.files.get(pk, 0))
        if pk in hits.tickets:
            by_conversation[pk] = Snippet("ticket", [(f"#{hits.tickets[pk]}", True)])
        elif message is not None:
            kind = "note" if message.kind == Message.Kind.NOTE else "message"
            text = "\n".join(filter(None, (message.text, words_in(message.card))))
            pieces = searching.highlight(text, hits.terms, SNIPPET_CHARS)
            by_conversation[pk] = Snippet(kind, pieces, message.pk, message.direction == Message.Direction.OUT)
        elif file is not None:
            pieces = searching.highlight(file.name, hits.terms, SNIPPET_CHARS)
            by_conversation[pk] = Snippet("file", pieces, file.message_id)
        elif pk in hits.people and (reached := _contact_snippet(hits, row)):
            by_conversation[pk] = reached
    return by_conversation


def _contact_snippet(hits: SearchHits, conversation: Conversation) -> Snippet | None:
    """Return the snippet of a contact found by e-mail address or phone number, or None."""
    contact = conversation.contact
    if any(is_found for _piece, is_found in searching.highlight(contact.display_name, hits.terms)):
        return None
    phone = searching.digit_spans(contact.phone, hits.phone) if hits.phone else []
    for kind, pieces in (("phone", phone), ("email", searching.highlight(contact.email, hits.terms))):
        if any(is_found for _piece, is_found in pieces):
            return Snippet(kind, pieces)
    return None


def _find_people(
    conversations: Conversations, query: str, hits: SearchHits
) -> list[tuple[tuple[Term, ...], list[int]]]:
    """Add the contacts found by name, e-mail address, phone number and page-scoped id to `hits`.

    Return, for contacts of whom only some terms are true, the missing terms and the conversation ids.
    """
    asked = (*hits.terms, hits.phone) if hits.phone else hits.terms
    rows = _newest_people(conversations, Lookup(ContactTerms, asked, any_of=True), hits)
    splits: dict[tuple[Term, ...], list[int]] = defaultdict(list)
    for pk, *texts in rows:
        held = _held(texts, asked) if len(asked) > 1 else set(asked)
        missing = tuple(term for term in hits.terms if term not in held)
        if not missing or hits.phone in held:
            hits.people.add(pk)
        elif len(missing) < len(hits.terms):
            splits[missing].append(pk)
    if searching.ticket_number(query) is not None:
        of_psid = conversations.filter(contact__psid=query.strip())
        hits.people.update(of_psid.values_list("pk", flat=True)[:MAX_HITS])
    return sorted(splits.items(), key=lambda split: len(split[0]))[:MAX_SPLITS]


def _held(texts: Sequence[str], terms: Sequence[Term]) -> set[Term]:
    """Return those of the terms that a contact's name, e-mail address or phone number contains."""
    digits = [term for term in terms if term.is_prefix and term.text.isdecimal()]
    by_phone = words.phone_terms(texts[-1]) if digits else []
    numbers = {term for term in digits if any(number.startswith(term.text) for number in by_phone)}
    return words.contained(texts, terms) | numbers


def _newest_people(conversations: Conversations, lookup: Lookup, hits: SearchHits) -> list[tuple[int, str, str, str]]:
    """Return id and name, e-mail address and phone number of the conversations with the newest of these contacts."""

    def visible(rows: list[Row]) -> list[tuple[int, str, str, str]]:
        shown = conversations.filter(OneOf("contact", [key for (key,) in rows])).order_by("-contact", "-pk")
        found = list(shown.values_list("pk", "contact"))
        # In a second query: with a join the database may read all contacts.
        contacts = {row[0]: row[1:] for row in _facts({contact for _pk, contact in found})}
        return [(pk, *contacts[contact]) for pk, contact in found if contact in contacts]

    return _collect(lookup, visible, hits, _of_few(lookup, conversations))


def _facts(ids: Collection[int]) -> Iterable[tuple[int, str, str, str]]:
    """Return id, name, e-mail address and phone number of these contacts."""
    return Contact.objects.filter(OneOf("pk", ids)).values_list("pk", "name", "email", "phone") if ids else ()


def _find_messages(conversations: Conversations, hits: SearchHits) -> None:
    """Add the newest message with all terms of each of these conversations to `hits`."""
    lookup = Lookup(MessageTerms, hits.terms, ("pk", "conversation_id"))
    is_visible: dict[int, bool] = {}

    def visible(rows: list[Row]) -> list[Row]:
        unknown = {conversation_id for _key, conversation_id in rows} - is_visible.keys()
        is_visible.update(dict.fromkeys(unknown, False))
        shown = conversations.filter(OneOf("pk", unknown)).order_by().values_list("pk", flat=True)
        is_visible.update(dict.fromkeys(shown, True))
        return [row for row in rows if is_visible[row[1]]]

    def few(below: int) -> list[Row] | None:
        few_rows = list(conversations.order_by().values_list("pk", "message_count")[: access.FEW + 1])
        if len(few_rows) > access.FEW or sum(count for _pk, count in few_rows) > FEW_MESSAGES:
            return None
        return _of_conversations(lookup, [pk for pk, _count in few_rows], below)

    _add_messages(hits, _collect(lookup, visible, hits, few))


def _find_messages_of(ids: list[int], terms: tuple[Term, ...], hits: SearchHits) -> None:
    """Add the newest message with all of `terms` of each conversation with one of these ids to `hits`."""
    lookup, wanted = Lookup(MessageTerms, terms, ("pk", "conversation_id")), set(ids)
    if len(ids) <= VERY_FEW:
        rows = _of_conversations(lookup, ids)
        hits.is_cut |= len(rows) > MAX_HITS
        _add_messages(hits, rows)
        return

    def few(below: int) -> list[Row] | None:
        return _of_conversations(lookup, ids, below) if len(ids) <= access.FEW else None

    _add_messages(hits, _collect(lookup, lambda rows: [row for row in rows if row[1] in wanted], hits, few))


def _find_files(conversations: Conversations, hits: SearchHits) -> None:
    """Add the newest file whose name has all terms of each of these conversations to `hits`."""

    def visible(rows: list[Row]) -> list[tuple[int, int]]:
        files = Attachment.objects.filter(OneOf("pk", [key for (key,) in rows]), message__withdrawn_at=None)
        places = list(files.order_by("-pk").values_list("message__conversation_id", "pk"))
        shown = conversations.filter(pk__in={conversation_id for conversation_id, _key in places})
        ids = set(shown.order_by().values_list("pk", flat=True)) if places else set()
        return [place for place in places if place[0] in ids]

    for conversation_id, key in _collect(Lookup(AttachmentTerms, hits.terms), visible, hits):
        hits.files.setdefault(conversation_id, key)


def _add_messages(hits: SearchHits, rows: Sequence[Row]) -> None:
    for key, conversation_id in rows[:MAX_HITS]:
        hits.messages.setdefault(conversation_id, key)


def _of_conversations(lookup: Lookup, ids: list[int], below: int | None = None) -> list[Row]:
    """Return the newest messages with the terms of these few conversations, of those with keys up to `below`."""
    condition = Q(OneOf("conversation", ids)) & Q(lookup.held())
    if below is not None:
        condition &= Q(pk__lte=below)
    return lookup.read(condition, MAX_HITS + 1, in_order=False)


def _collect(
    lookup: Lookup,
    visible: Callable[[list[Row]], list[Found]],
    hits: SearchHits,
    few: Callable[[int], list[Row] | None] | None = None,
) -> list[Found]:
    """Return the newest MAX_HITS rows with the terms that are visible; say in `hits` when there are more.

    `few` is asked when most rows are not visible: it returns the rows up to a key in another way, by the conversations
    that are visible, or None if these are many.
    """
    found: list[Found] = []
    for rows in newest(lookup, MAX_HITS + 1):
        shown = visible(rows)
        found += shown
        if len(found) > MAX_HITS:
            break
        if few and len(rows) > MAX_HITS // 2 and len(rows) > 5 * len(shown):
            others, few = few(rows[-1][0] - 1), None
            if others is not None:
                found += visible(others)
                break
    hits.is_cut |= len(found) > MAX_HITS
    return found[:MAX_HITS]
