"""The files of scheduled replies: opened for an edited reply, taken over by messages, deleted with their rows."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.signals import post_delete

from desk.errors import Refused
from desk.sentences import sentence
from tickets.models import Attachment, Conversation, ScheduledReplyFile
from tickets.services.outgoing.outgoing_files import NamedFile

FACTS = ("kind", "name", "content_type", "size", "width", "height")
FILE_GONE = sentence(
    "A file of the scheduled reply is no longer there, because it was sent or deleted meanwhile. Remove it from your "
    "reply, or attach it yourself."
)


@contextmanager
def opened(conversation: Conversation, ids: Collection[int]) -> Iterator[list[NamedFile]]:
    """Open files of replies of this conversation that were taken back, in this order. Raises Refused."""
    rows = ScheduledReplyFile.objects.filter(reply__conversation=conversation).in_bulk(list(ids)) if ids else {}
    if len(rows) < len(set(ids)):
        raise Refused(FILE_GONE)
    with ExitStack() as stack:
        files: list[NamedFile] = []
        for row in map(rows.__getitem__, dict.fromkeys(ids)):
            try:
                content = stack.enter_context(default_storage.open(row.file.name or "", "rb"))
            except FileNotFoundError:
                raise Refused(FILE_GONE) from None
            files.append(File(content, name=row.name))
        yield files


def connect() -> None:
    """Let the content go with its row, whatever deletes it. Call it from `AppConfig.ready()`."""
    post_delete.connect(_row_deleted, sender=ScheduledReplyFile, dispatch_uid="delete_scheduled_reply_file")


def _row_deleted(instance: ScheduledReplyFile, **_kwargs: Any) -> None:
    if instance.file.name:
        transaction.on_commit(partial(default_storage.delete, instance.file.name), robust=True)


def attachment_of(file: ScheduledReplyFile) -> Attachment:
    """Return an unsaved attachment whose content is that of the file, without a copy."""
    values = {name: getattr(file, name) for name in FACTS}
    return Attachment(state=Attachment.State.STORED, file=file.file.name, **values)


def copy_of(picture: Attachment) -> ScheduledReplyFile:
    """Return an unsaved file with a copy of the bytes of a stored attachment."""
    file = ScheduledReplyFile(**{name: getattr(picture, name) for name in FACTS})
    with picture.file.open("rb") as content:
        file.file.save(PurePosixPath(picture.file.name or "").name, File(content), save=False)
    return file
