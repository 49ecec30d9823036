"""Custom fields: what may be written into one, how it is stored, and what it is compared by. Pure.

A value is stored as one text: a text as it is, a number without exponent and without zeros at its end, a date as
`2026-03-01`, a choice as the id of the choice, yes and no as `yes` and `no`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from desk.errors import Refused
from desk.sentences import counted, sentence
from desk.text import is_blank, without_directions
from tickets.rules.sending import clean_text

TEXT_LIMIT = 500  # characters
#: With so many digits a number is the same again after it went through JSON.
DIGITS, DECIMALS = 15, 6
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
LOOKUP_LIMIT = 120  # characters
KEY_LIMIT = 40  # characters
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
YES, NO = "yes", "no"

Plain = str | float | int | bool


class Kind(StrEnum):
    """What a field holds; the values are those of the database and the API."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    YES_NO = "yes_no"


@dataclass(frozen=True)
class Definition:
    """What decides which values a field takes. `choices` are the names by the ids of the choices, in their order."""

    name: str
    kind: str
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    choices: Mapping[str, str] = field(default_factory=dict)


class UnfitError(Refused):
    """A value that the field does not take."""


def stored_value(definition: Definition, given: object) -> str:
    """Return the value as it is stored, "" for none. `given` is from a form or from JSON. Raises UnfitError."""
    if given is None or given == "":
        return ""
    return _READERS[Kind(definition.kind)](definition, given)


def _text(definition: Definition, given: object) -> str:
    if not isinstance(given, str):
        raise UnfitError(sentence("Write “%(name)s” as a text.", name=definition.name))
    text = " ".join(without_directions(clean_text(given)).split())
    if len(text) > TEXT_LIMIT:
        raise UnfitError(
            counted(
                "“%(name)s” has %(count)s character; at most %(most)s fit. Shorten it.",
                "“%(name)s” has %(count)s characters; at most %(most)s fit. Shorten it.",
                len(text),
                name=definition.name,
                count=f"{len(text):,}",
                most=TEXT_LIMIT,
            )
        )
    return "" if is_blank(text) else text


def _number(definition: Definition, given: object) -> str:
    number = parse_number(given)
    if number is None:
        raise UnfitError(
            sentence(
                "“%(name)s” takes a number with at most %(digits)s digits, of which at most %(decimals)s after the "
                "point. Write it like 1234.5.",
                name=definition.name,
                digits=DIGITS,
                decimals=DECIMALS,
            )
        )
    if definition.minimum is not None and number < definition.minimum:
        least = sentence(
            "“%(name)s” must be at least %(least)s.", name=definition.name, least=plain(definition.minimum)
        )
        raise UnfitError(least)
    if definition.maximum is not None and number > definition.maximum:
        most = plain(definition.maximum)
        raise UnfitError(sentence("“%(name)s” must be at most %(most)s.", name=definition.name, most=most))
    return plain(number)


def parse_number(given: object) -> Decimal | None:
    """Return the number that a form or JSON gave; None when it is none, is not finite, or has too many digits."""
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        return None
    if isinstance(given, int) and abs(given) >= 10**DIGITS:  # before it is written out: it may have very many digits
        return None
    text = str(given).strip()
    if not NUMBER.fullmatch(text):
        return None
    sign, all_digits, exponent = Decimal(text).as_tuple()
    digits = "".join(map(str, all_digits)).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return Decimal(0)
    least = int(exponent) + len(digits) - len(significant)  # the power of ten of the last digit
    if -least > DECIMALS or len(significant) > DIGITS or least + len(significant) > DIGITS:
        return None
    return Decimal((sign, tuple(map(int, significant)), least))


def plain(number: Decimal) -> str:
    """Return a number without exponent and without zeros at its end."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _date(definition: Definition, given: object) -> str:
    try:
        day = date.fromisoformat(given) if isinstance(given, str) and DAY.fullmatch(given) else None
    except ValueError:
        day = None
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        raise UnfitError(
            sentence(
                "“%(name)s” takes a day from %(first)s to %(last)s. Write it like 2026-03-01.",
                name=definition.name,
                first=FIRST_DAY.isoformat(),
                last=LAST_DAY.isoformat(),
            )
        )
    return day.isoformat()


def _choice(definition: Definition, given: object) -> str:
    if isinstance(given, str):
        if given in definition.choices:
            return given
        wanted = folded(given)
        for pk, name in definition.choices.items():
            if folded(name) == wanted:
                return pk
    raise UnfitError(
        sentence("“%(name)s” does not have this choice, or has it no more. Choose another one.", name=definition.name)
    )


def _yes_no(definition: Definition, given: object) -> str:
    if isinstance(given, bool):
        return YES if given else NO
    if isinstance(given, str) and (answer := _ANSWERS.get(given.lower())):
        return answer
    raise UnfitError(sentence("“%(name)s” takes yes or no.", name=definition.name))


_ANSWERS = {YES: YES, "true": YES, "1": YES, NO: NO, "false": NO, "0": NO}
_READERS = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.DATE: _date,
    Kind.CHOICE: _choice,
    Kind.YES_NO: _yes_no,
}


def folded(text: str) -> str:
    """Return a text without case and without spaces around it."""
    return " ".join(clean_text(text).casefold().split())


def lookup_of(stored: str) -> str:
    """Return what a stored value is found by: without case, and a long one as its beginning with a digest."""
    text = folded(stored)
    if len(text) <= LOOKUP_LIMIT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: LOOKUP_LIMIT - len(digest)]}{digest}"


def for_api(definition: Definition, stored: str) -> Plain | None:
    """Return a stored value as JSON has it: the name of a choice, a number, true or false, else a text."""
    match Kind(definition.kind):
        case Kind.NUMBER:
            number = Decimal(stored)
            return int(number) if number == number.to_integral_value() else float(number)
        case Kind.CHOICE:
            return definition.choices.get(stored)
        case Kind.YES_NO:
            return stored == YES
    return stored


def for_people(definition: Definition, stored: str) -> str:
    """Return a stored value in words, in English."""
    match Kind(definition.kind):
        case Kind.CHOICE:
            return definition.choices.get(stored, "")
        case Kind.YES_NO:
            return sentence("yes") if stored == YES else sentence("no")
    return stored


# --- definitions ------------------------------------------------------------------------------------------------------
def key_from(name: str) -> str:
    """Return the key that a name suggests, "" when it has no letters for one: "Customer no." → customer_no."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).lstrip("_0123456789")[:KEY_LIMIT].strip("_")


def is_key(text: str) -> bool:
    """Return whether a text can be the key of a field."""
    return KEY.fullmatch(text) is not None


def repeated(names: Sequence[str]) -> str:
    """Return the first name that comes twice without regard to case, "" when none does."""
    seen: set[str] = set()
    for name in names:
        if folded(name) in seen:
            return name
        seen.add(folded(name))
    return ""
