"""Restore a backup into an empty installation: everything, or nothing.

The order is what makes it safe. The archive is read and checked completely before anything changes. The files are
unpacked into a folder of their own inside the media folder, or into the bucket beside a mark; both mark the
installation as being restored. All rows are written in one transaction; the files get their names just before it is
committed. Whatever stops the restore before that leaves no rows, and the next restore removes the files. `check`
reports an interrupted restore, and so does `preflight`, so that nobody serves it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.apps import apps as current_apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from desk import __version__, health, key_rotation
from desk.backup import after_restore, key_check, migration_state, rows, storage_files
from desk.backup.archive import ArchiveError, Manifest, Reader, digest_of, file_member
from desk.errors import Refused
from desk.models import Heartbeat

OTHER_KEY = (
    "This backup was made with another DESK_SECRET_KEY, which this installation does not have: it cannot read the "
    "Facebook tokens and webhook secrets in it. They are restored as they are: set DESK_SECRET_KEY to the key of the "
    "old installation, or add that key to DESK_SECRET_KEY_FALLBACKS, and they can be read. Otherwise every Page must "
    "be re-authenticated, every webhook secret renewed, and receipts of erased people cannot be found by page-scoped "
    "id."
)
COMMITTED = "restore of"


@dataclass
class Restored:
    """What was restored: the manifest, and sentences for whoever restores."""

    manifest: Manifest
    warnings: list[str] = field(default_factory=list)


def restore(source: IO[bytes], *, moved: bool = False, say: Callable[[str], None] = lambda _text: None) -> Restored:
    """Restore the archive in `source` (seekable). Raises Refused, and then nothing was restored.

    `moved` says that the old Desk was stopped before the backup. `say` gets a line for each step. When an earlier
    restore of the same backup was interrupted after its rows were committed, what is left of it is done.
    """
    reader = Reader(source)
    manifest = reader.manifest
    result = Restored(manifest)
    _refuse_newer(manifest)
    with storage_files.storage().locked():
        if not _rows_are_committed(manifest):
            _refuse_used_target()
            if not key_check.fits(manifest.key_check):
                result.warnings.append(OTHER_KEY)
            say("Checking the archive …")
            reader.verify()
            _prepare_tables(manifest)
            with _staged_files(reader, say):
                say("Restoring the rows …")
                _restore_rows(reader)
            ContentType.objects.clear_cache()
        say("Applying the migrations that are newer than the backup …")
        call_command("migrate", verbosity=0, interactive=False)
        with transaction.atomic():
            result.warnings += after_restore.run(after_restore.Circumstances(manifest.made_at, moved))
            Heartbeat.objects.filter(name__startswith=COMMITTED).delete()
        storage_files.storage().unmark()
    result.warnings += [
        f"{column.unreadable} values of {column} cannot be decrypted with any key of this installation."
        for column in key_rotation.inspect()
        if column.unreadable
    ]
    return result


def _rows_are_committed(manifest: Manifest) -> bool:
    """Return whether an interrupted restore of this backup got so far that its rows and files are in place."""
    if not (storage_files.storage().restore_was_interrupted() and migration_state.has_tables()):
        return False
    return Heartbeat.objects.filter(name=_committed_mark(manifest)).exists()


def _committed_mark(manifest: Manifest) -> str:
    """Return the name of the row of Heartbeat, a table that no archive contains, that tells which backup this is."""
    return f"{COMMITTED} {manifest.made_at}"[:50]


def _refuse_newer(manifest: Manifest) -> None:
    if unknown := migration_state.unknown(manifest.migrations):
        raise Refused(
            f"This backup was made by a newer Desk ({manifest.desk}; this is {__version__}): it needs the migration "
            f"{'.'.join(unknown[0])}. Install that version, then restore."
        )


def _refuse_used_target() -> None:
    """Raise Refused unless database and media folder are empty, or contain only what an interrupted restore left."""
    if migration_state.has_tables():
        if not migration_state.is_current():
            raise Refused("The tables of this database are of another version. Run manage.py migrate first.")
        if table := _first_table_with_rows():
            raise Refused(
                f"The database is not empty: {table} has rows. A backup is restored into an empty database only. Set "
                "DATABASE_URL (or, for SQLite, DESK_DATA_DIR) to a new one."
            )
        recently = timezone.now() - timedelta(seconds=health.LATE_AFTER_S)
        if Heartbeat.objects.filter(name=health.WORKER, beat_at__gt=recently).exists():
            raise Refused("Desk runs on this database. Stop all its processes, wait half a minute, and restore then.")
    storage = storage_files.storage()
    if storage.restore_was_interrupted():
        storage.clear()
    if name := next(storage.names(), None):
        raise Refused(
            f"The {storage.label} is not empty: it has {name}. A backup is restored into an empty one only. Move its "
            "files away, or set DESK_DATA_DIR to a new folder (DESK_FILES_URL to a new bucket)."
        )


def _first_table_with_rows() -> str:
    for model in rows.tables(current_apps):
        table = model._meta.db_table
        if table not in rows.FILLED_BY_MIGRATE and model._base_manager.exists():
            return table
    return ""


def _prepare_tables(manifest: Manifest) -> None:
    """Give the empty database the tables that the backup's rows fit into."""
    if migration_state.has_tables() and migration_state.heads() != manifest.migrations:
        rows.drop(rows.tables(current_apps))
    try:
        migration_state.migrate_to(manifest.migrations)
    except DatabaseError as error:
        raise Refused(f"The tables cannot be made in this database ({error}). Use a new, empty database.") from error


