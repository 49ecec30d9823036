"""The archive: a ZIP file with the tables, the files, a list of the files, and a manifest with a digest of each.

    tables/<table>.jsonl   the rows (desk.backup.rows)
    files/<name>           a file by its name in the storage, not compressed
    files.jsonl            of each file that a row refers to: name, size and sha256, or why it is missing
    manifest.json          the last member: what makes the archive complete

A ZIP file ends with a table of contents, so that a truncated archive cannot be opened.
"""

import hashlib
import json
import stat
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from desk.errors import Refused

FORMAT = 1
MANIFEST, FILE_LIST = "manifest.json", "files.jsonl"
MAX_MANIFEST_BYTES = 4_000_000
CHUNK = 1024 * 1024  # bytes


class ArchiveError(Refused):
    """The archive cannot be used: damaged, changed, or not an archive of Desk."""


@dataclass
class TableEntry:
    """What the manifest says about a table: `size` in bytes, `last_number` the highest id ever given out."""

    columns: list[str]
    rows: int
    size: int
    sha256: str
    last_number: int | None = None


@dataclass
class FilesEntry:
    """What the manifest says about the files: how many are stored, their bytes, how many could not be; the list."""

    count: int = 0
    bytes: int = 0
    missing: int = 0
    list_size: int = 0
    list_sha256: str = ""


@dataclass
class Manifest:
    """Where and when the archive was made, and the digest of each part.

    `migrations` are the newest applied ones of each app. `key_check` is a known text encrypted like a token.
    """

    desk: str
    made_at: str
    database: str
    migrations: dict[str, list[str]]
    key_check: str
    tables: dict[str, TableEntry] = field(default_factory=dict)
    files: FilesEntry = field(default_factory=FilesEntry)
    format: int = FORMAT


@dataclass
class FileEntry:
    """A file that a row refers to. `missing` says why it is not in the archive; "" when it is."""

    name: str
    size: int = 0
    sha256: str = ""
    missing: str = ""


def table_member(table: str) -> str:
    return f"tables/{table}.jsonl"


def file_member(name: str) -> str:
    return f"files/{name}"


class DigestWriter:
    """Pass bytes on, and count and digest them."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self._target.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Writer:
    """Write an archive to `target`, which need not be seekable."""

    def __init__(self, target: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(target, "w", allowZip64=True)

    @contextmanager
    def member(self, name: str, *, compress: bool = True) -> Iterator[DigestWriter]:
        """Open a new member; its bytes need not be known beforehand."""
        info = zipfile.ZipInfo(name, time.localtime()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        with self._zip.open(info, "w", force_zip64=True) as target:
            yield DigestWriter(target)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and the table of contents."""
        with self.member(MANIFEST) as target:
            target.write(json.dumps(asdict(manifest), indent=1).encode())
        self._zip.close()

    def abandon(self) -> None:
        """Write nothing more, also not when this object is collected."""
        self._zip.fp = None


