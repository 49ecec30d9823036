"""The files in the storage: what is in the folder, and a folder in it for what is being restored."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from desk.errors import Refused

#: In the media folder itself, so that it is on the same disk also when the media folder is a link or a mounted disk.
STAGING = ".restore"


def media_folder() -> Path:
    """Return the real media folder; it need not exist."""
    return Path(settings.MEDIA_ROOT).resolve()


def names() -> Iterator[str]:
    """Yield the name of every file in the media folder, as rows name them, without the folder of a restore."""
    root = media_folder()
    for folder, folders, files in os.walk(root):
        if Path(folder) == root and STAGING in folders:
            folders.remove(STAGING)
        folders.sort()
        for file in sorted(files):
            yield (Path(folder) / file).relative_to(root).as_posix()


@contextmanager
def locked() -> Iterator[None]:
    """Let one restore at a time use the media folder, which is made when it is missing. Raises Refused."""
    root = media_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise Refused(f"The media folder {root} cannot be used: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Refused("Another restore into this media folder is under way.") from None
    finally:
        os.close(descriptor)


def restore_was_interrupted() -> bool:
    """Return whether a restore began here and did not end."""
    return (media_folder() / STAGING).is_dir()


def clear() -> None:
    """Delete everything in the media folder: what a restore has put there. Nothing else was there when it began."""
    root = media_folder()
    # The mark of the restore goes last: an interruption here can be told too.
    for entry in sorted(root.iterdir(), key=lambda entry: entry.name == STAGING) if root.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def put_in_place() -> None:
    """Move what was staged to its names in the media folder, and make that durable."""
    root = media_folder()
    for entry in sorted((root / STAGING).iterdir()):
        target = root / entry.name
        if target.is_dir():  # an empty one: the folder was checked
            shutil.rmtree(target)
        entry.rename(target)
    sync_folder(root)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mark() -> Path:
    """Create the folder of a restore, which marks the installation until `unmark`; return it."""
    staging = media_folder() / STAGING
    staging.mkdir(parents=True)
    return staging


def unmark() -> None:
    """End the restore: its folder is empty by now."""
    (media_folder() / STAGING).rmdir()
    sync_folder(media_folder())


def write_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and make it durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        for chunk in chunks:
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
