"""Make a backup while Desk runs."""

import errno
import json
import os
import secrets
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import IO

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from desk import __version__
from desk.backup import key_check, migration_state, rows, storage_files
from desk.backup.archive import (
    CHUNK,
    FILE_LIST,
    FileEntry,
    Manifest,
    TableEntry,
    Writer,
    file_member,
    is_safe,
    table_member,
)
from desk.errors import Refused
from desk.snapshot import snapshot

GONE = "The file does not exist."


def write_file(path: Path) -> tuple[Manifest, list[FileEntry]]:
    """Write a new archive to `path`, readable only by its owner. Return its manifest and the files it lacks.

    The archive has its name only when it is complete and on the disk. Raises Refused, and then leaves nothing.
    """
    if path.exists() or path.is_symlink():
        raise Refused(f"{path} exists already. A backup overwrites nothing: choose another name.")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Refused(f"{path.parent} cannot be written to: {error.strerror}.") from None
    try:
        with os.fdopen(descriptor, "wb") as target:
            result = write(target)
            target.flush()
            os.fsync(target.fileno())
        _publish(partial, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise Refused(
                f"{path} does not fit on its disk ({error.strerror}). Nothing was left there: free some space, or "
                "choose another disk."
            ) from None
        raise Refused(f"The backup could not be written ({error}). Nothing was left.") from error
    finally:
        partial.unlink(missing_ok=True)
    return result


def _publish(partial: Path, path: Path) -> None:
    """Give the archive its name, unless somebody else has made a file of that name meanwhile."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise Refused(f"{path} was made by somebody else meanwhile. Choose another name.") from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise Refused(f"{path} was made by somebody else meanwhile. Choose another name.") from None
        partial.rename(path)
    storage_files.sync_folder(path.parent)


def write_stdout() -> tuple[Manifest, list[FileEntry]]:
    """Write an archive to the standard output, for a pipe."""
    if sys.stdout.isatty():
        raise Refused("A backup cannot be shown on a terminal. Send it to a program or a file: … backup - | ssh …")
    result = write(sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return result


def write(target: IO[bytes]) -> tuple[Manifest, list[FileEntry]]:
    """Write an archive: the tables of one moment, then the files that their rows name."""
    writer = Writer(target)
    try:
        with tempfile.TemporaryFile("w+") as names:
            with snapshot():
                manifest = Manifest(
                    desk=__version__,
                    made_at=timezone.now().isoformat(timespec="seconds"),
                    database=connection.vendor,
                    migrations=migration_state.heads(),
                    key_check=key_check.make(),
                )
                if not manifest.migrations:
                    raise Refused("The database is empty: there is nothing to back up.")
                for model in rows.tables(migration_state.apps_at(manifest.migrations)):
                    manifest.tables[model._meta.db_table] = _write_table(writer, model, names)
            names.seek(0)
            lacking = _write_files(writer, manifest, names)
        writer.finish(manifest)
    except BaseException:
        writer.abandon()
        raise
    return manifest, lacking


def _write_table(writer: Writer, model: rows.Model, names: IO[str]) -> TableEntry:
    columns = rows.file_columns(model)
    count = 0
    with writer.member(table_member(model._meta.db_table)) as target:
        for row in rows.read(model):
            target.write(rows.line_of(row))
            count += 1
            for column in columns:
                if row[column]:
                    names.write(json.dumps(row[column]) + "\n")
    return TableEntry(rows.columns_of(model), count, target.size, target.sha256, rows.last_number(model))


def _write_files(writer: Writer, manifest: Manifest, names: IO[str]) -> list[FileEntry]:
    """Write the named files and their list; return those that could not be stored."""
    lacking, files = [], manifest.files
    seen: set[str] = set()
    with tempfile.TemporaryFile("w+b") as lines:
        for line in names:
            name = json.loads(line)
            if name in seen:
                continue
            seen.add(name)
            entry = _write_one(writer, name)
            if entry.missing:
                lacking.append(entry)
                files.missing += 1
            else:
                files.count, files.bytes = files.count + 1, files.bytes + entry.size
            lines.write(json.dumps(asdict(entry)).encode() + b"\n")
        lines.seek(0)
        with writer.member(FILE_LIST) as target:
            while chunk := lines.read(CHUNK):
                target.write(chunk)
    files.list_size, files.list_sha256 = target.size, target.sha256
    return lacking


def _write_one(writer: Writer, name: str) -> FileEntry:
    try:
        if not is_safe(name):
            raise SuspiciousFileOperation
        source = default_storage.open(name)
    except FileNotFoundError:
        return FileEntry(name, missing=GONE)
    except OSError as error:
        return FileEntry(name, missing=f"The file cannot be read: {error.strerror}.")
    except SuspiciousFileOperation:
        return FileEntry(name, missing="The name leads out of the media folder.")
    with source, writer.member(file_member(name), compress=False) as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
    return FileEntry(name, target.size, target.sha256)
