"""Custom fields in the filters of a list: the controls of the form, and the chips in words."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext

from desk.languages import quoted, translated
from tickets.models import CustomField
from tickets.rules.custom_fields import YES, Kind, for_people
from tickets.rules.field_filters import EQUALS, FROM, HAS, SET, TO, joined, name_of
from tickets.rules.filters import Filter
from tickets.services.inbox.field_filters import KnownFields, Term, Value, terms

#: Kind → the parts of a filter that its control shows. What an address says besides is kept in hidden inputs.
SHOWN = {
    Kind.TEXT: (HAS, SET),
    Kind.NUMBER: (FROM, TO, SET),
    Kind.DATE: (FROM, TO, SET),
    Kind.CHOICE: (EQUALS, SET),
    Kind.YES_NO: (EQUALS, SET),
}


@dataclass
class Control:
    """A field in the form with what is chosen, by the parts of a filter."""

    field: CustomField
    chosen: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the field in a filter."""
        return name_of(self.field.key)

    @property
    def equals(self) -> list[str]:
        """The choices, or yes or no."""
        return self.chosen.get(EQUALS, [])

    @property
    def has(self) -> str:
        """What a text contains."""
        return self._one(HAS)

    @property
    def start(self) -> str:
        """The smallest number, or the first day."""
        return self._one(FROM)

    @property
    def end(self) -> str:
        """The largest number, or the last day."""
        return self._one(TO)

    @property
    def is_set(self) -> str:
        """`yes`, `no`, or "" for any."""
        return self._one(SET)

    def _one(self, part: str) -> str:
        return "".join(self.chosen.get(part, []))


@dataclass
class Group:
    """The fields of customers, or of tickets, in the form."""

    of: str
    title: str
    controls: list[Control] = dataclasses.field(default_factory=list)

    @property
    def is_used(self) -> bool:
        """Whether the filter is about one of them."""
        return any(control.chosen for control in self.controls)


@dataclass(frozen=True)
class FieldForm:
    """The part of a form about custom fields. `kept`: names and values without a control, which must not get lost.

    `is_stuck`: something in the filter can match nothing, so that the list is empty.
    """

    groups: list[Group]
    kept: list[tuple[str, str]]
    is_stuck: bool


def form(filter_: Filter, known: KnownFields, *, only_chosen: bool = False) -> FieldForm:
    """Return the part of the form about custom fields; with `only_chosen` without those the filter is not about."""
    asked = terms(filter_, known)
    keys = {term.key for term in asked}
    rows = known.all if asked or not only_chosen else []
    controls = {one.key: Control(one) for one in rows if not only_chosen or one.key in keys}
    kept = []
    for term in asked:
        for value in term.values:
            if term.field is None or value.problem or term.part not in SHOWN[Kind(term.field.kind)]:
                kept.append((term.name, joined(term.part, [value.written])))
            else:
                controls[term.key].chosen.setdefault(term.part, []).append(value.stored)
    groups = [
        Group(CustomField.Of.CONTACT, gettext("Fields of the customer")),
        Group(CustomField.Of.TICKET, gettext("Fields of the ticket")),
    ]
    for group in groups:
        group.controls = [control for control in controls.values() if control.field.of == group.of]
    is_stuck = any(not term.stored for term in asked)
    return FieldForm([group for group in groups if group.controls], kept, is_stuck)


def chips(filter_: Filter, known: KnownFields) -> Iterable[tuple[str, str, str, str, bool]]:
    """Yield name, value, title and words of each value about a custom field, and whether it has no meaning."""
    for term in terms(filter_, known):
        for value in _in_order(term):
            yield term.name, value.written, _title(term), _words(term, value), bool(value.problem)


def _in_order(term: Term) -> list[Value]:
    """Return the values of a term; choices in the order of the field, and last what it does not have."""
    places = {pk: place for place, pk in enumerate(term.field.definition.choices)} if term.field else {}
    return sorted(term.values, key=lambda value: places.get(value.stored, len(places)))


def _title(term: Term) -> str:
    if term.field is None:
        return gettext("Field “%(key)s”") % {"key": term.key}
    if term.part == FROM:
        return gettext("%(field)s from") % {"field": term.field.name}
    if term.part == TO:
        return gettext("%(field)s until") % {"field": term.field.name}
    return term.field.name


def _words(term: Term, value: Value) -> str:
    if term.field is None or (value.problem and term.field.kind == Kind.CHOICE and term.part == EQUALS):
        return gettext("no longer available")
    if value.problem:
        return gettext("“%(value)s” cannot be used") % {"value": value.written}
    if term.part == SET:
        return pgettext("a field is", "Set") if value.stored == YES else pgettext("a field is", "Not set")
    if term.part == HAS:
        return gettext("contains “%(text)s”") % {"text": value.stored}
    if term.field.kind == Kind.DATE:
        return date_format(date.fromisoformat(value.stored), "DATE_FORMAT")
    if term.field.kind == Kind.TEXT:
        return quoted(value.stored)
    if term.field.kind == Kind.YES_NO:
        return gettext("Yes") if value.stored == YES else gettext("No")
    return translated(for_people(term.field.definition, value.stored))
