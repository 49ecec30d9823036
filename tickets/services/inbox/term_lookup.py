"""Look up the newest rows of a table of terms (tickets/models/search.py) that have the terms of a query.

What a search costs must not grow with the table. A sample of the newest rows says how frequent each term is there.
When the terms are so frequent that the newest rows soon make a page of hits, these rows are read one after the other,
newest first. Otherwise the full-text index is asked, for the rare terms only; the frequent ones are checked on the rows
that it finds. Which way is taken changes how long it takes, never what is found.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Count, F, Func, Max, Min, Model, Q
from django.db.models.expressions import Col

from desk.searching import Term

SAMPLE_ROWS = 3000
INDEX_COST = 2  # how much longer a row takes that the index finds, compared with one that is read in its order
RELIABLE = 10  # hits in the sample, from which on their share of all rows is taken to be about the same
NEARLY_AS_RARE = 3  # how many times as frequent as the rarest term another one may be to be asked of the index too
# Terms that the sample has not may be frequent all the same: the index is asked about a part of the newest keys first.
PARTS = 16
FIRST_KEYS = 50_000

Row = tuple[int, ...]


@dataclass(frozen=True)
class Lookup:
    """What is looked up: all of the terms, or with `any_of` at least one, in a table of terms.

    `columns` are read of each row; the first one is the key.
    """

    table: type[Model]
    terms: tuple[Term, ...]
    columns: tuple[str, ...] = ("pk",)
    any_of: bool = False

    def read(self, condition: Q, limit: int, *, in_order: bool = True) -> list[Row]:
        """Return the newest rows with this condition that have the terms.

        Without `in_order` the database must not read the table in the order of the key to find them.
        """
        rows = self.table._default_manager.filter(condition)
        order = F("pk").desc() if in_order else (F("pk") + 0).desc()
        return list(rows.order_by(order).values_list(*self.columns)[:limit])

    def held(self, terms: Sequence[Term] | None = None) -> "Held":
        return Held(self.terms if terms is None else terms, any_of=self.any_of)


@dataclass(frozen=True)
class Sample:
    """The newest rows of a table: how many, the first and last key, how many have each term, how many are hits."""

    rows: int
    first: int
    last: int
    by_term: tuple[int, ...]
    hits: int

    @property
    def is_whole(self) -> bool:
        return self.rows < SAMPLE_ROWS

    def keys_of(self, rows: float) -> int:
        """Return over how many keys so many rows extend."""
        return int(rows * (self.last - self.first + 1) / self.rows) + 1

    def rows_until(self, hits: int) -> float:
        """Return how many of the newest rows have so many hits."""
        return hits * self.rows / self.hits if self.hits else float("inf")

    def rows_in_index(self, *, any_of: bool) -> float:
        """Return how many rows the index finds, at the frequencies of the sample."""
        share = min(1.0, sum(self.by_term) / self.rows) if any_of else min(self.by_term) / self.rows
        return share * self.last * self.rows / (self.last - self.first + 1)


def newest(lookup: Lookup, limit: int) -> Iterator[list[Row]]:
    """Yield the rows that have the terms, newest first, in lists. The caller stops when it has seen enough.

    `limit` says how many rows the caller wants to see, if it can use all of them.
    """
    sample = _sample(lookup)
    if sample is None or (sample.is_whole and not sample.hits):
        return
    below, needed = sample.last, sample.rows_until(limit)
    in_index = sample.rows_in_index(any_of=lookup.any_of) * INDEX_COST
    if sample.is_whole or needed <= in_index:
        width = sample.keys_of(needed * 1.25)
        end = max(below - sample.keys_of(max(in_index, needed * 2)), 0)
        if sample.is_whole:
            width, end = below, 0
        while below > end:
            above = max(below - width, 0)
            rows = lookup.read(Q(pk__lte=below, pk__gt=above) & Q(lookup.held()), limit)
            if rows:
                yield rows
            if len(rows) == limit:
                below = rows[-1][0] - 1
            else:
                below, width = above, width * 2
    is_many = sample.hits >= RELIABLE and needed * 4 < sample.last
    first_part = sample.keys_of(needed * 1.5) if is_many else max(sample.last // PARTS, FIRST_KEYS)
    above = max(below - first_part, 0)
    while below > 0:
        condition = Q(pk__lte=below, pk__gt=above) & _indexed(lookup, sample, above)
        rows = lookup.read(condition, limit, in_order=False)
        if rows:
            yield rows
        if len(rows) == limit:
            below, limit = rows[-1][0] - 1, limit * 4
        else:
            below, above = above, 0


def _sample(lookup: Lookup) -> Sample | None:
    """Return a sample of the table; None when it is empty."""
    names = [f"has_{number}" for number in range(len(lookup.terms))]
    has = {name: Held([term]) for name, term in zip(names, lookup.terms, strict=True)}
    newest_rows = lookup.table._default_manager.annotate(**has).order_by("-pk")[:SAMPLE_ROWS]
    together = Q()
    for name in names:
        together = (together | Q(**{name: True})) if lookup.any_of else (together & Q(**{name: True}))
    counts = newest_rows.aggregate(
        rows=Count("pk"),
        first=Min("pk"),
        last=Max("pk"),
        hits=Count("pk", filter=together),
        **{f"of_{name}": Count("pk", filter=Q(**{name: True})) for name in names},
    )
    if not counts["rows"]:
        return None
    by_term = tuple(counts.pop(f"of_{name}") for name in names)
    return Sample(by_term=by_term, **counts)


def _indexed(lookup: Lookup, sample: Sample, above: int) -> Q:
    """Return the condition that asks the index for the rare terms, and checks the others on the rows that it finds."""
    if lookup.any_of:
        return Q(Indexed(lookup.terms, any_of=True, above=above))
    most = max(min(sample.by_term), 1) * NEARLY_AS_RARE
    rare = [term for term, count in zip(lookup.terms, sample.by_term, strict=True) if count <= most]
    others = [term for term in lookup.terms if term not in rare]
    asked = Q(Indexed(rare, above=above))
    return asked & Q(Held(others)) if others else asked


# --- The conditions ---------------------------------------------------------------------------------------------------
class Terms(Func):
    """The condition that a row of MessageTerms, ContactTerms or AttachmentTerms has the terms, or any of them."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, terms: Sequence[Term], *, any_of: bool = False) -> None:
        super().__init__(F("terms"), F("pk"))
        self.terms, self.any_of = terms, any_of

    def _tsquery(self) -> str:
        return self._query(" | ", " & ", _in_postgresql)

    def _query(self, any_sign: str, all_sign: str, write: Callable[[str, bool], str]) -> str:
        return (any_sign if self.any_of else all_sign).join(
            f"({all_sign.join(write(*piece) for piece in term.pieces())})" for term in self.terms
        )


