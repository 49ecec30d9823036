"""The files in the storage, in the media folder or in a bucket: which there are, and how a restore puts them there."""

import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage, storages

from desk.errors import Refused

if TYPE_CHECKING:
    from desk.object_storage import ObjectStorage  # which imports boto3

#: In the storage itself, so that in a media folder it is on the same disk, also when that is a link or a mounted disk.
STAGING = ".restore"
MARK = f"{STAGING}/under-way"
NO_FOLDER = "The media folder does not exist, although rows name files in it. Is its disk mounted?"


@dataclass(frozen=True)
class FileFacts:
    """The size of a file in bytes, and when it was written (seconds since 1970)."""

    size: int
    written_at: float


class Storage(Protocol):
    """What backup, restore and verification need of a storage."""

    label: str

    def problem(self) -> str:
        """Return why no file can be found, as a sentence; "" when they can."""

    def names(self) -> Iterator[str]:
        """Yield the name of every file, as rows name them, without what belongs to a restore."""

    def facts(self, name: str) -> FileFacts:
        """Return the facts of a file. Raises OSError."""

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""

    def locked(self) -> AbstractContextManager[None]:
        """Let one restore at a time use the storage. Raises Refused."""

    def restore_was_interrupted(self) -> bool:
        """Return whether a restore began here and did not end."""

    def mark(self) -> None:
        """Mark the installation as being restored, until `unmark`."""

    def stage(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file of a restore."""

    def put_in_place(self) -> None:
        """Give the staged files their names, and make that durable."""

    def unmark(self) -> None:
        """End the restore."""

    def clear(self) -> None:
        """Delete everything: what a restore has put there. Nothing else was there when it began."""


def storage() -> Storage:
    """Return the storage of this installation."""
    return MediaFolder() if isinstance(default_storage, FileSystemStorage) else Bucket()


class MediaFolder:
    """A folder of this machine. Files are staged in a folder inside it."""

    def __init__(self) -> None:
        self.root = Path(settings.MEDIA_ROOT).resolve()  # need not exist
        self.label = f"media folder {self.root}"

    def problem(self) -> str:
        return "" if self.root.is_dir() else NO_FOLDER

    def names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.root):
            if Path(folder) == self.root and STAGING in folders:
                folders.remove(STAGING)
            folders.sort()
            for file in sorted(files):
                yield (Path(folder) / file).relative_to(self.root).as_posix()

    def facts(self, name: str) -> FileFacts:
        found = (self.root / name).stat()
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError(0, "it is not a file")
        return FileFacts(found.st_size, found.st_mtime)

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root, os.O_RDONLY)
        except OSError as error:
            raise Refused(f"The {self.label} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Refused(f"Another restore into the {self.label} is under way.") from None
        finally:
            os.close(descriptor)

    def restore_was_interrupted(self) -> bool:
        return (self.root / STAGING).is_dir()

    def mark(self) -> None:
        (self.root / STAGING).mkdir(parents=True)

    def stage(self, name: str, chunks: Iterable[bytes]) -> None:
        write_new(self.root / STAGING / name, chunks)

    def put_in_place(self) -> None:
        for entry in sorted((self.root / STAGING).iterdir()):
            target = self.root / entry.name
            if target.is_dir():  # an empty one: the folder was checked
                shutil.rmtree(target)
            entry.rename(target)
        sync_folder(self.root)

    def unmark(self) -> None:
        (self.root / STAGING).rmdir()
        sync_folder(self.root)

    def clear(self) -> None:
        # The mark of the restore goes last: an interruption here can be told too.
        entries = sorted(self.root.iterdir(), key=lambda entry: entry.name == STAGING) if self.root.is_dir() else ()
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


#: A restore renews its mark in the bucket this often. When nobody did for ABANDONED_AFTER_S, it was interrupted.
RENEW_EVERY_S, ABANDONED_AFTER_S = 15, 120


class Bucket:
    """A storage without folders and renaming. Files get their names at once; until `unmark` an object says so.

    The restore that is under way renews this object, so that another one does not take it for an interrupted one.
    """

    _mark_lock = threading.Lock()
    _is_marked = False  # by this process

    label = "bucket for files"

    def problem(self) -> str:
        from desk import object_storage  # which imports boto3

        bucket = object_storage.in_use()
        return object_storage.problem(bucket) if bucket else ""

    def names(self) -> Iterator[str]:
        folders = [""]
        while folders:
            folder = folders.pop()
            inside, files = default_storage.listdir(folder)
            folders += [f"{folder}{name}/" for name in inside if f"{folder}{name}" != STAGING]
            yield from (f"{folder}{name}" for name in sorted(files) if name)

    def facts(self, name: str) -> FileFacts:
        return FileFacts(default_storage.size(name), default_storage.get_modified_time(name).timestamp())

    def delete(self, name: str) -> None:
        default_storage.delete(name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        try:
            age = self._bucket().age_s(MARK)
        except FileNotFoundError:
            age = ABANDONED_AFTER_S
        if age < ABANDONED_AFTER_S:
            raise Refused(
                f"Another restore into the {self.label} is under way, or was interrupted {age:.0f} seconds ago. Let it "
                f"end; when none runs, try again in {ABANDONED_AFTER_S} seconds."
            )
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(ended,), name="restore-mark", daemon=True)
        renewal.start()
        try:
            yield
        finally:
            ended.set()
            renewal.join()
            type(self)._is_marked = False

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW_EVERY_S):
            with self._mark_lock, suppress(OSError):  # the next time, or the mark grows too old
                if self._is_marked:
                    self._put_mark(new=False)

    def _put_mark(self, *, new: bool) -> None:
        self._bucket().put(MARK, b"manage.py restore has not ended.", new=new)

    def _bucket(self) -> "ObjectStorage":
        return cast("ObjectStorage", storages["default"])

    def restore_was_interrupted(self) -> bool:
        return default_storage.exists(MARK)

    def mark(self) -> None:
        with self._mark_lock:
            try:
                self._put_mark(new=True)
            except FileExistsError:
                raise Refused(f"Another restore into the {self.label} has just begun.") from None
            type(self)._is_marked = True

    def stage(self, name: str, chunks: Iterable[bytes]) -> None:
        with tempfile.TemporaryFile() as file:
            for chunk in chunks:
                file.write(chunk)
            file.seek(0)
            stored = default_storage.save(name, File(file))
        if stored != name:
            default_storage.delete(stored)
            raise OSError(0, f"the bucket has a file {name} already")

    def put_in_place(self) -> None:
        """Do nothing: they have their names."""

    def unmark(self) -> None:
        with self._mark_lock:
            type(self)._is_marked = False
            default_storage.delete(MARK)

    def clear(self) -> None:
        for name in list(self.names()):
            default_storage.delete(name)
        self.unmark()


def write_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and make it durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        for chunk in chunks:
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
