"""The files of canned replies: uploaded into a form, saved with it, opened for a reply that sends copies of them."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete
from django.utils import timezone

from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from desk.storage import undone_on_failure
from tickets.models import CannedReply, CannedReplyFile
from tickets.services.outgoing import outgoing_files
from tickets.services.outgoing.outgoing_files import NamedFile

logger = logging.getLogger(__name__)

MAX_FILES = 5  # of a canned reply
MAX_SENT_AT_ONCE = 20  # files of canned replies in one reply
UNSAVED_FOR = timedelta(days=1)
CLEANING_TASK = "tickets.tasks.delete_unsaved_canned_files"
TOO_MANY = sentence("A canned reply may have at most %(most)s files. Remove some, or choose fewer.", most=MAX_FILES)
NO_LONGER_KEPT = sentence(
    "A file that you had added is no longer kept, because the form was open for long. Choose it again."
)
NOT_AVAILABLE = sentence(
    "A file of a canned reply is no longer available to you. Remove it from your reply, or attach the file yourself."
)

Files = QuerySet[CannedReplyFile, CannedReplyFile]


@dataclass(frozen=True)
class Changes:
    """What a form does with the files of a canned reply: ids of those that it adds and of those that it removes."""

    added: Sequence[int] = ()
    removed: Sequence[int] = ()


def unsaved_of(user: User) -> Files:
    """Return the files that the user has uploaded into forms which are not saved yet."""
    return CannedReplyFile.objects.filter(reply=None, added_by=user)


def upload(user: User, files: Sequence[NamedFile]) -> tuple[list[CannedReplyFile], list[str]]:
    """Store the files that may be sent, without a canned reply; return them, and a sentence for each of the others."""
    stored, refusals = [], []
    for file in files:
        checked, refused = outgoing_files.check([file])
        refusals += refused
        with undone_on_failure():
            for one in checked:
                row = outgoing_files.store(CannedReplyFile(added_by=user), file, one)
                row.save()
                stored.append(row)
    return stored, refusals


def change(by: User, reply: CannedReply, changes: Changes) -> bool:
    """Add and remove files of a canned reply whose row is locked; return whether there was one. Raises Refused."""
    removed = CannedReplyFile.objects.filter(reply=reply, pk__in=changes.removed).delete()[0]
    wanted = set(changes.added) - set(changes.removed)
    added = unsaved_of(by).filter(pk__in=wanted).update(reply=reply)
    files = CannedReplyFile.objects.filter(reply=reply)
    if files.filter(pk__in=wanted).count() < len(wanted):
        raise Refused(NO_LONGER_KEPT, field="new_files")
    if added and files.count() > MAX_FILES:
        raise Refused(TOO_MANY, field="new_files")
    unsaved_of(by).filter(pk__in=changes.removed).delete()
    return bool(removed or added)


@contextmanager
def opened(usable: QuerySet[CannedReply, CannedReply], ids: Iterable[int]) -> Iterator[list[NamedFile]]:
    """Open the files with these ids, in this order. Raises Refused unless all belong to canned replies in `usable`."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_SENT_AT_ONCE:
        raise Refused(
            sentence(
                "At most %(most)s files of canned replies can be sent at once. Remove some.", most=MAX_SENT_AT_ONCE
            )
        )
    rows = CannedReplyFile.objects.filter(reply__in=usable).in_bulk(wanted) if wanted else {}
    if len(rows) < len(wanted):
        raise Refused(NOT_AVAILABLE)
    with ExitStack() as stack:
        files: list[NamedFile] = []
        for row in map(rows.__getitem__, wanted):
            try:
                content = stack.enter_context(default_storage.open(row.file.name or "", "rb"))
            except FileNotFoundError:
                missing = sentence(
                    "“%(file)s” is missing from the storage. Remove it from your reply, or attach it yourself.",
                    file=row.name,
                )
                raise Refused(missing) from None
            files.append(File(content, name=row.name))
        yield files


def delete_unsaved() -> int:
    """Delete the files of forms that were not saved within a day; return how many rows there were."""
    old = CannedReplyFile.objects.filter(reply=None, added_at__lt=timezone.now() - UNSAVED_FOR)
    with transaction.atomic():
        locked = list(old.order_by("pk").select_for_update().values_list("pk", flat=True))
        return CannedReplyFile.objects.filter(pk__in=locked).delete()[0]


def connect() -> None:
    """Let the content go with its row, whatever deletes it. Call it from `AppConfig.ready()`."""
    post_delete.connect(_row_deleted, sender=CannedReplyFile, dispatch_uid="delete_canned_reply_file")


def _row_deleted(instance: CannedReplyFile, **_kwargs: Any) -> None:
    transaction.on_commit(partial(_delete_content, instance.file.name or ""))


def _delete_content(name: str) -> None:
    try:
        default_storage.delete(name)
    except OSError:  # verify_integrity finds it: no row names it
        logger.exception("The file %s of a canned reply could not be deleted", name)
