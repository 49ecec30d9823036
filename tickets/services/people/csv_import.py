"""Invite many people from a CSV file: read it, say what is wrong in which line, and invite those that are right."""

from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from desk import csv_table
from desk.errors import Refused
from desk.models import Department, User
from tickets.services.people import changes, roles
from tickets.services.people.changes import Place
from tickets.services.people.roles import Role

COLUMNS = ("name", "email", "role", "departments")
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
    errors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the whole name."""
        return f"{self.first_name} {self.last_name}".strip()


def read(by: User, text: str, *, may_place: bool) -> list[Line]:
    """Return the lines of a CSV text, with what is wrong in each. Raises Refused when it cannot be read as a whole.

    `may_place` says whether `by` may choose departments. The columns are separated by commas or semicolons, several
    departments by a bar.
    """
    rows = csv_table.rows_of(text, COLUMNS, REQUIRED)
    if len(rows) > MAX_LINES:
        raise Refused(f"The file has {len(rows):,} people; at most {MAX_LINES} can be invited at once.")
    given = {role.name.casefold(): role for role in roles.roles_within(by)}
    known = {role.name.casefold() for role in roles.all_roles()}
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
            may_not = f"You may not give the role “{row['role']}”."
            line.errors.append(may_not if name in known else f"There is no role “{row['role']}”.")
        names = [part.strip() for part in row["departments"].split("|") if part.strip()]
        if names and not may_place:
            line.errors.append("You may not choose departments.")
        for each in names:
            department = departments.get(each.casefold())
            if department is None:
                line.errors.append(f"There is no department “{each}”.")
            elif department not in line.departments:
                line.departments.append(department)
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
            )
            for line in lines
            if line.role is not None and not line.errors
        ]


def _check_name_and_address(line: Line, taken: set[str], seen: dict[str, int]) -> None:
    if not line.first_name:
        line.errors.append("The name is missing.")
    if max(len(line.first_name), len(line.last_name)) > MAX_PART:
        line.errors.append(f"The name is longer than {MAX_PART} characters.")
    address = line.email.lower()
    if len(address) > MAX_ADDRESS:
        line.errors.append(f"The e-mail address is longer than {MAX_ADDRESS} characters.")
        return
    try:
        validate_email(line.email)
    except ValidationError:
        line.errors.append(
            f"“{line.email}” is not an e-mail address." if line.email else "The e-mail address is missing."
        )
        return
    if address in taken:
        line.errors.append("Somebody with this address exists already.")
    elif address in seen:
        line.errors.append(f"Line {seen[address]} has the same address.")
    seen.setdefault(address, line.number)
