"""Invite many people from a CSV file: read it, say what is wrong in which line, and invite those that are right."""

from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from desk import csv_table
from desk.errors import Refused
from desk.languages import translated
from desk.models import Department, User
from desk.sentences import counted, sentence
from tickets.services.people import changes, roles
from tickets.services.people.changes import Place
from tickets.services.people.roles import Role

COLUMNS = ("name", "email", "role", "departments", "language")
REQUIRED = ("name", "email")
MAX_LINES = 200
MAX_PART = 150  # characters of a first or last name
MAX_ADDRESS = 254


@dataclass
class Line:
    """A line of the file: whom it would invite, and what is wrong with it."""

    number: int
    first_name: str
    last_name: str
    email: str
    role: Role | None = None
    departments: list[Department] = field(default_factory=list)
    language: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the whole name."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def language_name(self) -> str:
        """Return the name of the language."""
        return changes.name_of_language(self.language)


def read(by: User, text: str, *, may_place: bool) -> list[Line]:
    """Return the lines of a CSV text, with what is wrong in each. Raises Refused when it cannot be read as a whole.

    `may_place` says whether `by` may choose departments. The columns are separated by commas or semicolons, several
    departments by a bar.
    """
    rows = csv_table.rows_of(text, COLUMNS, REQUIRED)
    if len(rows) > MAX_LINES:
        raise Refused(
            counted(
                "The file has %(count)s person; at most %(most)s can be invited at once.",
                "The file has %(count)s people; at most %(most)s can be invited at once.",
                len(rows),
                count=f"{len(rows):,}",
                most=MAX_LINES,
            )
        )
    given = {name: role for role in roles.roles_within(by) for name in _names_of(role)}
    known = {name for role in roles.all_roles() for name in _names_of(role)}
    departments = {department.name.casefold(): department for department in Department.objects.all()}
    taken = {email.lower() for email in User.objects.exclude(email="").values_list("email", flat=True)}
    seen: dict[str, int] = {}
    lines = []
    for number, row in rows:
        first_name, _, last_name = " ".join(row["name"].split()).partition(" ")
        line = Line(number, first_name, last_name, row["email"])
        _check_name_and_address(line, taken, seen)
        name = (row["role"] or roles.BUILT_IN[roles.AGENT].name).casefold()
        line.role = given.get(name)
        if line.role is None:
            may_not = sentence("You may not give the role “%(role)s”.", role=row["role"])
            unknown = sentence("There is no role “%(role)s”.", role=row["role"])
            line.errors.append(may_not if name in known else unknown)
        names = [part.strip() for part in row["departments"].split("|") if part.strip()]
        if names and not may_place:
            line.errors.append(sentence("You may not choose departments."))
        for each in names:
            department = departments.get(each.casefold())
            if department is None:
                line.errors.append(sentence("There is no department “%(department)s”.", department=each))
            elif department not in line.departments:
                line.departments.append(department)
        _take_language(line, row["language"])
        lines.append(line)
    return lines


def invite(by: User, lines: list[Line], *, may_place: bool) -> list[tuple[User, str]]:
    """Invite the people of the lines without an error, all or none; return them with their links. Raises Refused."""
    with transaction.atomic():
        return [
            changes.invite(
                by,
                first_name=line.first_name,
                last_name=line.last_name,
                email=line.email,
                role=line.role,
                place=Place(line.departments if may_place else None),
                language=line.language,
            )
            for line in lines
            if line.role is not None and not line.errors
        ]


def _names_of(role: Role) -> set[str]:
    """Return the names by which a file can call a role: in English, and as the page shows it."""
    return {name.casefold() for name in (role.name, role.name if role.group_id is not None else translated(role.name))}


def _take_language(line: Line, code: str) -> None:
    codes = [known for known, _name in settings.LANGUAGES]
    line.language = code.lower()
    if line.language and line.language not in codes:
        line.errors.append(
            sentence("There is no language “%(code)s”. Use %(codes)s.", code=code, codes=", ".join(codes))
        )


def _check_name_and_address(line: Line, taken: set[str], seen: dict[str, int]) -> None:
    if not line.first_name:
        line.errors.append(sentence("The name is missing."))
    if max(len(line.first_name), len(line.last_name)) > MAX_PART:
        line.errors.append(sentence("The name is longer than %(most)s characters.", most=MAX_PART))
    address = line.email.lower()
    if len(address) > MAX_ADDRESS:
        line.errors.append(sentence("The e-mail address is longer than %(most)s characters.", most=MAX_ADDRESS))
        return
    try:
        validate_email(line.email)
    except ValidationError:
        wrong = sentence("“%(email)s” is not an e-mail address.", email=line.email)
        line.errors.append(wrong if line.email else sentence("The e-mail address is missing."))
        return
    if address in taken:
        line.errors.append(sentence("Somebody with this address exists already."))
    elif address in seen:
        line.errors.append(sentence("Line %(number)s has the same address.", number=seen[address]))
    seen.setdefault(address, line.number)