class Indexed(Terms):
    """Terms that the full-text index is asked for.

    `above` may say of which keys: SQLite does not take that from another condition.
    """

    def __init__(self, terms: Sequence[Term], *, any_of: bool = False, above: int = 0) -> None:
        super().__init__(terms, any_of=any_of)
        self.above = above

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"{column} @@ %s::tsquery", [*parameters, self._tsquery()]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        key, parameters = compiler.compile(self.source_expressions[1])
        column = self.source_expressions[0]
        assert isinstance(column, Col)  # noqa: S101 - F was resolved to a column before it is compiled
        index = f"{column.target.model._meta.db_table}_search"
        query = self._query(" OR ", " AND ", _in_sqlite)
        found = f"SELECT rowid FROM {index} WHERE {index} MATCH %s AND rowid > %s"  # noqa: S608 - our own names
        return f"{key} IN ({found})", (*parameters, query, self.above)


class Held(Terms):
    """Terms that are looked for in the row itself, without the index."""

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"(({column} @@ %s::tsquery) IS TRUE)", [*parameters, self._tsquery()]  # IS TRUE: no index has that

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        values: list[str | int] = []

        def write(text: str, is_prefix: bool) -> str:
            values.extend([*parameters, f" {text}" if is_prefix else f" {text} "])
            return f"instr(' ' || {column} || ' ', %s) > 0"

        condition = self._query(" OR ", " AND ", write)
        return f"(coalesce({condition}, 0))", tuple(values)


def _in_postgresql(text: str, is_prefix: bool) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'{':*' if is_prefix else ''}"


def _in_sqlite(text: str, is_prefix: bool) -> str:
    return f'"{text}"{"*" if is_prefix else ""}'
