"""CSV files that people choose for an import, and those that Desk writes for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from desk.errors import Refused
from desk.sentences import counted, sentence
from desk.text import is_blank

MAX_BYTES = 200_000
#: A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_of(request: HttpRequest) -> str:
    """Return the text of the file that was chosen (`file`), or with `confirm` that of the preview (`text`).

    Raises Refused when there is none, or it is too large or no text.
    """
    if "confirm" in request.POST:
        text = request.POST.get("text", "").replace("\r\n", "\n")  # a browser sends each line so: it may be too large
        return decode(text.encode("utf-8", "replace"))
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise Refused(sentence("Choose a file first."))
    return decode(file.read(MAX_BYTES + 1))


def decode(content: bytes) -> str:
    """Return the text of a file. Raises Refused when it is too large or no text."""
    if len(content) > MAX_BYTES:
        raise Refused(
            counted(
                "The file has %(count)s byte; at most %(limit)s can be read at once.",
                "The file has %(count)s bytes; at most %(limit)s can be read at once.",
                len(content),
                count=f"{len(content):,}",
                limit=f"{MAX_BYTES:,}",
            )
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(sentence("This file is not text in UTF-8. Save it as “CSV UTF-8”.")) from None


def rows_of(text: str, columns: Sequence[str], required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the number and the columns of each line that is not empty; missing columns are "".

    They are separated by commas or semicolons. Raises Refused when the text cannot be read, or names not all columns
    that are `required`.
    """
    head = next(iter(text.splitlines()), "")
    lines = io.StringIO(text.replace("\x00", ""), newline=None)  # a line in a cell ends with "\n" too
    reader = csv.reader(lines, delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        titles = [title.strip().lower().replace("e-mail", "email") for title in next(reader, [])]
        if missing := [name for name in required if name not in titles]:
            raise Refused(
                sentence(
                    "The first line must name the columns: %(columns)s. Missing: %(missing)s.",
                    columns=", ".join(columns),
                    missing=", ".join(missing),
                )
            )
        rows = []
        for values in reader:
            row = dict.fromkeys(columns, "") | dict(zip(titles, (value.strip() for value in values), strict=False))
            if any(values) and not is_blank("".join(values)):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        raise Refused(
            sentence("Line %(number)s cannot be read: %(error)s.", number=reader.line_num, error=error)
        ) from None
    if not rows:
        raise Refused(sentence("The file has no line after the first, which names the columns."))
    return rows


def line_of(cells: Iterable[Any]) -> bytes:
    """Return a line of a file for spreadsheets, in UTF-8."""
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(str(cell)) for cell in cells])
    return out.getvalue().encode()


def safe_cell(text: str) -> str:
    """Return the text so that no spreadsheet runs it: with an apostrophe before what would begin a formula."""
    return f"'{text}" if _begins_formula(text) else text


def unsafe_cell(text: str) -> str:
    """Return the text of a cell that `safe_cell` wrote."""
    return text[1:] if text[:1] == "'" and _begins_formula(text[1:]) else text


def _begins_formula(text: str) -> bool:
    """Return whether it begins as a formula, also behind apostrophes: so `unsafe_cell` keeps those of the text."""
    return text.lstrip("' ").startswith(FORMULA_STARTS)
