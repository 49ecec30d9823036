"""What a filter of the inbox says: its fields, their values, and how it is written in an address and in JSON. Pure.

A filter is a set of fields with values. Values of one field are alternatives, fields narrow each other. Each field has
one entry in FIELDS; a field that is added there (`register`) is read, checked, written and stored like the others, and
needs a condition in `tickets.services.inbox.filtering`. Custom fields have no entry: an administrator adds them, and
`tickets.rules.field_filters` knows their names.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from desk.errors import Refused
from desk.sentences import sentence
from tickets.rules import field_filters
from tickets.rules.snoozing import resolve

MOST_VALUES = 20  # of one field
LONGEST_VALUE = 60  # characters
LONGEST_AGE = timedelta(days=3650)
FIRST_YEAR, LAST_YEAR = 2000, 2200
MAX_ID_DIGITS = 18

ME, NOBODY = "me", "nobody"
YES, NO = "yes", "no"
OPEN, SOON, CLOSED = "open", "soon", "closed"
PRIORITIES = ("low", "normal", "high", "urgent")

_AGE = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)

#: Returns the one way to write a value; raises ValueError with a sentence for people.
Clean = Callable[[str], str]


class FilterError(Refused):
    """A filter that cannot be read. `field` names the field at fault."""

    def __init__(self, sentence: str, field: str) -> None:
        super().__init__(sentence, "bad_filter", field)


@dataclass(frozen=True)
class Field:
    """A field of a filter: its name in addresses and JSON, how a value is read, and how many it may have.

    `part` is that of a custom field. What cannot be read in one stays in the filter and matches nothing: of a number
    that is none, the reader would otherwise see all conversations.
    """

    name: str
    clean: Clean
    most: int = 1
    part: str | None = None

    @property
    def longest(self) -> int:
        """Characters of a value."""
        return LONGEST_VALUE if self.part is None else field_filters.longest(self.part)


def _one_of(*choices: str) -> Clean:
    def clean(text: str) -> str:
        if text in choices:
            return text
        raise ValueError(sentence("Choose one of: %(choices)s.", choices=", ".join(choices)))

    return clean


def _id(text: str) -> str:
    if text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS:
        return str(int(text))
    raise ValueError(sentence("Write the id of a row, such as 12."))


def _assignee(text: str) -> str:
    if text in (ME, NOBODY):
        return text
    try:
        return _id(text)
    except ValueError:
        raise ValueError(sentence("Write “me”, “nobody” or the id of a user.")) from None


def _age(text: str) -> str:
    length = age(text)
    if length is None:
        raise ValueError(sentence("Write a length of time such as 30m, 4h or 7d, at most 3650d."))
    unit = next(unit for unit, size in _UNITS.items() if length % size == timedelta(0))
    return f"{length // _UNITS[unit]}{unit}"


def _waiting(text: str) -> str:
    try:
        return text if text in (YES, NO) else _age(text)
    except ValueError:
        raise ValueError(sentence("Write “yes”, “no” or a length of time such as 30m, 4h or 7d.")) from None


def _moment(text: str) -> str:
    if age(text) is not None:
        return _age(text)
    try:
        if _DATE.fullmatch(text) and FIRST_YEAR <= date.fromisoformat(text).year <= LAST_YEAR:
            return text
        if _MOMENT.fullmatch(text) and FIRST_YEAR <= (moment := datetime.fromisoformat(text)).year <= LAST_YEAR:
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except ValueError:
        pass  # the 31st of a short month
    raise ValueError(sentence("Write a day such as 2026-03-01, or how long ago such as 7d."))


FIELDS: dict[str, Field] = {}


def register(field: Field) -> None:
    """Add a field. The order of registration is the order in which filters are written."""
    FIELDS[field.name] = field


for _field in (
    Field("assignee", _assignee, MOST_VALUES),
    Field("department", _id, MOST_VALUES),
    Field("channel", _id, MOST_VALUES),
    Field("status", _one_of(OPEN, CLOSED)),
    Field("label", _id, MOST_VALUES),
    Field("priority", _one_of(*PRIORITIES), len(PRIORITIES)),
    Field("unread", _one_of(YES, NO)),
    Field("waiting", _waiting),
    Field("window", _one_of(OPEN, SOON, CLOSED)),
    Field("snoozed", _one_of(YES, NO)),
    Field("since", _moment),
    Field("until", _moment),
    Field("opened_since", _moment),
    Field("opened_until", _moment),
):
    register(_field)


def find(name: object) -> Field | None:
    """Return the field of this name; None when there is none. Whether a custom field exists, it does not say."""
    if not isinstance(name, str):
        return None
    known = FIELDS.get(name)
    if known is not None or (found := field_filters.read_name(name)) is None:
        return known
    part = found[1]
    most = field_filters.MOST_VALUES if part == field_filters.EQUALS else 1
    return Field(name, partial(field_filters.clean, part), most, part)


@dataclass(frozen=True)
class Filter:
    """Fields with their values, each written in one way. Make it with `parse`; two that say the same are equal."""

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values)

    def get(self, name: str) -> tuple[str, ...]:
        """Return the values of a field; () when the filter does not have it."""
        return dict(self.values).get(name, ())

    def ids(self, name: str) -> list[int]:
        """Return the values of a field that are numbers of rows."""
        return [int(value) for value in self.get(name) if value.isdecimal()]

    def having(self, name: str, *values: str) -> "Filter":
        """Return the filter with these values in the field; without any, without the field."""
        return _filter({**dict(self.values), name: values})

    def without(self, name: str, value: str) -> "Filter":
        """Return the filter without one value of a field."""
        return self.having(name, *(kept for kept in self.get(name) if kept != value))

    def to_query(self) -> dict[str, str]:
        """Return the parameters of an address; several values are separated by commas."""
        return {name: _joined(name, values) for name, values in self.values}

    @property
    def of_fields(self) -> "Filter":
        """The part of the filter that is about custom fields."""
        return Filter(tuple((name, values) for name, values in self.values if name not in FIELDS))

    def to_json(self) -> dict[str, list[str]]:
        """Return the fields with lists of their values, as they are stored and answered by the API."""
        return {name: list(values) for name, values in self.values}


NO_FILTER = Filter()


def parse(raw: Mapping[str, Any]) -> Filter:
    """Return the filter that a mapping of fields to values means. Raises FilterError with a sentence and the field.

    A value is text (several separated by commas), a number, true or false, or a list of these. Empty ones do not count.
    """
    found: dict[str, Iterable[str]] = {}
    for name, given in raw.items():
        field = find(name)
        if field is None:
            short = str(name)[:LONGEST_VALUE]
            raise FilterError(sentence("There is no filter “%(name)s”.", name=short), short)
        values = [_cleaned(field, text) for text in _texts(field, given)]
        if len(set(values)) > field.most:
            words = (
                sentence("Give one value.")
                if field.most == 1
                else sentence("Give at most %(most)s values.", most=field.most)
            )
            raise FilterError(words, name)
        found[name] = values
    if len([name for name, values in found.items() if values and name not in FIELDS]) > field_filters.MOST:
        words = sentence("Filter by at most %(most)s fields at once.", most=field_filters.MOST)
        raise FilterError(words, field_filters.names_in(found)[-1])
    return _filter(found)


def parse_leniently(raw: Mapping[str, Any]) -> Filter:
    """Return the filter as `parse` does, without what it refuses: an address may be old, cut off or made by hand.

    Of custom fields nothing is left out.
    """
    found: dict[str, Iterable[str]] = {}
    for field in filter(None, map(find, [*FIELDS, *field_filters.names_in(raw)])):
        name, values = field.name, []
        for text in _texts_leniently(field, raw.get(field.name)):
            try:
                values.append(_cleaned(field, text))
            except FilterError:
                if field.part is not None:
                    values.append(text[: field.longest + 1])  # still too long for a value
        found[name] = list(dict.fromkeys(values))[-1:] if field.most == 1 else list(dict.fromkeys(values))[: field.most]
    return _filter(found)


def age(text: str) -> timedelta | None:
    """Return the length of time that a text such as 30m, 4h or 7d means; None for another text, and if too long."""
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    length = int(match[1]) * _UNITS[match[2]]
    return length if length <= LONGEST_AGE else None


def moment_of(value: str, now: datetime, zone: tzinfo, *, is_end: bool = False) -> datetime:
    """Return the moment that the value of a field of times means for a reader in `zone`.

    A day is its beginning there; with `is_end`, that of the next day: the day itself belongs to the time before.
    """
    if (length := age(value)) is not None:
        return now - length
    if _DATE.fullmatch(value):
        day = datetime.fromisoformat(value) + timedelta(days=1 if is_end else 0)
        return resolve(day, zone).at
    return datetime.fromisoformat(value)


def _filter(found: Mapping[str, Iterable[str]]) -> Filter:
    """Return the filter with these values, in the order of FIELDS, and then those of custom fields by name."""
    custom = [name for name in field_filters.names_in(found) if found[name]]
    names = [*FIELDS, *custom[: field_filters.MOST_KEPT]]
    ordered = ((name, tuple(sorted(set(found.get(name, ())), key=_place))) for name in names)
    return Filter(tuple((name, values) for name, values in ordered if values))


def _place(value: str) -> tuple[int, int, str]:
    """Return what sorts values: words before numbers, priorities by urgency, numbers by size."""
    if value in PRIORITIES:
        return (0, PRIORITIES.index(value), "")
    return (1, int(value), "") if value.isascii() and value.isdecimal() else (0, 0, value)


def _texts(field: Field, given: Any) -> list[str]:
    texts: list[str] = []
    for one in given if isinstance(given, list | tuple) else [given]:
        if isinstance(one, bool):
            texts.append(YES if one else NO)
        elif isinstance(one, str | int) or (isinstance(one, float) and field.part is not None):
            texts += _split(field, str(one), is_listed=one is not given)
        elif one is not None:
            raise FilterError(sentence("Give text, or a list of texts."), field.name)
    texts = [text.strip() if field.part is None else field_filters.tidy(text) for text in texts]
    return [text for text in texts if text]


def _split(field: Field, text: str, *, is_listed: bool) -> list[str]:
    """Return the values in a text. In a list, a value of a custom field is one: it may have commas of its own."""
    if field.part is None:
        return text[: LONGEST_VALUE * MOST_VALUES * 2].split(",")
    return [text] if is_listed else field_filters.split(field.part, text[: field.longest * field.most * 2])


def _joined(name: str, values: Iterable[str]) -> str:
    field = find(name)
    return ",".join(values) if field is None or field.part is None else field_filters.joined(field.part, values)


def _texts_leniently(field: Field, given: Any) -> list[str]:
    try:
        return _texts(field, given)
    except FilterError:
        return []


def _cleaned(field: Field, text: str) -> str:
    if len(text) > field.longest:
        raise FilterError(sentence("This value is longer than %(most)s characters.", most=field.longest), field.name)
    try:
        return field.clean(text)
    except ValueError as error:
        raise FilterError(str(error), field.name) from None
