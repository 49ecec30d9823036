"""`manage.py restore FILE`: read a backup into an empty database and an empty media folder."""

import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from desk.backup import restore
from desk.backup.archive import CHUNK, Reader
from desk.backup.report import lines
from desk.backup.termination import cleaning_up
from desk.errors import Refused


class Command(BaseCommand):
    help = (
        "Restore a backup of manage.py backup into an empty database and an empty media folder: everything, or "
        "nothing. Desk must not run on them meanwhile."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the archive; - reads it from the standard input")
        parser.add_argument(
            "--check",
            action="store_true",
            help="read the whole archive and compare it with its manifest; restore nothing",
        )
        parser.add_argument(
            "--moved",
            action="store_true",
            help="the old Desk was stopped before this backup and stays stopped: what it had not sent yet is sent from "
            "here. Without this, replies that it may have sent after the backup wait for a look-up or an agent",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with cleaning_up(), _opened(options["file"]) as source:
                if options["check"]:
                    reader = Reader(source)
                    reader.verify()
                    self._print(lines(reader.manifest))
                    self.stdout.write("The archive is complete.")
                    return
                restored = restore.restore(source, moved=options["moved"], say=self._say)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        self._print(lines(restored.manifest))
        self.stdout.write("Restored. The rows in the database have these counts and digests, and so have the files.")
        for warning in restored.warnings:
            self.stderr.write(f"Note: {warning}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _print(self, text: Iterator[str]) -> None:
        for line in text:
            self.stdout.write(line)


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """Open the archive; the standard input is copied to a file without a name first, since a ZIP file ends with its
    table of contents."""
    if name != "-":
        with restore.open_archive(Path(name)) as source:
            yield source
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy, CHUNK)
        copy.seek(0)
        yield copy
