"""Search the conversations of a list by contact, ticket number, message text, cards and file name.

Uses the indexes of tickets/migrations/0002_search.py and 0009_cards.py: FTS5 on SQLite, GIN on PostgreSQL. Scripts
without spaces between words, and symbols, have no words: they are searched for in the text itself.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.expressions import Col, Combinable

from tickets.models import Attachment, CardText, Conversation, Message, Ticket
from tickets.rules import searching
from tickets.rules.searching import Pieces, Term

# How many of the newest messages, contacts or files with the words are considered; a further word narrows the search.
MAX_HITS = 5000
MAX_SPLITS = 2  # in how many ways the words may be divided between name and text
SNIPPET_CHARS = 110
CONVERSATION = "message__conversation_id"


@dataclass
class SearchHits:
    """The conversations that match, and why, by conversation id.

    `messages`, `cards` and `files` have the id of the newest matching row, `tickets` the ticket number; `people`
    are the ids of conversations whose contact matches. `is_cut` says that there were more than MAX_HITS.
    """

    terms: tuple[Term, ...] = ()
    people: set[int] = field(default_factory=set)
    tickets: dict[int, int] = field(default_factory=dict)
    messages: dict[int, int] = field(default_factory=dict)
    cards: dict[int, int] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)
    is_cut: bool = False

    def conversation_ids(self) -> set[int]:
        """Return the ids of all matching conversations."""
        return set().union(self.people, self.tickets, self.messages, self.cards, self.files)


@dataclass(frozen=True)
class Snippet:
    """What a row of the list shows of a hit. `kind` is message, note, file or ticket."""

    kind: str
    pieces: Pieces
    message_id: int | None = None
    is_ours: bool = False


def find(conversations: QuerySet[Conversation, Conversation], query: str) -> SearchHits:
    """Search for `query` in these conversations, which are those the user may see. At most ten queries.

    All words must be in the contact's name, or in one message, or in its cards, or some in the name and the others in
    one message or its cards. A contact is also found by page-scoped id, a ticket by its number, a file by its name.
    Withdrawn messages are not found.
    """
    hits = SearchHits(terms := searching.terms_of(query))
    if not terms:
        return hits
    number = searching.ticket_number(query)
    if number is not None:
        ticket = Ticket.objects.filter(pk=number).values("conversation_id")
        hits.tickets = {pk: number for pk in conversations.filter(pk__in=ticket).values_list("pk", flat=True)}
    splits = _find_people(conversations, query, terms, hits)
    for remaining, ids in [(terms, None), *splits]:
        messages = Message.objects.filter(*_all_in("text", remaining), ~Q(text=""), withdrawn_at=None)
        _collect(hits, hits.messages, _among(messages, conversations, "conversation_id", ids), "conversation_id")
        cards = CardText.objects.filter(*_all_in("words", remaining), ~Q(words=""), message__withdrawn_at=None)
        _collect(hits, hits.cards, _among(cards, conversations, CONVERSATION, ids), CONVERSATION)
    files = Attachment.objects.filter(*_all_in("name", terms), ~Q(name=""), message__withdrawn_at=None)
    _collect(hits, hits.files, _among(files, conversations, CONVERSATION, None), CONVERSATION)
    return hits


def snippets(hits: SearchHits, conversation_ids: Iterable[int]) -> dict[int, Snippet]:
    """Return a snippet of each hit by conversation id, in at most three queries. Contacts found by name have none."""
    shown_ids = list(conversation_ids)
    texts = Message.objects.only("text", "kind", "direction").in_bulk(
        [hits.messages[pk] for pk in shown_ids if pk in hits.messages]
    )
    cards = CardText.objects.select_related("message").in_bulk(
        [hits.cards[pk] for pk in shown_ids if pk in hits.cards and pk not in hits.messages]
    )
    names = Attachment.objects.only("name", "message_id").in_bulk(
        [hits.files[pk] for pk in shown_ids if pk in hits.files and pk not in hits.messages]
    )
    by_conversation: dict[int, Snippet] = {}
    for pk in shown_ids:
        card = cards.get(hits.cards.get(pk, 0))
        message, file = texts.get(hits.messages.get(pk, 0)), names.get(hits.files.get(pk, 0))
        if pk in hits.tickets:
            by_conversation[pk] = Snippet("ticket", [(f"#{hits.tickets[pk]}", True)])
        elif message is not None:
            kind = "note" if message.kind == Message.Kind.NOTE else "message"
            pieces = searching.highlight(message.text, hits.terms, SNIPPET_CHARS)
            by_conversation[pk] = Snippet(kind, pieces, message.pk, message.direction == Message.Direction.OUT)
        elif card is not None:
            pieces = searching.highlight(card.words, hits.terms, SNIPPET_CHARS)
            is_ours = card.message.direction == Message.Direction.OUT
            by_conversation[pk] = Snippet("message", pieces, card.message_id, is_ours)
        elif file is not None:
            pieces = searching.highlight(file.name, hits.terms, SNIPPET_CHARS)
            by_conversation[pk] = Snippet("file", pieces, file.message_id)
    return by_conversation


def _find_people(
    conversations: QuerySet[Conversation, Conversation], query: str, terms: tuple[Term, ...], hits: SearchHits
) -> list[tuple[tuple[Term, ...], list[int]]]:
    """Add the contacts found by name and page-scoped id to `hits`.

    Return, for contacts whose name contains only some terms, the missing terms and the conversation ids.
    """
    named = _any_in("contact__name", "contact_id", terms) & ~Q(contact__name="")
    rows = list(conversations.filter(named).order_by("-pk").values_list("pk", "contact__name")[: MAX_HITS + 1])
    hits.is_cut |= len(rows) > MAX_HITS
    splits: dict[tuple[Term, ...], list[int]] = defaultdict(list)
    for pk, name in rows:
        missing = tuple(term for term in terms if not searching.contains(name, term))
        if not missing:
            hits.people.add(pk)
        elif len(missing) < len(terms):
            splits[missing].append(pk)
    if searching.ticket_number(query) is not None:
        of_psid = conversations.filter(contact__psid=query.strip())
        hits.people.update(of_psid.values_list("pk", flat=True)[:MAX_HITS])
    return sorted(splits.items(), key=lambda split: len(split[0]))[:MAX_SPLITS]


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


# --- The indexes ------------------------------------------------------------------------------------------------------
def _all_in(column: str, terms: Iterable[Term]) -> list[Combinable | Q]:
    """Return the conditions that the column contains all terms; all words are one condition on the index."""
    words = [term for term in terms if term.is_word]
    parts: list[Any] = [Q(**{f"{column}__contains": term.text}) for term in terms if not term.is_word]
    return [Indexed(column, "pk", words), *parts] if words else parts


def _any_in(column: str, key: str, terms: Iterable[Term]) -> Q:
    """Return the condition that the column contains one of the terms. `key` is the path to the row's id."""
    words = [term for term in terms if term.is_word]
    parts = [Q(**{f"{column}__contains": term.text}) for term in terms if not term.is_word]
    condition = Q(Indexed(column, key, words, any_of=True)) if words else Q()
    for part in parts:
        condition |= part
    return condition


