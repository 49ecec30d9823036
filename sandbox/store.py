"""The state of the sandbox: tables of JSON documents in memory, saved to SQLite so that they survive a restart."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

TABLES = [
    "config",
    "people",
    "businesses",
    "pages",
    "customers",
    "psids",
    "threads",
    "messages",
    "grants",
    "tokens",
    "codes",
    "sessions",
    "subscriptions",
    "app_subscriptions",
    "uploads",
    "files",
    "deliveries",
    "faults",
    "callbacks",
    "templates",
]

Doc = dict[str, Any]


class Store:
    """Dictionaries of documents, one per table, as attributes; the next `commit` saves what `put` and `drop` changed.

    Without a `directory`, everything stays in memory. Documents are plain JSON values. After changing a document in
    place, `put` it again; otherwise the change is lost at the next start.
    """

    def __init__(self, directory: Path | None):
        self.directory = directory
        self._tables: dict[str, dict[str, Doc]] = {name: {} for name in TABLES}
        self._dirty: dict[tuple[str, str], None] = {}
        self._file_bytes: dict[str, bytes] = {}
        self._db: sqlite3.Connection | None = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "files").mkdir(exist_ok=True)
            self._open(directory / "state.sqlite3")

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        os.chmod(path, 0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS docs (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,"
            " body TEXT NOT NULL, UNIQUE (kind, id))"
        )
        for kind, key, body in self._db.execute("SELECT kind, id, body FROM docs ORDER BY seq"):
            if kind in self._tables:
                self._tables[kind][key] = json.loads(body)

    def __getattr__(self, name: str) -> dict[str, Doc]:
        if name.startswith("_") or name not in TABLES:
            raise AttributeError(name)
        return self._tables[name]

    def put(self, table: str, key: str, doc: Doc) -> Doc:
        """Store `doc` under `key` and return it."""
        self._tables[table][key] = doc
        self._dirty[(table, key)] = None
        return doc

    def drop(self, table: str, key: str) -> None:
        """Remove the document, if there is one."""
        self._tables[table].pop(key, None)
        self._dirty[(table, key)] = None

    def commit(self) -> None:
        """Write all changes since the last commit in one transaction."""
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        if self._db is None:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for table, key in dirty:
                doc = self._tables[table].get(key)
                if doc is None:
                    self._db.execute("DELETE FROM docs WHERE kind = ? AND id = ?", (table, key))
                else:
                    self._db.execute(
                        "INSERT INTO docs (kind, id, body) VALUES (?, ?, ?)"
                        " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                        (table, key, json.dumps(doc)),
                    )
        except BaseException:
            self._db.execute("ROLLBACK")
            self._dirty = {**dirty, **self._dirty}
            raise
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Remove all documents and files."""
        for name, table in self._tables.items():
            for key in list(table):
                self.drop(name, key)
        self._file_bytes.clear()
        if self.directory is not None:
            for path in (self.directory / "files").iterdir():
                path.unlink()

    def write_file(self, key: str, data: bytes) -> None:
        """Store the bytes of a file; on disk the file appears complete or not at all."""
        if self.directory is None:
            self._file_bytes[key] = data
            return
        target = self.directory / "files" / key
        partial = target.with_suffix(".part")
        partial.write_bytes(data)
        partial.replace(target)

    def read_file(self, key: str) -> bytes | None:
        """Return the bytes stored under `key`, or None."""
        if self.directory is None:
            return self._file_bytes.get(key)
        try:
            return (self.directory / "files" / key).read_bytes()
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Commit and close the database."""
        self.commit()
        if self._db is not None:
            self._db.close()
