"""Fill in the terms of the search index: of new texts, and of all texts after an upgrade or a restore.

Triggers of the database (tickets/migrations/0011_search_terms.py) leave rows without terms. The worker fills them in,
newest first, in batches that are committed one by one: it may be stopped at any time. A search fills in the newest
itself, so that what was written just now is found.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connection, models, transaction

from desk.queue import enqueue
from desk.searching import index_terms, phone_terms
from tickets.models import Attachment, AttachmentTerms, Contact, ContactTerms, Message, MessageTerms
from tickets.rules.cards import words_in

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.index_texts"
BATCH_ROWS = 200  # in one transaction, during which SQLite takes no other writer
MAX_RUN_S = 20
NEWEST = 100  # rows that a search fills in itself


@dataclass(frozen=True)
class Kind:
    """A kind of text: the table of its terms, the texts' own, and the terms of one row of it."""

    terms: type[models.Model]
    source: type[models.Model]
    columns: tuple[str, ...]
    terms_of: Callable[..., list[str]]


def _terms_of_contact(name: str, email: str, phone: str) -> list[str]:
    return list(dict.fromkeys([*index_terms(name, email, phone), *phone_terms(phone)]))


def _terms_of_message(text: str, card: Any) -> list[str]:
    return index_terms(text, words_in(card))


KINDS = (
    Kind(MessageTerms, Message, ("text", "card"), _terms_of_message),
    Kind(ContactTerms, Contact, ("name", "email", "phone"), _terms_of_contact),
    Kind(AttachmentTerms, Attachment, ("name",), index_terms),
)


def is_due() -> bool:
    """Return whether a text has no terms yet."""
    return bool(_due_kinds())


def index_all() -> int:
    """Fill in the terms of all texts; return of how many. Enqueues TASK when the time is up."""
    ends_at, done = time.monotonic() + MAX_RUN_S, 0
    for kind in KINDS:
        while number := _index_batch(kind, BATCH_ROWS):
            done += number
            if time.monotonic() > ends_at:
                enqueue(TASK)
                return done
    return done


def index_everything(batch: int = 2000) -> None:
    """Fill in the terms of all texts however long it takes, in large batches: for a database that only we use."""
    for kind in KINDS:
        while _index_batch(kind, batch):
            pass


def index_newest() -> None:
    """Fill in the terms of the newest texts, if the worker has not; a search goes on without when that fails."""
    for kind in _due_kinds():
        try:
            _index_batch(kind, NEWEST)
        except DatabaseError:
            logger.warning("The newest texts could not be indexed for a search", exc_info=True)


def _due_kinds() -> list[Kind]:
    """Return the kinds of which a text has no terms, with one query."""
    due = ", ".join(f"EXISTS (SELECT 1 FROM {kind.terms._meta.db_table} WHERE terms IS NULL)" for kind in KINDS)  # noqa: S608 - our own
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {due}")
        return [kind for kind, is_due in zip(KINDS, cursor.fetchone(), strict=True) if is_due]


def _due(kind: Kind) -> "models.QuerySet[Any, Any]":
    return kind.terms._default_manager.filter(terms__isnull=True)


def _index_batch(kind: Kind, limit: int) -> int:
    """Fill in the terms of at most `limit` texts; return how many. Rows that another process has are left to it."""
    with transaction.atomic():
        due = _due(kind).select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        keys = list(due.order_by("-pk").values_list("pk", flat=True)[:limit])
        if not keys:
            return 0
        rows = kind.source._default_manager.filter(pk__in=keys).values_list("pk", *kind.columns)
        found = {pk: kind.terms_of(*texts) for pk, *texts in rows}
        _write(kind.terms, [(" ".join(found.get(key, [])), key) for key in keys])
    return len(keys)


def _write(terms: type[models.Model], rows: Sequence[tuple[str, int]]) -> None:
    table, key = terms._meta.db_table, terms._meta.pk.column
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"UPDATE {table} SET terms = array_to_tsvector(string_to_array(found.terms, ' ')) "  # noqa: S608 - our own names
                f"FROM unnest(%s::text[], %s::bigint[]) AS found(terms, key) WHERE {table}.{key} = found.key",
                [list(column) for column in zip(*rows, strict=True)],
            )
        else:
            cursor.executemany(f"UPDATE {table} SET terms = %s WHERE {key} = %s", rows)  # noqa: S608 - our own names
