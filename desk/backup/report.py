"""The summary that `backup` and `restore` print: the same lines for the same content."""

from collections.abc import Iterator

from desk.backup.archive import Manifest


def lines(manifest: Manifest) -> Iterator[str]:
    """Yield a line with rows and digest of each table, then one for the files."""
    yield f"Desk {manifest.desk}, {manifest.database}, {manifest.made_at}"
    width = max(map(len, manifest.tables), default=0)
    for table, entry in manifest.tables.items():
        yield f"{table:<{width}}  {entry.rows:>9,} rows   sha256 {entry.sha256}"
    files = manifest.files
    yield f"{'files':<{width}}  {files.count:>9,} files  sha256 {files.list_sha256}"
    yield f"{files.bytes:,} bytes of files; {files.missing:,} files that rows name were missing."
