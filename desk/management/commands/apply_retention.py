"""`manage.py apply_retention`: delete what is older than the retention rules allow, or count it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from desk import retention
from desk.models import RetentionRun


class Command(BaseCommand):
    help = "Delete what is older than Setup → Data retention allows. The worker does it daily; Desk may run meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")

    def handle(self, *args: Any, **options: Any) -> None:
        days = retention.current_days()
        is_dry = options["dry_run"]
        counts = retention.preview(days) if is_dry else retention.apply(max_s_per_kind=None)
        for kind in retention.kinds():
            kept = f"{kind.label}, kept {retention.in_words(days[kind.name])}"
            if kind.name in counts:
                self.stdout.write(f"{kept}: {counts[kind.name]} {'would be deleted' if is_dry else 'deleted'}")
            else:
                self.stdout.write(f"{kept}: nothing is deleted")
        failed = [] if is_dry else RetentionRun.objects.filter(kind__in=counts).exclude(error="")
        if failed:
            raise CommandError(f"Stopped with an error, see above: {', '.join(run.kind for run in failed)}")
