"""Custom fields in the filters of the inbox and of the lists of tickets and contacts: their conditions.

An agent may filter by the fields that they see. What a filter says about another field, or about one that was deleted
or archived, or what its kind cannot have, matches nothing: such a list is empty, and never shows everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Case, DecimalField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Cast, Coalesce, Length
from django.http import QueryDict

from desk import row_by_row
from desk.errors import Refused
from desk.one_of import OneOf
from desk.sentences import sentence
from tickets.models import Conversation, CustomField, FieldValue
from tickets.rules import custom_fields as rules
from tickets.rules.custom_fields import Kind
from tickets.rules.field_filters import EQUALS, FROM, HAS, MOST, SET, TO, longest, names_in, read_name
from tickets.rules.filters import Filter, FilterError, parse_leniently
from tickets.services.conversation import custom_fields
from tickets.services.conversation.access import UserFacts

#: Kind → the parts of a filter that it has.
PARTS: dict[str, tuple[str, ...]] = {
    Kind.TEXT: (EQUALS, HAS, SET),
    Kind.NUMBER: (EQUALS, FROM, TO, SET),
    Kind.DATE: (EQUALS, FROM, TO, SET),
    Kind.CHOICE: (EQUALS, SET),
    Kind.YES_NO: (EQUALS, SET),
}
UNSET = (SET, [rules.NO])  # a row has no value of the field
NUMBER = DecimalField(max_digits=21, decimal_places=6)
RARE = 5000  # owners of a value: then rows are found by their ids, instead of being looked up in the order of the list


class KnownFields:
    """The fields that somebody may filter by. Read in one query when they are first asked for, and only then."""

    def __init__(self, rows: QuerySet[CustomField, CustomField]) -> None:
        self._rows = rows

    @classmethod
    def seen_by(cls, facts: UserFacts, model: type[Any] | None = None) -> "KnownFields":
        """Return the fields in use that a user with these facts sees; with `model`, those that its rows have."""
        rows = custom_fields.seen_by(facts).filter(archived_at=None)
        return cls(rows if model is None else rows.filter(of__in=custom_fields.OWNERS[model]))

    @cached_property
    def all(self) -> list[CustomField]:
        """The fields in their order, those of contacts first."""
        return list(self._rows.order_by("of", "position", "pk"))

    @cached_property
    def by_key(self) -> dict[str, CustomField]:
        """The fields by their keys."""
        return {field.key: field for field in self.all}


NO_FIELDS = KnownFields(CustomField.objects.none())


@dataclass(frozen=True)
class Value:
    """A value in a filter: as the filter writes it, as the field stores it, and if it has no meaning, why."""

    written: str
    stored: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Term:
    """What a filter says about one part of a field. `field` is None when the reader may not filter by it (any more)."""

    name: str
    key: str
    part: str
    field: CustomField | None
    values: tuple[Value, ...]

    @property
    def stored(self) -> list[str]:
        """The values that have a meaning; alternatives."""
        return [value.stored for value in self.values if not value.problem]


def terms(filter_: Filter, known: KnownFields) -> list[Term]:
    """Return what the filter says about custom fields. One query; none when it says nothing about them."""
    found: list[Term] = []
    for name, values in filter_.of_fields.values:
        key, part = read_name(name) or ("", EQUALS)
        field = known.by_key.get(key)
        is_too_many = len(found) >= MOST
        found.append(Term(name, key, part, field, tuple(_value(field, key, part, one, is_too_many) for one in values)))
    return found


def _value(field: CustomField | None, key: str, part: str, written: str, is_too_many: bool) -> Value:
    if is_too_many:
        return Value(written, problem=sentence("Filter by at most %(most)s fields at once.", most=MOST))
    if field is None:
        missing = sentence("There is no field “%(key)s”, or it is archived.", key=key)
        return Value(written, problem=missing)
    try:
        return Value(written, _stored(field, part, written))
    except Refused as error:
        return Value(written, problem=error.sentence)


def _stored(field: CustomField, part: str, written: str) -> str:
    """Return a value as the field stores it. Raises Refused, with the reason, for one that it cannot have."""
    definition = field.definition
    if part not in PARTS[field.kind]:
        raise Refused(sentence("“%(name)s” cannot be filtered like this.", name=field.name))
    if len(written) > longest(part):
        raise Refused(sentence("This value is longer than %(most)s characters.", most=longest(part)))
    if part == SET:
        if written in (rules.YES, rules.NO):
            return written
        raise Refused(sentence("Write “yes” or “no”."))
    if part == HAS:
        return written
    if field.kind == Kind.NUMBER:  # its smallest and largest number say what may be written into it, not asked for
        return rules.stored_value(rules.Definition(field.name, field.kind), written)
    return rules.stored_value(definition, written)


def narrowed(
    rows: QuerySet[Any, Any], filter_: Filter, known: KnownFields, *, reads_owners: bool = True
) -> QuerySet[Any, Any]:
    """Return those of `rows` (contacts, tickets or conversations) that have what the filter says about custom fields.

    One query asks for the owners of matching values, of all fields at once. A field that at most RARE owners match is
    compared by their ids; of any other each row costs a look-up in an index, in the order of the list, which soon has
    enough. Without `reads_owners` there is no query, and every field is looked up: for rows that are few already.
    """
    asked = terms(filter_, known)
    if not asked:
        return rows
    owners = custom_fields.OWNERS[rows.model]
    conditions = _conditions(asked, owners)
    if conditions is None:
        return rows.filter(pk=0)  # not none(): as a part of another statement that has no number of rows
    by_id = {term.field.pk: term.field for term in asked if term.field}
    for term in asked:
        if term.field and (term.part, term.stored) == UNSET:
            rows = rows.filter(row_by_row.none_of(row_by_row.some(_values(term.field, owners))))
    # A row has one value of a field: its conditions are about the same.
    few = _few_owners(conditions) if conditions and reads_owners else {}
    for pk, condition in conditions.items():
        if pk not in few:
            rows = rows.filter(row_by_row.some(_compared(_values(by_id[pk], owners), pk).filter(condition)))
    return _with_ids(rows, few, by_id, owners)


def with_few_owners(rows: QuerySet[Any, Any], filter_: Filter, known: KnownFields) -> QuerySet[Any, Any]:
    """Return those of `rows` among the owners of values that at most RARE have, and that match what the filter says.

    What it says about other fields is left to `narrowed`. One query; none when nothing is said about custom fields.
    """
    asked = terms(filter_, known)
    owners = custom_fields.OWNERS[rows.model]
    conditions = _conditions(asked, owners)
    if conditions is None:
        return rows.filter(pk=0)
    by_id = {term.field.pk: term.field for term in asked if term.field}
    return _with_ids(rows, _few_owners(conditions), by_id, owners) if conditions else rows


def _conditions(asked: Sequence[Term], owners: Mapping[str, str]) -> dict[int, Q] | None:
    """Return the conditions of values, by field; None when something is asked that no row can have."""
    conditions: dict[int, Q] = {}
    for term in asked:
        if term.field is None or not term.stored or term.field.of not in owners:
            return None
        if (term.part, term.stored) != UNSET:
            condition = _condition(term.field, term.part, term.stored)
            conditions[term.field.pk] = conditions.get(term.field.pk, Q()) & condition
    return conditions


def _with_ids(
    rows: QuerySet[Any, Any], few: Mapping[int, set[int]], by_id: Mapping[int, CustomField], owners: Mapping[str, str]
) -> QuerySet[Any, Any]:
    """Return those of `rows` whose contact or ticket is among the owners of each of these fields."""
    ids: dict[str, set[int]] = {}
    for pk, found in few.items():
        ids[by_id[pk].of] = found & ids.get(by_id[pk].of, found)
    for of, numbers in ids.items():
        rows = rows.filter(OneOf(owners[of], sorted(numbers)) if numbers else Q(pk=0))
    return rows


def _few_owners(conditions: Mapping[int, Q]) -> dict[int, set[int]]:
    """Return the ids of the contacts or tickets with a matching value, by field; only of fields with at most RARE."""
    parts = []
    for pk, condition in conditions.items():
        first = _compared(FieldValue.objects.filter(field=pk), pk).filter(condition).values("pk")[: RARE + 1]
        # SQLite takes no limit in a part of a union, but in a subquery of it.
        part = FieldValue.objects.filter(pk__in=first)
        parts.append(part.values_list("field_id", Coalesce("contact_id", "ticket_id")))
    found: dict[int, set[int]] = {pk: set() for pk in conditions}
    for pk, owner in parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]:
        found[pk].add(owner)
    return {pk: ids for pk, ids in found.items() if len(ids) <= RARE}


def _values(field: CustomField, owners: Mapping[str, str]) -> QuerySet[FieldValue, FieldValue]:
    *relation, column = owners[field.of].split("__")
    owner: Any = OuterRef(column)
    if relation:  # without a join, at whose other table SQLite may begin, and sort all rows
        owner = Subquery(Conversation.objects.filter(pk=OuterRef(OuterRef(relation[0]))).values(column)[:1])
    return FieldValue.objects.filter(**{field.of: owner}, field=field)


def _compared(values: QuerySet[FieldValue, FieldValue], field_id: int) -> QuerySet[FieldValue, FieldValue]:
    """Add what `_condition` compares."""
    # Only texts of this field are read as numbers, in whatever order the database looks at the conditions.
    number = Case(When(field=field_id, then=Cast("text", NUMBER)), output_field=NUMBER)
    return values.alias(lookup_length=Length("lookup"), number=number)


def _condition(field: CustomField, part: str, stored: list[str]) -> Q:
    """Return the condition for the value that a row has of this field."""
    if part == SET:
        return Q()
    if part == EQUALS:
        return Q(lookup__in=[rules.lookup_of(one) for one in stored])
    if part == HAS:
        # SQLite knows only the case of a to z; what values are found by has none. The end of a long one is a digest.
        is_whole = Q(lookup_length__lt=rules.LOOKUP_LIMIT)
        return Q(text__icontains=stored[0]) | is_whole & Q(lookup__contains=rules.folded(stored[0]))
    comparison = "gte" if part == FROM else "lte"
    if field.kind == Kind.DATE:
        return Q(**{f"text__{comparison}": stored[0]})
    return Q(**{f"number__{comparison}": Decimal(stored[0])})


def of_request(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return what an address, or a form, says about custom fields, for `parse_leniently`. Empty inputs say nothing."""
    found = {}
    for name in names_in(raw):
        given = raw.getlist(name) if isinstance(raw, QueryDict) else [raw.get(name, "")]
        texts = [text for text in given if text]
        if texts:
            _key, part = read_name(name) or ("", EQUALS)
            found[name] = ",".join(texts) if part == EQUALS else texts[-1]
    return found


def read(raw: Mapping[str, Any]) -> Filter:
    """Return what an address says about custom fields; never raises."""
    return parse_leniently(of_request(raw))


def checked(filter_: Filter, known: KnownFields, model: type[Any] = Conversation) -> Filter:
    """Return the filter with choices by their ids. Raises FilterError for the first that cannot be filtered so."""
    for term in terms(filter_, known):
        if term.field is not None and term.field.of not in custom_fields.OWNERS[model]:
            words = sentence("“%(name)s” is a field of tickets, not of contacts.", name=term.field.name)
            raise FilterError(words, term.name)
        for value in term.values:
            if value.problem:
                raise FilterError(value.problem, term.name)
        filter_ = filter_.having(term.name, *term.stored)
    return filter_


def with_names(filter_: Filter, known: KnownFields) -> Filter:
    """Return the filter with choices by their names, as the API has them; what has no meaning stays as it is."""
    for term in terms(filter_, known):
        if term.field is not None and term.field.kind == Kind.CHOICE and term.part == EQUALS:
            names = term.field.definition.choices
            filter_ = filter_.having(term.name, *(names.get(value.stored, value.written) for value in term.values))
    return filter_
