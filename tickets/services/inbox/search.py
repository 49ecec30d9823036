"""Search the conversations of a list by contact, ticket number, message text, cards and file name.

Uses the tables of terms (tickets/models/search.py), which hold what desk.searching makes of each text.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.expressions import Col

from desk import searching as words
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
from tickets.services.inbox import indexing

# How many of the newest messages, contacts or files with the words are considered; a further word narrows the search.
MAX_HITS = 5000
MAX_SPLITS = 2  # in how many ways the words may be divided between name and text
SNIPPET_CHARS = 110


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


def find(conversations: QuerySet[Conversation, Conversation], query: str) -> SearchHits:
    """Search for `query` in these conversations, which are those the user may see. At most ten queries.

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
    for remaining, ids in [(terms, None), *splits]:
        messages = MessageTerms.objects.filter(Indexed(remaining))
        _collect(hits, hits.messages, _among(messages, conversations, "conversation_id", ids), "conversation_id")
    files = AttachmentTerms.objects.filter(Indexed(terms), attachment__message__withdrawn_at=None)
    path = "attachment__message__conversation_id"
    _collect(hits, hits.files, _among(files, conversations, path, None), path)
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
    conversations: QuerySet[Conversation, Conversation], query: str, hits: SearchHits
) -> list[tuple[tuple[Term, ...], list[int]]]:
    """Add the contacts found by name, e-mail address, phone number and page-scoped id to `hits`.

    Return, for contacts of whom only some terms are true, the missing terms and the conversation ids.
    """
    asked = (*hits.terms, hits.phone) if hits.phone else hits.terms
    named = ContactTerms.objects.filter(Indexed(asked, any_of=True)).values("contact")
    facts = ("contact__name", "contact__email", "contact__phone")
    found = conversations.filter(contact__in=named).order_by("-pk").values_list("pk", *facts)
    rows = list(found[: MAX_HITS + 1])
    hits.is_cut |= len(rows) > MAX_HITS
    splits: dict[tuple[Term, ...], list[int]] = defaultdict(list)
    for pk, *texts in rows:
        missing = tuple(term for term in hits.terms if not _has(texts, term))
        if not missing or (hits.phone and _has(texts, hits.phone)):
            hits.people.add(pk)
        elif len(missing) < len(hits.terms):
            splits[missing].append(pk)
    if searching.ticket_number(query) is not None:
        of_psid = conversations.filter(contact__psid=query.strip())
        hits.people.update(of_psid.values_list("pk", flat=True)[:MAX_HITS])
    return sorted(splits.items(), key=lambda split: len(split[0]))[:MAX_SPLITS]


def _has(texts: Sequence[str], term: Term) -> bool:
    """Return whether a contact's name, e-mail address or phone number contains this term."""
    name, email, phone = texts
    by_phone = term.is_prefix and any(number.startswith(term.text) for number in words.phone_terms(phone))
    return by_phone or words.contains((name, email, phone), term)


def _among(
    rows: QuerySet[Any, Any], conversations: QuerySet[Conversation, Conversation], path: str, ids: list[int] | None
) -> QuerySet[Any, Any]:
    """Return those of `rows` that belong to these conversations, or only to those with `ids` when they are given."""
    if ids is not None:
        return rows.filter(**{f"{path}__in": ids})
    return rows.filter(Exists(conversations.order_by().filter(pk=OuterRef(path))))


def _collect(hits: SearchHits, newest: dict[int, int], rows: QuerySet[Any, Any], path: str) -> None:
    """Add the newest row of each conversation to `newest`, one of the dicts of `hits`."""
    found = list(rows.order_by("-pk").values_list(path, "pk")[: MAX_HITS + 1])
    hits.is_cut |= len(found) > MAX_HITS
    for conversation_id, pk in found[:MAX_HITS]:
        newest.setdefault(conversation_id, pk)


# --- The index --------------------------------------------------------------------------------------------------------
class Indexed(Func):
    """The condition that the terms of a row of MessageTerms, ContactTerms or AttachmentTerms are `terms`.

    All of them, or with `any_of` at least one.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, terms: Sequence[Term], *, any_of: bool = False) -> None:
        super().__init__(F("terms"), F("pk"))
        self.terms, self.any_of = terms, any_of

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"{column} @@ %s::tsquery", [*parameters, self._query(" | ", " & ", _in_postgresql)]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        key, parameters = compiler.compile(self.source_expressions[1])
        column = self.source_expressions[0]
        assert isinstance(column, Col)  # noqa: S101 - F was resolved to a column before it is compiled
        index = f"{column.target.model._meta.db_table}_search"
        query = self._query(" OR ", " AND ", _in_sqlite)
        return f"{key} IN (SELECT rowid FROM {index} WHERE {index} MATCH %s)", (*parameters, query)  # noqa: S608 - our own names

    def _query(self, any_sign: str, all_sign: str, write: Callable[[str, bool], str]) -> str:
        return (any_sign if self.any_of else all_sign).join(
            f"({all_sign.join(write(*piece) for piece in term.pieces())})" for term in self.terms
        )


def _in_postgresql(text: str, is_prefix: bool) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'{':*' if is_prefix else ''}"


def _in_sqlite(text: str, is_prefix: bool) -> str:
    return f'"{text}"{"*" if is_prefix else ""}'
