"""`manage.py verify_integrity`: find where rows, files, counters and the search index contradict each other."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from desk import integrity


def _hours(text: str) -> timedelta:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("a whole number of hours, at least 1")
    return timedelta(hours=int(text))


class Command(BaseCommand):
    help = (
        "Find missing and unnamed files, wrong counters, previews and times, and gaps in the search index. Desk may "
        "run meanwhile. The exit code is 1 when something was found and not mended."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mend", action="store_true", help="compute again what follows from other rows")
        parser.add_argument("--delete-orphans", action="store_true", help="delete old files that no row names")
        parser.add_argument(
            "--older-than",
            metavar="HOURS",
            type=_hours,
            default=timedelta(hours=24),
            help="the age from which a file that no row names counts (24): a file is stored before its row",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wishes = integrity.Wishes(options["mend"], options["delete_orphans"], options["older_than"])
        found = mended = 0
        for name, check in integrity.checks().items():
            in_check = 0
            for finding in check(wishes):
                in_check, mended = in_check + 1, mended + finding.mended
                note = " (mended)" if finding.mended else ""
                self.stdout.write(f"{finding.subject}: {finding.sentence}{note}")
            found += in_check
            self.stdout.write(f"{name}: {in_check or 'no'} finding{'' if in_check == 1 else 's'}")
        if found > mended:
            hint = "" if wishes.mend else " --mend computes again what can be computed."
            self.stderr.write(f"{found - mended} of {found} findings are not mended.{hint}")
            sys.exit(1)
