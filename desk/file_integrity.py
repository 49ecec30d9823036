"""Compare rows with files: files that rows name and that do not exist, and files that no row names."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

from django.apps import apps
from django.db.models import FileField, Model

from desk.backup import storage_files
from desk.integrity import Finding, Wishes, key_ranges


def check_files(wishes: Wishes) -> Iterator[Finding]:
    """Find missing files, files of another size than their row says, and files that no row names.

    Nothing can compute a file again: missing ones stay findings. A file that no row names is deleted only on request,
    and only when it is older than `wishes.orphan_age`; younger ones are not reported, since a file is stored before its
    row. The names are kept in a temporary table on the disk.
    """
    storage = storage_files.storage()
    with closing(sqlite3.connect("")) as named:  # "": a temporary database on the disk
        named.execute("CREATE TABLE file (name TEXT PRIMARY KEY) WITHOUT ROWID")
        problem = storage.problem()
        for model, field in _file_fields():
            for pk, name, size in _named_files(model, field):
                named.execute("INSERT OR IGNORE INTO file VALUES (?)", [name])
                if problem:
                    yield Finding(storage.label, problem)
                    return
                if sentence := _compare(storage, name, size):
                    yield Finding(f"{model._meta.label} {pk}", f"{field.name}: {sentence}")
        yield from _orphans(storage, named, wishes)


def _file_fields() -> list[tuple[type[Model], FileField]]:
    return [
        (model, field)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, FileField) and not model._meta.proxy
    ]


def _named_files(model: type[Model], field: FileField) -> Iterator[tuple[object, str, int | None]]:
    """Yield the key, the file's name and its size. A column `size` beside a file has the file's bytes."""
    sizes = ["size"] if any(other.name == "size" for other in model._meta.concrete_fields) else []
    for part in key_ranges(model):
        rows = model._base_manager.filter(part).exclude(**{field.name: ""}).order_by("pk")
        for pk, name, *size in rows.values_list("pk", field.name, *sizes):
            yield pk, str(name), size[0] if size else None


def _compare(storage: storage_files.Storage, name: str, size: int | None) -> str:
    """Return what is wrong with a file, or ""."""
    try:
        found = storage.facts(name)
    except FileNotFoundError:
        return f"the file {json.dumps(name)} is missing"  # English only: for the console
    except OSError as error:
        why = error.strerror or error
        return f"the file {json.dumps(name)} cannot be read ({why})"  # English only: for the console
    if size is not None and found.size != size:
        return f"the file {json.dumps(name)} has {found.size} bytes instead of {size}"  # English only: for the console
    return ""


def _orphans(storage: storage_files.Storage, named: sqlite3.Connection, wishes: Wishes) -> Iterator[Finding]:
    now = time.time()
    for name in storage.names():
        if named.execute("SELECT 1 FROM file WHERE name = ?", [name]).fetchone():
            continue
        try:
            found = storage.facts(name)
        except OSError:
            continue  # deleted meanwhile
        if now - found.written_at < wishes.orphan_age.total_seconds():
            continue
        days = (now - found.written_at) / 86_400
        sentence = f"no row names this file of {found.size} bytes, {days:.1f} days old"  # English only: for the console
        if wishes.delete_orphans and not _is_named_now(name):
            storage.delete(name)
            yield Finding(name, f"{sentence}; deleted", mended=True)
        else:
            yield Finding(name, sentence)


def _is_named_now(name: str) -> bool:
    return any(model._base_manager.filter(**{field.name: name}).exists() for model, field in _file_fields())
