"""An archive that is not exactly what its manifest says is refused."""

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from desk.backup.archive import (
    ArchiveError,
    FileEntry,
    FilesEntry,
    Manifest,
    Reader,
    TableEntry,
    Writer,
    digest_of,
    file_member,
    table_member,
)
from tests.desk.backup.installation import changed

FILE = os.urandom(3_000_000)  # several chunks


def make() -> bytes:
    """Return an archive with one table and one file."""
    target = io.BytesIO()
    writer = Writer(target)
    manifest = Manifest("1.0.0", "2026-11-20T12:00:00+00:00", "sqlite", {}, "")
    lines = [f"[{number}]\n".encode() for number in range(3)]
    with writer.member(table_member("things")) as member:
        for line in lines:
            member.write(line)
    manifest.tables["things"] = TableEntry(["id"], *digest_of(lines))
    with writer.member(file_member("a/b.png"), compress=False) as member:
        member.write(FILE)
    entries = [FileEntry("a/b.png", member.size, member.sha256), FileEntry("gone", missing="The file does not exist.")]
    with writer.member("files.jsonl") as member:
        for entry in entries:
            member.write(json.dumps(vars(entry)).encode() + b"\n")
    manifest.files = FilesEntry(1, len(FILE), 1, member.size, member.sha256)
    writer.finish(manifest)
    return target.getvalue()


def read_all(archive: bytes) -> Reader:
    reader = Reader(io.BytesIO(archive))
    reader.verify()
    return reader


@pytest.fixture(scope="module")
def archive() -> bytes:
    return make()


def test_what_was_written_is_read(archive: bytes) -> None:
    reader = read_all(archive)
    assert list(reader.rows("things")) == [[0], [1], [2]]
    [file, gone] = reader.files()
    assert b"".join(reader.chunks("files/a/b.png", size=file.size, sha256=file.sha256)) == FILE
    assert (gone.name, gone.missing) == ("gone", "The file does not exist.")


@pytest.mark.parametrize("kept", [0, 10, 2_000_000, -1, -30])
def test_a_truncated_archive_is_refused(archive: bytes, kept: int) -> None:
    with pytest.raises(ArchiveError, match=r"its end is missing"):
        read_all(archive[:kept])


def manifest_with(members: dict[str, bytes], **values: Any) -> None:
    members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | values).encode()


Members = dict[str, bytes]
CHANGED_ROWS, CHANGED_FILE = r"tables/things\.jsonl' .* changed", r"files/a/b\.png' .* changed"


def put(name: str, content: bytes) -> Callable[[Members], None]:
    return lambda members: members.update({name: content})


def remove(name: str) -> Callable[[Members], object]:
    return lambda members: members.pop(name)


CHANGES: dict[str, tuple[Callable[[Members], object], str]] = {
    "a row": (put("tables/things.jsonl", b"[0]\n[1]\n[9]\n"), CHANGED_ROWS),
    "a row less": (put("tables/things.jsonl", b"[0]\n[1]\n"), CHANGED_ROWS),
    "a row more": (put("tables/things.jsonl", b"[0]\n[1]\n[2]\n[3]\n"), CHANGED_ROWS),
    "a byte of a file": (put("files/a/b.png", FILE[:-1] + b"x"), CHANGED_FILE),
    "the end of a file": (put("files/a/b.png", FILE[:-1]), CHANGED_FILE),
    "the list of files": (put("files.jsonl", b"{}\n"), "list of files cannot be read"),
    "a table gone": (remove("tables/things.jsonl"), "lacks 'tables/things.jsonl'"),
    "a file gone": (remove("files/a/b.png"), "lacks 'files/a/b.png'"),
    "no list": (remove("files.jsonl"), "lacks 'files.jsonl'"),
    "no manifest": (remove("manifest.json"), "no readable manifest"),
    "a manifest of nonsense": (put("manifest.json", b"[]"), "no readable manifest"),
    "a file too many": (put("files/evil.png", b"x"), "'files/evil.png', which its manifest does not name"),
    "a table too many": (put("tables/x.jsonl", b""), "'tables/x.jsonl', which its manifest does not name"),
    "a way out": (put("files/../../evil", b"x"), "which no backup has"),
    "an absolute name": (put("/etc/evil", b"x"), "which no backup has"),
    "a backslash": (put("files/..\\evil", b"x"), "which no backup has"),
    "a newer format": (lambda members: manifest_with(members, format=2, desk="9.0"), r"newer Desk \(9\.0\)"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_archive_is_refused(archive: bytes, name: str) -> None:
    change, sentence = CHANGES[name]
    with pytest.raises(ArchiveError, match=sentence):
        read_all(changed(archive, change))


def appended(archive: bytes, info: zipfile.ZipInfo) -> bytes:
    target = io.BytesIO(archive)
    with zipfile.ZipFile(target, "a") as copy:
        copy.writestr(info, b"/etc/passwd")
    return target.getvalue()


def test_a_symbolic_link_is_refused(archive: bytes) -> None:
    link = zipfile.ZipInfo("files/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArchiveError, match="'files/link', which no backup has"):
        read_all(appended(archive, link))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(archive: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"'files/a/b\.png' twice"):
        read_all(appended(archive, zipfile.ZipInfo("files/a/b.png")))


def test_the_sizes_and_digests_of_the_list_do_not_decide_where_a_file_goes(archive: bytes) -> None:
    """Also a list with a right digest must not name a file outside."""

    def change(members: dict[str, bytes]) -> None:
        line = members["files.jsonl"].replace(b"a/b.png", b"../../b")
        size, digest = digest_of([line])[1:]
        files = json.loads(members["manifest.json"])["files"] | {"list_size": size, "list_sha256": digest}
        members["files.jsonl"] = line
        manifest_with(members, files=files)

    with pytest.raises(ArchiveError, match="wrong line"):
        read_all(changed(archive, change))