class Indexed(Func):
    """The condition that an indexed column contains all of `words` (or any of them); `key` is the row's id."""

    output_field = BooleanField()
    # Exactly the expression of the migration: otherwise PostgreSQL does not use the index.
    words_of_column = (
        "to_tsvector('simple', regexp_replace(regexp_replace(normalize(left({column}, 20000), NFD), "
        "'[\u0300-\u036f]+', '', 'g'), '[!-/:-@[-`{{-~]+', ' ', 'g'))"
    )

    def __init__(self, column: str, key: str, words: list[Term], *, any_of: bool = False) -> None:
        super().__init__(F(column), F(key))
        self.words, self.any_of = words, any_of

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        query = (" | " if self.any_of else " & ").join(
            f"'{word.text}'{':*' if word.is_prefix else ''}" for word in self.words
        )
        return f"{self.words_of_column.format(column=column)} @@ to_tsquery('simple', %s)", [*parameters, query]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        column, key_path = self.source_expressions
        key, parameters = compiler.compile(key_path)
        assert isinstance(column, Col)  # noqa: S101 - F was resolved to a column before it is compiled
        index = f"{column.target.model._meta.db_table}_search"
        query = (" OR " if self.any_of else " AND ").join(
            f'"{word.text}"{"*" if word.is_prefix else ""}' for word in self.words
        )
        return f"{key} IN (SELECT rowid FROM {index} WHERE {index} MATCH %s)", (*parameters, query)  # noqa: S608 - our own names
