"""Check files that are to be sent, and put them into the storage: those of replies, scheduled and canned ones."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from django.core.files.base import File
from django.db import transaction
from PIL import Image

from channels_im.messenger import files as file_rules
from tickets.models import Attachment, CannedReplyFile, ScheduledReplyFile

ORIENTATION_TAG = 0x0112  # of EXIF

#: A seekable file with a name, as a form or the API gives it.
NamedFile: TypeAlias = "File[bytes]"  # English only: a type
Row = TypeVar("Row", Attachment, CannedReplyFile, ScheduledReplyFile)


def check(files: Sequence[NamedFile]) -> tuple[list[file_rules.OutgoingFile], list[str]]:
    """Return what is known of each file that may be sent, and a sentence for each of the others."""
    checked, refusals = [], []
    for file in files:
        try:
            checked.append(file_rules.check_outgoing(file, file.name or ""))
        except file_rules.FileError as refused:
            refusals.append(refused.sentence)
    return checked, refusals


def store(row: Row, file: NamedFile, checked: file_rules.OutgoingFile) -> Row:
    """Put the bytes into the storage under a generated name, and note in the unsaved `row` what they are."""
    row.kind = checked.kind
    row.name = checked.name
    row.content_type = checked.content_type
    row.size = checked.size
    if checked.kind == Attachment.Kind.IMAGE:
        row.width, row.height = _dimensions(file)
    file.seek(0)
    row.file.save(file_rules.stored_name(checked.type), file, save=False)
    return row


def delete_unused(rows: Iterable[Attachment | CannedReplyFile | ScheduledReplyFile]) -> None:
    """Delete the content of unsaved rows when the transaction is committed: the storage may be on the network."""
    for row in rows:
        transaction.on_commit(partial(row.file.delete, save=False), robust=True)


def _dimensions(file: NamedFile) -> tuple[int | None, int | None]:
    """Return width and height in pixels as the image is shown, or None and None when Pillow cannot tell."""
    file.seek(0)
    try:
        with Image.open(file, formats=["JPEG", "PNG"]) as image:
            is_rotated = image.getexif().get(ORIENTATION_TAG) in (5, 6, 7, 8)  # by 90 or 270 degrees
            width, height = image.size
            return (height, width) if is_rotated else (width, height)
    except Exception:
        # Pillow raises nearly anything on damaged input; the file is sent unchanged.
        return None, None