class Reader:
    """Read an archive. The constructor checks the manifest and that exactly the members it names are there."""

    def __init__(self, source: IO[bytes]) -> None:
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError):
            raise ArchiveError(
                "This file is not a backup of Desk, or its end is missing. Compare its size with the original, and "
                "copy it again."
            ) from None
        self._members = self._check_members()
        self.manifest = self._read_manifest()
        self._check_contents()

    def _check_members(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if not is_safe(info.filename) or kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
                raise ArchiveError(
                    f"The archive has the member {info.filename!r}, which no backup has. Nothing was restored."
                )
            if info.filename in members:
                raise ArchiveError(f"The archive has the member {info.filename!r} twice. Nothing was restored.")
            members[info.filename] = info
        return members

    def _read_manifest(self) -> Manifest:
        damaged = ArchiveError("The archive has no readable manifest.json: it is not a backup of Desk, or was changed.")
        info = self._members.get(MANIFEST)
        if info is None or info.file_size > MAX_MANIFEST_BYTES:
            raise damaged
        try:
            with self._opened(MANIFEST) as source:
                values = json.loads(source.read(MAX_MANIFEST_BYTES))
            if values["format"] > FORMAT:
                raise ArchiveError(
                    f"This backup was made by a newer Desk ({values['desk']}). Install that version, then restore."
                )
            tables = {name: TableEntry(**entry) for name, entry in values.pop("tables").items()}
            return Manifest(**{**values, "tables": tables, "files": FilesEntry(**values["files"])})
        except (KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile, OSError):
            raise damaged from None

    def _check_contents(self) -> None:
        expected = {MANIFEST, FILE_LIST, *map(table_member, self.manifest.tables)}
        if missing := sorted(expected - self._members.keys()):
            raise ArchiveError(f"The archive lacks {missing[0]!r}. It was changed; nothing was restored.")
        seen = 0
        names: set[str] = set()
        for entry in self.files():
            member = file_member(entry.name)
            if entry.name in names or (not is_safe(entry.name) and not entry.missing):
                raise ArchiveError(
                    f"The archive's list of files has a wrong line: {entry.name!r}. Nothing was restored."
                )
            names.add(entry.name)
            if entry.missing:
                continue
            if member not in self._members:
                raise ArchiveError(f"The archive lacks {member!r}. It was changed; nothing was restored.")
            expected.add(member)
            seen += 1
        if unknown := sorted(self._members.keys() - expected):
            raise ArchiveError(
                f"The archive has the member {unknown[0]!r}, which its manifest does not name. It was changed; nothing "
                "was restored."
            )
        if seen != self.manifest.files.count:
            raise ArchiveError("The archive's list of files and its manifest differ. It was changed.")

    def rows(self, table: str) -> Iterator[list[Any]]:
        """Yield the rows of a table."""
        for line in self._lines(table_member(table)):
            yield json.loads(line)

    def files(self) -> Iterator[FileEntry]:
        """Yield the lines of the list of files, checked against its digest at the end."""
        entry = self.manifest.files
        try:
            for line in self._lines(FILE_LIST, size=entry.list_size, sha256=entry.list_sha256):
                yield FileEntry(**json.loads(line))
        except (TypeError, ValueError):
            raise ArchiveError("The archive's list of files cannot be read. It was changed.") from None

    def chunks(self, member: str, *, size: int, sha256: str) -> Iterator[bytes]:
        """Yield the bytes of a member. Raise ArchiveError when they are not those that the manifest promises."""
        digest, left = hashlib.sha256(), size
        damaged = ArchiveError(f"{member!r} in the archive is damaged or was changed. Nothing was restored.")
        try:
            with self._opened(member) as source:
                while chunk := source.read(min(CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        break
                    digest.update(chunk)
                    yield chunk
        except (zipfile.BadZipFile, zipfile.zlib.error, EOFError, NotImplementedError):  # type: ignore[attr-defined]
            raise damaged from None
        if left or digest.hexdigest() != sha256:
            raise damaged

    def verify(self) -> None:
        """Read everything and compare every digest and every number of rows with the manifest."""
        for table, entry in self.manifest.tables.items():
            member, rows = table_member(table), 0
            for chunk in self.chunks(member, size=entry.size, sha256=entry.sha256):
                rows += chunk.count(b"\n")
            if rows != entry.rows:
                raise ArchiveError(f"{member!r} in the archive is damaged or was changed. Nothing was restored.")
        for file in self.files():
            if not file.missing:
                for _chunk in self.chunks(file_member(file.name), size=file.size, sha256=file.sha256):
                    pass

    def _opened(self, member: str) -> IO[bytes]:
        return self._zip.open(self._members[member])

    def _lines(self, member: str, *, size: int | None = None, sha256: str = "") -> Iterator[bytes]:
        if size is None:
            entry = self.manifest.tables[member.removeprefix("tables/").removesuffix(".jsonl")]
            size, sha256 = entry.size, entry.sha256
        rest: list[bytes] = []
        for chunk in self.chunks(member, size=size, sha256=sha256):
            *lines, tail = chunk.split(b"\n")
            for line in lines:
                yield b"".join([*rest, line])
                rest = []
            rest.append(tail)
        if any(rest):
            raise ArchiveError(f"{member!r} in the archive ends in the middle of a line. It was changed.")


def is_safe(name: str) -> bool:
    """Return whether a name stays inside the folder it is unpacked to: relative, without `..`, `\\` or NUL."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and not set(name) & {"\\", "\0", "\n"}


def digest_of(lines: Iterable[bytes]) -> tuple[int, int, str]:
    """Return the number of lines, their bytes and their SHA-256."""
    digest, count, size = hashlib.sha256(), 0, 0
    for line in lines:
        digest.update(line)
        count, size = count + 1, size + len(line)
    return count, size, digest.hexdigest()
