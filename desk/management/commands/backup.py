"""`manage.py backup FILE`: the database and the files in one archive, while Desk runs."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from desk.backup import create
from desk.backup.report import lines
from desk.backup.termination import cleaning_up
from desk.errors import Refused

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Write the database and the customers' files to one archive, which manage.py restore reads into SQLite or "
        "PostgreSQL. Desk may run meanwhile. The DESK_SECRET_KEY is not in the archive: keep it in another place."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the archive to make; - writes to the standard output")
        parser.add_argument("--quiet", action="store_true", help="print only what could not be stored")

    def handle(self, *args: Any, **options: Any) -> None:
        to_pipe = options["file"] == "-"
        out = self.stderr if to_pipe else self.stdout
        try:
            with cleaning_up():
                if to_pipe:
                    manifest, lacking = create.write_stdout()
                else:
                    manifest, lacking = create.write_file(Path(options["file"]).absolute())
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        except BrokenPipeError:
            sys.stdout = None  # so that Python does not flush it again at the end
            raise CommandError("The program that read the backup has ended. The backup is incomplete.") from None
        if not options["quiet"]:
            for line in lines(manifest):
                out.write(line, ending="\n")
        gone = [entry for entry in lacking if entry.missing == create.GONE]
        for entry in lacking[:SHOWN]:
            self.stderr.write(f"{entry.name!r} is not in the backup: {entry.missing}")
        if len(lacking) > SHOWN:
            self.stderr.write(f"… and {len(lacking) - SHOWN} more files are not in the backup.")
        if len(gone) < len(lacking):
            raise CommandError(
                f"The backup was written, but lacks {len(lacking) - len(gone)} files that exist and cannot be read. "
                "Mend their permissions, and make another backup."
            )
