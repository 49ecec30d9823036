"""Search over people, ticket numbers, what was said and the names of files, among the conversations of a list.

Asks the indexes of tickets/migrations/0002_search.py: FTS5 on SQLite, GIN on PostgreSQL. Scripts without spaces between
words and signs have no words: they are looked for in the texts themselves.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable

from tickets.models import Attachment, Conversation, Message, Ticket
from tickets.rules import searching
from tickets.rules.searching import Pieces, Term

# The newest messages, people or files with the words that are looked at; who has more adds a word.
MOST_HITS = 5000
MOST_PARTS = 2  # in how many ways name and text together may hold the words
SNIPPET = 110  # characters


@dataclass
class SearchHits:
    """The conversations in which something was found: why, by the conversation's id.

    `messages` and `files` hold the newest message and file, `tickets` the number, `people` the ids alone.
    """

    terms: tuple[Term, ...] = ()
    people: set[int] = field(default_factory=set)
    tickets: dict[int, int] = field(default_factory=dict)
    messages: dict[int, int] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)
    is_cut: bool = False  # there was more than is looked at

    def conversation_ids(self) -> set[int]:
        return self.people | self.tickets.keys() | self.messages.keys() | self.files.keys()


@dataclass(frozen=True)
class Snippet:
    """What a row of the list shows of what was found. `kind` is message, note, file or ticket."""

    kind: str
    pieces: Pieces
    message_id: int | None = None
    is_ours: bool = False


def find(conversations: QuerySet[Conversation, Conversation], typed: str) -> SearchHits:
    """Look for what was typed in these conversations, which are those the user may see. At most seven queries.

    All words must stand in the person's name, in one message, or some in the name and the others in one message. A
    person is found by page-scoped id too, a ticket by its number, a file by its name. What was withdrawn is not found.
    """
    found = SearchHits(terms := searching.terms_of(typed))
    if not terms:
        return found
    number = searching.ticket_number(typed)
    if number is not None:
        ticket = Ticket.objects.filter(pk=number).values("conversation_id")
        found.tickets = {pk: number for pk in conversations.filter(pk__in=ticket).values_list("pk", flat=True)}
    parts = _find_people(conversations, typed, terms, found)
    for rest, ids in [(terms, None), *parts]:
        messages = Message.objects.filter(*_all_in("text", rest), ~Q(text=""), withdrawn_at=None)
        _take(found, found.messages, _among(messages, conversations, "conversation_id", ids), "conversation_id")
    files = Attachment.objects.filter(*_all_in("name", terms), ~Q(name=""), message__withdrawn_at=None)
    _take(
        found,
        found.files,
        _among(files, conversations, "message__conversation_id", None),
        "message__conversation_id",
    )
    return found


def snippets(found: SearchHits, conversation_ids: Iterable[int]) -> dict[int, Snippet]:
    """What to show of what was found, by conversation; at most two queries. People found by name have no snippet."""
    wanted = list(conversation_ids)
    texts = Message.objects.only("text", "kind", "direction").in_bulk(
        [found.messages[pk] for pk in wanted if pk in found.messages]
    )
    names = Attachment.objects.only("name", "message_id").in_bulk(
        [found.files[pk] for pk in wanted if pk in found.files and pk not in found.messages]
    )
    shown: dict[int, Snippet] = {}
    for pk in wanted:
        message, file = texts.get(found.messages.get(pk, 0)), names.get(found.files.get(pk, 0))
        if pk in found.tickets:
            shown[pk] = Snippet("ticket", [(f"#{found.tickets[pk]}", True)])
        elif message is not None:
            kind = "note" if message.kind == Message.Kind.NOTE else "message"
            pieces = searching.marked(message.text, found.terms, SNIPPET)
            shown[pk] = Snippet(kind, pieces, message.pk, message.direction == Message.Direction.OUT)
        elif file is not None:
            shown[pk] = Snippet("file", searching.marked(file.name, found.terms, SNIPPET), file.message_id)
    return shown


def _find_people(
    conversations: QuerySet[Conversation, Conversation], typed: str, terms: tuple[Term, ...], found: SearchHits
) -> list[tuple[tuple[Term, ...], list[int]]]:
    """Find by name and page-scoped id; return which terms are missing in whose name that holds some of them."""
    named = _any_in("contact__name", "contact_id", terms) & ~Q(contact__name="")
    rows = list(conversations.filter(named).order_by("-pk").values_list("pk", "contact__name")[: MOST_HITS + 1])
    found.is_cut |= len(rows) > MOST_HITS
    parts: dict[tuple[Term, ...], list[int]] = defaultdict(list)
    for pk, name in rows:
        missing = tuple(term for term in terms if not searching.holds(name, term))
        if not missing:
            found.people.add(pk)
        elif len(missing) < len(terms):
            parts[missing].append(pk)
    if searching.ticket_number(typed) is not None:
        psid = conversations.filter(contact__psid=typed.strip())
        found.people.update(psid.values_list("pk", flat=True)[:MOST_HITS])
    return sorted(parts.items(), key=lambda part: len(part[0]))[:MOST_PARTS]


def _among(
    rows: QuerySet[Any, Any], conversations: QuerySet[Conversation, Conversation], path: str, ids: list[int] | None
) -> QuerySet[Any, Any]:
    """Those of `rows` that belong to these conversations, `ids` of them only when they are given."""
    if ids is not None:
        return rows.filter(**{f"{path}__in": ids})
    return rows.filter(Exists(conversations.order_by().filter(pk=OuterRef(path))))


def _take(found: SearchHits, into: dict[int, int], rows: QuerySet[Any, Any], path: str) -> None:
    """Put the newest hit of each conversation into `into`."""
    hits = list(rows.order_by("-pk").values_list(path, "pk")[: MOST_HITS + 1])
    found.is_cut |= len(hits) > MOST_HITS
    for conversation_id, pk in hits[:MOST_HITS]:
        into.setdefault(conversation_id, pk)


# --- The indexes ------------------------------------------------------------------------------------------------------
def _all_in(column: str, terms: Iterable[Term]) -> list[Combinable | Q]:
    """Conditions: the column holds all terms. One question to the index for all words."""
    words = [term for term in terms if term.is_word]
    parts: list[Any] = [Q(**{f"{column}__contains": term.text}) for term in terms if not term.is_word]
    return [Indexed(column, "pk", words), *parts] if words else parts


def _any_in(column: str, key: str, terms: Iterable[Term]) -> Q:
    """Condition: the column holds one of the terms."""
    words = [term for term in terms if term.is_word]
    parts = [Q(**{f"{column}__contains": term.text}) for term in terms if not term.is_word]
    condition = Q(Indexed(column, key, words, any_of=True)) if words else Q()
    for part in parts:
        condition |= part
    return condition


class Indexed(Func):
    """A condition: do the words of this indexed column hold all of `words` (or any of them)? `key` is the row's id."""

    output_field = BooleanField()
    # As in the migration, letter for letter: otherwise PostgreSQL does not use the index.
    words_of_column = (
        "to_tsvector('simple', regexp_replace(regexp_replace(normalize(left({column}, 20000), NFD), "
        "'[\u0300-\u036f]+', '', 'g'), '[!-/:-@[-`{{-~]+', ' ', 'g'))"
    )

    def __init__(self, column: str, key: str, words: list[Term], *, any_of: bool = False) -> None:
        super().__init__(F(column), F(key))
        self.words, self.any_of = words, any_of

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        asked = (" | " if self.any_of else " & ").join(
            f"'{word.text}'{':*' if word.is_prefix else ''}" for word in self.words
        )
        return f"{self.words_of_column.format(column=column)} @@ to_tsquery('simple', %s)", [*parameters, asked]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        key, parameters = compiler.compile(self.source_expressions[1])
        table = self.source_expressions[0].target.model._meta.db_table
        asked = (" OR " if self.any_of else " AND ").join(
            f'"{word.text}"{"*" if word.is_prefix else ""}' for word in self.words
        )
        index = f"{table}_search"
        return f"{key} IN (SELECT rowid FROM {index} WHERE {index} MATCH %s)", [*parameters, asked]  # noqa: S608 - our own names
