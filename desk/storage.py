"""Store files so that nothing half-written stays: neither part of a file, nor a file that no row points to."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage

_saved: ContextVar[list[str] | None] = ContextVar("saved_files", default=None)


class SavedFiles:
    """Mixin of a storage: remembers what was saved, for `undone_on_failure`."""

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        """Save a file and return its name."""
        stored: str = super().save(name, content, max_length)  # type: ignore[misc]  # of the storage
        saved = _saved.get()
        if saved is not None:
            saved.append(stored)
        return stored


class FileStorage(SavedFiles, FileSystemStorage):
    """The media folder. A file that cannot be written to its end is deleted."""

    def _save(self, name: str, content: "File[Any]") -> str:
        existed = self.exists(name)
        try:
            return super()._save(name, content)  # type: ignore[misc]  # missing in django-stubs
        except BaseException:
            if not existed:
                with suppress(OSError):
                    self.delete(name)
            raise


@contextmanager
def undone_on_failure() -> Iterator[None]:
    """Delete the files that were saved inside when it ends with an exception: a rollback does not delete files."""
    saved: list[str] = []
    token = _saved.set(saved)
    try:
        yield
    except BaseException:
        for name in saved:
            with suppress(OSError):
                default_storage.delete(name)
        raise
    finally:
        _saved.reset(token)