@contextmanager
def _staged_files(reader: Reader, say: Callable[[str], None]) -> Iterator[None]:
    """Unpack the files for the block, and remove them again when it fails."""
    storage = storage_files.storage()
    try:
        storage.mark()  # raises Refused when another restore has just begun, whose files stay
    except OSError as error:
        raise Refused(f"The files could not be written ({error}). Nothing was restored.") from error
    try:
        say("Unpacking the files …")
        for entry in reader.files():
            if not entry.missing:
                chunks = reader.chunks(file_member(entry.name), size=entry.size, sha256=entry.sha256)
                storage.stage(entry.name, chunks)
        yield
    except OSError as error:
        storage.clear()
        raise Refused(f"The files could not be written ({error}). Nothing was restored.") from error
    except BaseException:
        with suppress(OSError):
            storage.clear()
        raise


def _restore_rows(reader: Reader) -> None:
    """Write all rows, compare them with the manifest, and put the files in place, in one transaction."""
    manifest = reader.manifest
    models = {model._meta.db_table: model for model in rows.tables(migration_state.apps_at(manifest.migrations))}
    if models.keys() != manifest.tables.keys():
        differing = sorted(models.keys() ^ manifest.tables.keys())
        raise ArchiveError(f"The archive and its migrations disagree about the table {differing[0]}. It was changed.")
    try:
        with transaction.atomic():
            _lock_empty(list(models.values()))
            for table, model in models.items():
                if rows.columns_of(model) != manifest.tables[table].columns:
                    raise ArchiveError(f"The columns of {table} are not those of its migrations. It was changed.")
                if table in rows.FILLED_BY_MIGRATE:
                    rows.empty(model)
            for table, model in models.items():
                try:
                    rows.write(model, reader.rows(table))
                except (DatabaseError, ValueError) as error:
                    raise Refused(
                        f"The database does not accept the rows of {table} in this backup ({error}). Nothing "
                        "was restored."
                    ) from error
                rows.set_last_number(model, manifest.tables[table].last_number or 0)
            rows.check_references()
            _compare(models, manifest)
            Heartbeat.objects.create(name=_committed_mark(manifest), beat_at=timezone.now())
            storage_files.storage().put_in_place()
    except (DatabaseError, ValueError) as error:
        raise Refused(
            f"The database does not accept the rows of this backup ({error}). Nothing was restored."
        ) from error


def _lock_empty(models: list[rows.Model]) -> None:
    """Let nobody else write until the transaction ends, and make sure that nobody has since the first check.

    On SQLite the transaction has the only write lock anyway.
    """
    if connection.vendor == "postgresql":
        names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
    for model in models:
        table = model._meta.db_table
        if table not in rows.FILLED_BY_MIGRATE and model._base_manager.exists():
            raise Refused(f"Somebody wrote to {table} meanwhile. Stop all processes of Desk, and restore then.")


def _compare(models: dict[str, rows.Model], manifest: Manifest) -> None:
    """Read back what was written: counts and digests must be those of the manifest."""
    for table, model in models.items():
        entry = manifest.tables[table]
        if digest_of(map(rows.line_of, rows.read(model))) != (entry.rows, entry.size, entry.sha256):
            raise Refused(
                f"The rows of {table}, read back from this database, differ from those in the backup. Nothing was "
                "restored."
            )


def open_archive(path: Path) -> IO[bytes]:
    """Open an archive for reading. Raises Refused."""
    try:
        return os.fdopen(os.open(path, os.O_RDONLY), "rb")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None
