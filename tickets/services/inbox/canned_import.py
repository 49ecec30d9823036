"""Shared canned replies as CSV: write them, and read them with a preview of what happens with each line."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction

from desk import csv_table
from desk.errors import Refused
from desk.models import Department, User
from desk.sentences import counted, sentence
from tickets.models import CannedReply
from tickets.services.inbox import canned_replies

COLUMNS = ("shortcut", "title", "text", "folder", "department")
FILES = "files"  # a column that only the export writes; an import leaves the files as they are
REQUIRED = ("shortcut", "text")
MAX_LINES = 1000
MAX_TEXT = 5000
LONGEST = {"shortcut": 40, "title": 100, "folder": 60, "text": MAX_TEXT}


@dataclass
class Line:
    """A line of the file: what it would save, over which canned reply, and what is wrong with it."""

    number: int
    shortcut: str
    title: str
    text: str
    folder: str
    department: Department | None = None
    existing: CannedReply | None = None
    errors: list[str] = field(default_factory=list)


def export() -> Iterator[bytes]:
    """Yield the head and a line for each shared canned reply. It names its files; no name contains the `|` between."""
    yield csv_table.line_of((*COLUMNS, FILES))
    replies = CannedReply.objects.filter(owner=None).select_related("department").prefetch_related("files")
    for reply in replies:
        files = " | ".join(file.name for file in reply.files.all())
        cells = (reply.shortcut, reply.title, reply.text, reply.folder, reply.department or "", files)
        yield csv_table.line_of(cells)


def read(text: str) -> list[Line]:
    """Return the lines of a CSV text, with what is wrong in each. Raises Refused when it cannot be read as a whole."""
    rows = csv_table.rows_of(text, COLUMNS, REQUIRED)
    if len(rows) > MAX_LINES:
        too_many = counted(
            "The file has %(count)s canned reply; at most %(most)s can be read at once.",
            "The file has %(count)s canned replies; at most %(most)s can be read at once.",
            len(rows),
            count=f"{len(rows):,}",
            most=f"{MAX_LINES:,}",
        )
        raise Refused(too_many)
    departments = {department.name.casefold(): department for department in Department.objects.all()}
    existing = {reply.shortcut: reply for reply in CannedReply.objects.filter(owner=None)}
    seen: dict[str, int] = {}
    lines = []
    for number, row in rows:
        values = {name: csv_table.unsafe_cell(row[name]) for name in COLUMNS}
        shortcut = values["shortcut"].removeprefix("/")
        line = Line(number, shortcut, values["title"] or shortcut, values["text"], values["folder"])
        line.existing = existing.get(shortcut)
        _check(line, seen)
        if name := values["department"]:
            line.department = departments.get(name.casefold())
            if line.department is None:
                line.errors.append(sentence("There is no department “%(name)s”.", name=name))
        lines.append(line)
    return lines


def save(by: User, lines: list[Line]) -> int:
    """Save the lines without an error, all or none; return how many. Raises Refused."""
    good = [line for line in lines if not line.errors]
    with transaction.atomic():
        for line in good:
            values = {name: getattr(line, name) for name in canned_replies.FIELDS}
            canned_replies.save(by, line.existing, values)
    return len(good)


def _check(line: Line, seen: dict[str, int]) -> None:
    try:
        validate_slug(line.shortcut)
    except ValidationError:
        line.errors.append(sentence("The shortcut must consist of letters from a to z, digits, - and _."))
    if not line.text:
        line.errors.append(sentence("The text is missing."))
    line.errors += [_too_long(name, most) for name, most in LONGEST.items() if len(getattr(line, name)) > most]
    if line.shortcut in seen:
        line.errors.append(sentence("Line %(number)s has the same shortcut.", number=seen[line.shortcut]))
    seen.setdefault(line.shortcut, line.number)


def _too_long(name: str, most: int) -> str:
    if name == "shortcut":
        return sentence("The shortcut is longer than %(most)s characters.", most=f"{most:,}")
    if name == "title":
        return sentence("The title is longer than %(most)s characters.", most=f"{most:,}")
    if name == "folder":
        return sentence("The folder is longer than %(most)s characters.", most=f"{most:,}")
    return sentence("The text is longer than %(most)s characters.", most=f"{most:,}")
